/**
 * The text of a `.env` file. Two readers have to agree on it: Node (`process.loadEnvFile`), whose quotes know no escapes,
 * and docker compose, which replaces `$NAME` outside single quotes and knows escapes inside double ones (Docker's
 * "env-file syntax" page). So only spellings are written that mean the same to both.
 */
import { parseEnv } from 'node:util';

export type Entry = { readonly name: string; readonly value: string; readonly comment: string };

/** A file's text cannot be changed without changing what is not ours in it. */
export class UnreadableEnvFile extends Error {
  override readonly name = 'UnreadableEnvFile';
}

/** A value as it stands behind `NAME=`; undefined where no spelling means the same to both readers. */
export function encodeValue(value: string): string | undefined {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  if (/[\x00-\x1f\x7f]/.test(value)) return undefined;
  if (/^[\w.,:/@+=-]*$/.test(value)) return value;
  if (!value.includes("'") && !value.endsWith('\\')) return `'${value}'`;
  if (!/["$\\]/.test(value)) return `"${value}"`;
  if (!/[#$`]/.test(value) && !/^[\s"']|\s$/.test(value)) return value;
  return undefined;
}

/** A new file: a comment and a line for each entry. */
export function freshEnvFile(entries: readonly Entry[], writtenAt: Date): string {
  const head = `# Pet Roast's configuration, written by \`npm run setup\` on ${writtenAt.toISOString().slice(0, 10)}.
# It holds secrets: keep it out of version control and readable by you alone (chmod 600).
`;
  return verified(`${head}${entries.map(withComment).join('')}`, entries, '');
}

/**
 * The file with these entries in place of those of the same names; new ones follow at the end. What is `removed` goes, with
 * the comment that stands above it where that is ours. Every other line stays as it is. Throws `UnreadableEnvFile` where the result would read otherwise, as behind a quote that is never closed.
 */
export function mergeEnvFile(
  text: string,
  entries: readonly Entry[],
  removed: readonly Omit<Entry, 'value'>[] = [],
): string {
  const wanted = new Map(entries.map((entry) => [entry.name, entry]));
  const placed = new Set<string>();
  const gone = removed.map(({ name }) => name);
  const found = statements(text);
  const kept = found.flatMap(({ name, raw }, index) => {
    const next = removed.find((one) => one.name === found[index + 1]?.name);
    if (gone.includes(name ?? '') || (next !== undefined && raw === commentOf(next))) return [];
    const entry = wanted.get(name ?? '');
    if (entry === undefined) return [raw];
    if (placed.has(entry.name)) return [];
    placed.add(entry.name);
    return [line(entry)];
  });
  const before = kept.join('');
  const added = entries.filter(({ name }) => !placed.has(name));
  const joint = before === '' || before.endsWith('\n') ? '' : '\n';
  return verified(`${before}${joint}${added.map(withComment).join('')}`, entries, text, gone);
}

type Statement = { readonly name: string | undefined; readonly raw: string };

/** The text cut into assignments (a quoted value may span lines) and everything else. */
function statements(text: string): Statement[] {
  const lines = text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
  const found: Statement[] = [];
  for (let index = 0; index < lines.length; index += 1) {
    let raw = lines[index] ?? '';
    const [, name, quote, rest] = /^\s*(?:export\s+)?([A-Za-z_][\w.]*)\s*=\s*(?:(["'`])([\s\S]*))?/.exec(raw) ?? [];
    if (quote !== undefined && rest !== undefined && !rest.includes(quote)) {
      const end = lines.findIndex((one, at) => at > index && one.includes(quote));
      if (end !== -1) {
        raw = lines.slice(index, end + 1).join('');
        index = end;
      }
    }
    found.push({ name, raw });
  }
  return found;
}

function withComment(entry: Entry): string {
  return `\n${commentOf(entry)}${line(entry)}`;
}

function commentOf({ comment }: Pick<Entry, 'comment'>): string {
  return `# ${comment.replaceAll(/\s+/g, ' ')}\n`;
}

function line({ name, value }: Entry): string {
  const encoded = encodeValue(value);
  if (encoded === undefined) throw new Error(`the value of ${name} cannot be written to a .env file`);
  return `${name}=${encoded}\n`;
}

/** What is read back is what was meant, of ours and of everybody else's. */
function verified(text: string, entries: readonly Entry[], before: string, removed: readonly string[] = []): string {
  const expected: Record<string, string | undefined> = parseEnv(before);
  for (const name of removed) delete expected[name];
  for (const { name, value } of entries) expected[name] = value;
  const actual: Record<string, string | undefined> = parseEnv(text);
  for (const name of new Set([...Object.keys(expected), ...Object.keys(actual)])) {
    if (actual[name] !== expected[name]) {
      throw new UnreadableEnvFile(`${name} would read differently afterwards; is there a quote that is never closed?`);
    }
  }
  return text;
}
