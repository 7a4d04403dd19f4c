/** Pages that are generated are as they would be generated now, and what they name is there. */
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { generatedPages } from '../scripts/docs/pages.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const pages = await generatedPages();

describe('the documentation', () => {
  it.each(pages.map(({ path, content }) => [path.slice(root.length), content]))(
    'has a %s that is not stale (npm run docs)',
    (path, content) => {
      expect(readFileSync(join(root, path), 'utf8')).toBe(content);
    },
  );

  it('links to nothing that is not there', () => {
    const texts = globSync(['*.md', 'docs/**/*.md', 'packages/**/*.md'], {
      cwd: root,
      exclude: (name) => name === 'node_modules',
    });
    expect(texts.length).toBeGreaterThan(3);
    for (const text of texts) {
      for (const [, target] of readFileSync(join(root, text), 'utf8').matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)) {
        expect(existsSync(join(root, dirname(text), target ?? '')), `${text} links to ${target}`).toBe(true);
      }
    }
  });

  it('names only commands that package.json has', () => {
    const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
      scripts: Record<string, string>;
    };
    for (const text of globSync(['*.md', 'docs/**/*.md'], { cwd: root })) {
      for (const [, name] of readFileSync(join(root, text), 'utf8').matchAll(/npm run ([a-z][a-z:-]*)/g)) {
        expect(Object.keys(scripts), `${text}: npm run ${name}`).toContain(name);
      }
    }
  });
});
