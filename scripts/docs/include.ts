/**
 * Code in guides is quoted from files that run, so that it cannot rot.
 *
 * A page has, each on a line of its own:
 *
 *     <!-- include examples/backend-graphql/src/webhook.ts#verify -->
 *     <!-- /include -->
 *
 * `npm run docs` puts the region between them as a code block; without `#region` it is the whole file. A region begins after
 * the line with the comment `docs:start verify` and ends before the next line with `docs:end`, in any language's comments. Regions
 * may overlap: `docs:end verify` ends that one alone. Lines with such comments are never quoted.
 */
import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';

const start = /^<!-- include (\S+?)(?:#(\S+))? -->$/;
const anyStart = /^<!-- include\b/;
const end = '<!-- /include -->';
const marker = /(?:\/\/|#|<!--|\/\*+|--)\s*docs:(start|end)\b[ \t]*([\w-]*)/;
const languages: Readonly<Record<string, string>> = { mts: 'ts', cts: 'ts', mjs: 'js', cjs: 'js', yml: 'yaml' };

/**
 * The page with everything that it includes filled in. `read` gives a file's text by its path from the root of the
 * repository. Throws, with the line's number, for a marker that is wrong, unclosed, or names what is not there.
 */
export async function fillIncludes(page: string, read: (path: string) => Promise<string>): Promise<string> {
  const lines = page.split('\n');
  const filled: string[] = [];
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at] ?? '';
    filled.push(line);
    if (!anyStart.test(line)) {
      if (line === end) throw new Error(`line ${at + 1}: ${end} without a start`);
      continue;
    }
    const [, path, region] = start.exec(line) ?? [];
    if (path === undefined) throw new Error(`line ${at + 1}: not of the form <!-- include PATH#REGION -->: ${line}`);
    const close = lines.findIndex((later, index) => index > at && (later === end || anyStart.test(later)));
    if (lines[close] !== end) throw new Error(`line ${at + 1}: no ${end} follows: ${line}`);
    const code = quote(await read(path), path, region);
    filled.push(`\`\`\`${languageOf(path)}`, code, '```', end);
    at = close;
  }
  return filled.join('\n');
}

/** Whether there is anything to fill in. */
export function hasIncludes(page: string): boolean {
  return page.split('\n').some((line) => anyStart.test(line));
}

/** Reads files of the repository for `fillIncludes`. */
export function readFrom(root: URL): (path: string) => Promise<string> {
  return (path) => readFile(new URL(path, root), 'utf8');
}

function quote(text: string, path: string, region: string | undefined): string {
  const all = text.split('\n');
  const chosen = region === undefined ? all : all.slice(...boundsOf(all, path, region));
  const code = outdent(chosen.filter((line) => !marker.test(line))).trim();
  if (code === '') throw new Error(`${path}#${region ?? ''} is empty`);
  if (code.includes('```'))
    throw new Error(`${path}#${region ?? ''} has a code block of its own, which cannot be quoted`);
  return code;
}

function boundsOf(lines: readonly string[], path: string, region: string): [number, number] {
  const marks = lines.map((line) => marker.exec(line));
  const starts = marks.flatMap((mark, at) => (mark?.[1] === 'start' && mark[2] === region ? [at] : []));
  const [from] = starts;
  if (from === undefined || starts.length > 1) {
    throw new Error(`${path} has ${starts.length} comments "docs:start ${region}", not one`);
  }
  const to = marks.findIndex((mark, at) => at > from && mark?.[1] === 'end' && (mark[2] === '' || mark[2] === region));
  if (to === -1) throw new Error(`${path}: "docs:start ${region}" has no "docs:end" after it`);
  return [from + 1, to];
}

/** Without the indentation that all lines share; of tabs or spaces alike. */
function outdent(lines: readonly string[]): string {
  const indents = lines.filter((line) => line.trim() !== '').map((line) => line.search(/\S/));
  const shared = Math.min(...indents);
  return lines.map((line) => line.slice(shared).trimEnd()).join('\n');
}

function languageOf(path: string): string {
  const ending = extname(path).slice(1);
  return languages[ending] ?? ending;
}
