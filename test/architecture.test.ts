/** The shape of the code, kept: who may import whom, and where the contract's steps live. */
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, matchesGlob, normalize, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { steps } from '@pet-roast/shared';
import { serviceNames } from '@pet-roast/testing';
import { describe, expect, it } from 'vitest';
import tests from '../vitest.config.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const sourcesOf = (pattern: string) =>
  globSync(pattern, { cwd: root, exclude: ['**/node_modules/**'] }).map((file) => ({
    file,
    imports: importsOf(readFileSync(join(root, file), 'utf8')),
  }));
const sources = sourcesOf('{packages,services}/*/src/**/*.ts').filter(({ file }) => !file.endsWith('.test.ts'));

describe('the code', () => {
  it('imports the broker client in one module of the product alone, and in one of the tests; a benchmark measures the client itself', () => {
    const importers = sourcesOf('{packages,services,scripts,test}/**/*.ts').filter(({ imports }) =>
      imports.some((name) => /^@?nats(-io)?(\/|$)/.test(name)),
    );
    expect(importers.map(({ file }) => file).toSorted()).toEqual([
      'packages/shared/src/broker.ts',
      'packages/testing/src/broker-for-test.ts',
    ]);
  });

  it('has no service that imports another, and no package that imports a service', () => {
    // Putting them together in one process is all that this one does.
    const alone = sources.filter(({ file }) => file !== 'services/all-in-one/src/main.ts');
    expect(alone.length).toBeLessThan(sources.length);
    for (const { file, imports } of alone) {
      const own = file.split('/').slice(0, 2).join('/');
      for (const name of imports) {
        for (const service of serviceNames) {
          expect(name, file).not.toBe(`@pet-roast/${service}`);
        }
        if (name.startsWith('.'))
          expect(relative(own, normalize(join(dirname(file), name))), file).not.toMatch(/^\.\./);
      }
    }
  });

  it('has cores that reach neither the broker, nor HTTP, nor native code', () => {
    const outside = [
      'nats',
      'undici',
      'fastify',
      'sharp',
      'onnxruntime-node',
      'ioredis',
      'node:http',
      'node:net',
      'node:fs',
    ];
    const cores = sources.filter(({ file }) => file.includes('/core/'));
    expect(cores.length).toBeGreaterThan(5);
    for (const { file, imports } of cores) {
      for (const name of imports) {
        expect(outside, `${file} imports ${name}`).not.toContain(name.replace(/^node:fs\/promises$/, 'node:fs'));
        expect(name, file).not.toMatch(/\/adapters\//);
      }
    }
  });

  it('does each of the contract’s steps in exactly one file of its owner, named for its way', () => {
    const stageFiles = globSync('services/*/src/*-to-*.ts', { cwd: root });
    for (const [name, step] of Object.entries(steps)) {
      const doers = stageFiles.filter((file) => readFileSync(join(root, file), 'utf8').includes(`step: '${name}'`));
      expect(doers, name).toHaveLength(1);
      expect(doers[0], name).toMatch(new RegExp(`^services/${step.owner}/src/[a-z]+-to-[a-z]+\\.ts$`));
    }
  });

  it('has no test that is of none of the kinds, so that none would run it, or of two', () => {
    const projects = tests.test?.projects as { readonly test: { readonly include: string[] } }[];
    const includes = projects.map(({ test }) => test.include);
    const files = globSync('{packages,services,scripts,test,bench,examples,tools,deploy}/**/*.test.ts', {
      cwd: root,
      exclude: ['**/node_modules/**'],
    });
    expect(files.length).toBeGreaterThan(100);
    for (const file of files) {
      const kinds = includes.filter((patterns) => patterns.some((pattern) => matchesGlob(file, pattern)));
      expect(kinds, file).toHaveLength(1);
    }
  });

  it('never starts a service that does not say in its first line what it is', () => {
    for (const name of serviceNames) {
      expect(readFileSync(join(root, `services/${name}/src/main.ts`), 'utf8')).toMatch(/^\/\*\* The [^\n]+\*\/\n/);
    }
  });
});

function importsOf(source: string): string[] {
  return [...source.matchAll(/(?:from|import\()\s*'([^']+)'/g)].map((match) => match[1] ?? '');
}
