/** Every page, or part of one, that is generated: by `npm run docs`, and compared by a test. */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { apiReferencePage } from './api-reference.ts';
import { asyncApiText } from './asyncapi.ts';
import { configTables } from './config-table.ts';
import { errorsPage } from './errors-page.ts';
import { journeyPage } from './journey-page.ts';

export type Page = { readonly path: string; readonly content: string };

const root = new URL('../../', import.meta.url);
const [start, end] = ['<!-- config:start -->', '<!-- config:end -->'];

export async function generatedPages(): Promise<Page[]> {
  return [
    { path: pathOf('docs/journey.md'), content: journeyPage() },
    { path: pathOf('docs/errors.md'), content: errorsPage() },
    { path: pathOf('docs/api-reference.md'), content: apiReferencePage() },
    { path: pathOf('docs/asyncapi.json'), content: asyncApiText() },
    { path: pathOf('README.md'), content: await readmeWithTables() },
  ];
}

async function readmeWithTables(): Promise<string> {
  const readme = await readFile(new URL('README.md', root), 'utf8');
  const [from, to] = [readme.indexOf(start), readme.indexOf(end)];
  if (from === -1 || to < from) throw new Error(`README.md has no ${start} … ${end}`);
  return `${readme.slice(0, from + start.length)}\n\n${configTables()}\n\n${readme.slice(to)}`;
}

function pathOf(path: string): string {
  return fileURLToPath(new URL(path, root));
}
