/** Pages that are generated are as they would be generated now, and what they name is there. */
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { hostileEverywhere, hostileUrls } from '../packages/shared/test/guarded/corpus.ts';
import { generatedPages } from '../scripts/docs/pages.ts';
import { hostileImages, refusedUnseen } from '../services/detector/test/hostile/corpus.ts';
import { secretNames } from './helpers/canaries.ts';

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

  it('names tests that are there, by their file and by their name, and has the figures of the corpora', () => {
    const text = readFileSync(join(root, 'docs/security.md'), 'utf8');
    const files = globSync('{packages,services,test}/**/*.test.ts', {
      cwd: root,
      exclude: (name) => name === 'node_modules',
    });
    const rows = text.match(/^\|.*\.test\.ts.*$/gm) ?? [];
    expect(rows.length).toBeGreaterThan(20);
    for (const row of rows) {
      const named = [...row.matchAll(/[\w./-]+\.test\.ts/g)].map(([name]) => {
        const found = files.filter((file) => file === name || (!name.includes('/') && file.endsWith(`/${name}`)));
        // A name alone stands for the file that was named with its path before.
        const known = found.filter((file) => text.includes(`\`${file}\``));
        expect(known, `docs/security.md names ${name}`).toHaveLength(1);
        return readFileSync(join(root, known[0] ?? ''), 'utf8');
      });
      for (const [, title = ''] of row.matchAll(/(?<!\*)\*([^*]+)\*(?!\*)/g)) {
        expect(
          named.some((test) => test.includes(title)),
          `docs/security.md names a test “${title}”`,
        ).toBe(true);
      }
    }
    expect(text).toContain(`${hostileUrls.length} URLs and ${hostileEverywhere.length} × 5 redirects`);
    expect(text).toContain(`${hostileImages.length} files, ${refusedUnseen.length} of them unseen by a decoder`);
    expect(text).toContain(`in all ${secretNames.length} secret variables`);
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
