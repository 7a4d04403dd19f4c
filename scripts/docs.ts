/** `npm run docs`: writes every generated page. */
import { writeFile } from 'node:fs/promises';
import { generatedPages } from './docs/pages.ts';

for (const { path, content } of await generatedPages()) {
  await writeFile(path, content);
  console.log(path);
}
