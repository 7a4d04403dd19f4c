/** `npm run bench -- NAME [arguments]`: one of the measurements in bench/, each with what it shows in its first lines. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { root } from './run/machine.ts';

type Bench = { readonly run: (args: readonly string[]) => Promise<number> };

const folder = join(root, 'bench');
const [name, ...args] = process.argv.slice(2);
const benches: string[] = [];
for (const file of (await readdir(folder)).filter((one) => one.endsWith('.ts')).sort()) {
  // What has no `run` is a part of another one.
  const { run } = (await import(join(folder, file))) as Partial<Bench>;
  if (run !== undefined) benches.push(file.slice(0, -'.ts'.length));
}

if (name === undefined || !benches.includes(name)) {
  console.error(`Usage: npm run bench -- NAME [arguments]; bench/ has ${benches.join(', ')}`);
  process.exit(2);
}
const { run } = (await import(join(folder, `${name}.ts`))) as Bench;
process.exit(await run(args));
