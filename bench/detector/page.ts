import { readFile, writeFile } from 'node:fs/promises';
import { availableParallelism, cpus } from 'node:os';
import { join } from 'node:path';
import { root } from '../../scripts/run/machine.ts';

const page = join(root, 'docs/detector.md');

/** Puts what was measured into docs/detector.md, between `<!-- NAME:start -->` and `<!-- NAME:end -->`. */
export async function writeBlock(name: string, markdown: string): Promise<void> {
  const text = await readFile(page, 'utf8');
  const [start, end] = [`<!-- ${name}:start -->`, `<!-- ${name}:end -->`];
  const [from, to] = [text.indexOf(start), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`${page} has no place for ${name}`);
  await writeFile(page, `${text.slice(0, from)}${start}\n\n${markdown}\n\n${text.slice(to)}`);
}

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((_, column) => Math.max(3, ...[head, ...rows].map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n');
}

/** As `Intel(R) Xeon(R) Processor, 2 cores, Node 24.21.0, 2026-11-28`. */
export function machine(): string {
  const date = new Date().toISOString().slice(0, 10);
  return `${cpus()[0]?.model}, ${availableParallelism()} cores, Node ${process.versions.node}, ${date}`;
}
