/** The end of a set-up: the file, and what the operator sees of it. */

import { type Entry, freshEnvFile, mergeEnvFile } from './env-file.ts';
import { maskSecret, maskUrl } from './mask.ts';
import { checkedAgainst } from './plan.ts';
import { createPrivately, readIfThere, replacePrivately } from './private-file.ts';
import { about, isSecret, type Values } from './variables.ts';

/** What becomes of a file that is there already. */
export type Existing = 'merge' | 'overwrite';

/** The lines of the file, in order: the mode, the answers, and the addresses that the checks were made against. */
export function entriesFor(answers: Values | 'sandbox', environment: Values): Entry[] {
  const values = answers === 'sandbox' ? {} : answers;
  const carried = checkedAgainst.filter(
    ({ name, when }) => answers !== 'sandbox' && name in environment && when(values),
  );
  const all: Values = {
    SANDBOX: String(answers === 'sandbox'),
    ...values,
    ...Object.fromEntries(carried.map(({ name }) => [name, environment[name] ?? ''])),
  };
  return Object.entries(all).map(([name, value]) => ({ name, value, comment: about(name) }));
}

/**
 * Writes the file in one step, `removed` gone from the one that is there. `overwrite` keeps the old one beside it and gives that copy's path. Throws
 * `UnreadableEnvFile` where the old one cannot be merged with.
 */
export async function writeEnvFile(
  path: string,
  entries: readonly Entry[],
  existing: Existing,
  removed: readonly string[] = [],
  now: Date = new Date(),
): Promise<string | undefined> {
  const old = await readIfThere(path);
  if (old !== undefined && existing === 'merge') {
    const gone = removed.map((name) => ({ name, comment: about(name) }));
    await replacePrivately(path, mergeEnvFile(old, entries, gone));
    return undefined;
  }
  const backup = old === undefined ? undefined : `${path}.backup-${now.toISOString().replaceAll(/[-:.]/g, '')}`;
  if (old !== undefined && backup !== undefined) await createPrivately(backup, old);
  await replacePrivately(path, freshEnvFile(entries, now));
  return backup;
}

/** One line a variable, with nothing secret in it. */
export function summary(entries: readonly Entry[]): string {
  const width = Math.max(...entries.map(({ name }) => name.length));
  return entries
    .map(({ name, value }) => `${name.padEnd(width)}  ${isSecret(name) ? maskSecret(value) : maskUrl(value)}`)
    .join('\n');
}

/** What to do now. Secrets are pointed at, never printed. */
export function nextSteps(path: string, entries: readonly Entry[]): string {
  const isSandbox = entries.some(({ name, value }) => name === 'SANDBOX' && value === 'true');
  if (isSandbox) return '1. npm start';
  return `1. On the backend, set what is read in ${path}:
   the webhook secret: the whole value of BACKEND_WEBHOOK_SECRET
   its key for the API: in API_KEYS, what follows "backend:"
2. npm start
3. Let BRIDGE_PUBLIC_URL lead to the revid-bridge, at the address that npm start prints (port 8001 if it is free): Revid.ai
   calls it there`;
}
