/** Every page, or part of one, that is generated: by `npm run docs`, and compared by a test. */
import { globSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { apiReferencePage } from './api-reference.ts';
import { asyncApiText } from './asyncapi.ts';
import { configTables } from './config-table.ts';
import { errorsPage } from './errors-page.ts';
import { fillIncludes, hasIncludes, readFrom } from './include.ts';
import { journeyPage } from './journey-page.ts';
import { natsUsersConf } from './nats-users.ts';

export type Page = { readonly path: string; readonly content: string };

const root = new URL('../../', import.meta.url);
const [start, end] = ['<!-- config:start -->', '<!-- config:end -->'];

export async function generatedPages(): Promise<Page[]> {
  return [
    { path: pathOf('docs/journey.md'), content: journeyPage() },
    { path: pathOf('docs/errors.md'), content: errorsPage() },
    { path: pathOf('docs/api-reference.md'), content: apiReferencePage() },
    { path: pathOf('docs/asyncapi.json'), content: asyncApiText() },
    { path: pathOf('deploy/nats-users.conf'), content: natsUsersConf() },
    { path: pathOf('README.md'), content: await readmeWithTables() },
    ...(await pagesWithIncludes()),
  ];
}

async function readmeWithTables(): Promise<string> {
  const readme = await readFile(new URL('README.md', root), 'utf8');
  const [from, to] = [readme.indexOf(start), readme.indexOf(end)];
  if (from === -1 || to < from) throw new Error(`README.md has no ${start} … ${end}`);
  return `${readme.slice(0, from + start.length)}\n\n${configTables()}\n\n${readme.slice(to)}`;
}

/** Guides that quote code (see include.ts). */
async function pagesWithIncludes(): Promise<Page[]> {
  const read = readFrom(root);
  const pages = globSync('docs/*.md', { cwd: root })
    .sort()
    .map(async (path) => {
      const page = await read(path);
      if (!hasIncludes(page)) return [];
      const content = await fillIncludes(page, read).catch((cause: Error) => {
        throw new Error(`${path}: ${cause.message}`, { cause });
      });
      return [{ path: pathOf(path), content }];
    });
  return (await Promise.all(pages)).flat();
}

function pathOf(path: string): string {
  return fileURLToPath(new URL(path, root));
}
