/** The wizard's command line. */
import { parseArgs } from 'node:util';
import type { Existing } from './finish.ts';

export const usage = `npm run setup                     asks, checks and writes .env
npm run setup -- --yes            asks nothing: takes the variables from the environment
  --file PATH                     another file than .env
  --existing merge|overwrite      with --yes, what becomes of a file that is there: its other lines stay, or it is
                                  kept as PATH.backup-TIME and replaced; without this such a file is left as it is
  --skip-checks                   with --yes, judges values by their form alone and calls nobody`;

/** The set-up cannot be done; the message says why, whose matter it is, and what to do. */
export class NotDone extends Error {
  override readonly name = 'NotDone';
}

export type Options = Omit<ReturnType<typeof parseOptions>, 'existing'> & { readonly existing?: Existing };

/** The command line, read. Throws `NotDone` with the usage where it is not one. */
export function readOptions(): Options {
  try {
    const { existing, ...rest } = parseOptions();
    if (existing === undefined) return rest;
    if (existing === 'merge' || existing === 'overwrite') return { ...rest, existing };
    throw new Error(`--existing is merge or overwrite, not ${existing}`);
  } catch (error) {
    throw new NotDone(`${(error as Error).message}\n\n${usage}`);
  }
}

function parseOptions() {
  const flag = { type: 'boolean' } as const;
  const text = { type: 'string' } as const;
  return parseArgs({ options: { yes: flag, help: flag, 'skip-checks': flag, file: text, existing: text } }).values;
}
