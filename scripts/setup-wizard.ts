/**
 * `npm run setup`: asks for what the system needs and nothing else, checks each value as it is given, and writes `.env`.
 * With `--yes` it asks nothing and takes the values from the environment. Exit codes: 0 written; 1 not written, with the
 * reasons, or quit; 130 ended by Ctrl-C. Nothing is written before everything is known.
 */
import { relative, resolve } from 'node:path';
import { parseEnv } from 'node:util';
import { root } from './run/machine.ts';
import { UnreadableEnvFile } from './setup-wizard/env-file.ts';
import { type Existing, entriesFor, nextSteps, summary, writeEnvFile } from './setup-wizard/finish.ts';
import { interview } from './setup-wizard/interview.ts';
import { NotDone, type Options, readOptions, usage } from './setup-wizard/options.ts';
import { checkedAgainst } from './setup-wizard/plan.ts';
import { expectWritable, readIfThere } from './setup-wizard/private-file.ts';
import { createTerminal, Ended, type Terminal } from './setup-wizard/terminal.ts';
import { unattended } from './setup-wizard/unattended.ts';
import { problemWith, type Values, variableNames } from './setup-wizard/variables.ts';

let terminal: Terminal | undefined;
try {
  await main();
} catch (error) {
  // At once: a check that nobody waits for any more may be under way.
  process.exit(tellEnd(error));
}

async function main(): Promise<void> {
  const options = readOptions();
  if (options.help === true) return console.log(usage);
  const path = resolve(options.file ?? `${root}.env`);
  await expectWritable(path).catch((error: Error) => {
    throw new NotDone(`${path} cannot be written: ${error.message}\nGive another place with --file.`);
  });
  const present = await valuesIn(path);
  if (options.yes === true) return withoutAsking(path, present, options);
  if (!process.stdin.isTTY || !process.stdout.isTTY) {
    throw new NotDone(
      'This is no terminal, so nothing can be asked.\nUse --yes, with the variables in the environment.',
    );
  }
  terminal = createTerminal();
  await byAsking(terminal, path, present);
}

async function byAsking(terminal: Terminal, path: string, inFile: Values | undefined): Promise<void> {
  terminal.intro('Pet Roast: set-up. Ctrl-C ends it, and nothing is written before the end.');
  const existing: Existing = inFile === undefined ? 'merge' : await whatBecomesOf(terminal, shown(path));
  const present = existing === 'merge' ? (inFile ?? {}) : {};
  const settings = { ...present, ...environment() };
  expectValid(settings);

  const mode = await terminal.choose(
    'What is it for?',
    [
      { value: 'sandbox', label: 'Trying it out', hint: 'stand-ins play everything outside; nothing is needed' },
      { value: 'real', label: 'Real videos', hint: 'needs accounts at Revid.ai and at a translator, and your backend' },
    ],
    present['SANDBOX'] === 'false' ? 'real' : 'sandbox',
  );
  const answers = mode === 'real' ? await interview(terminal, { present, settings }) : undefined;
  const entries = entriesFor(answers?.values ?? 'sandbox', environment());
  const removed = answers?.removed ?? [];
  const backup = await writeEnvFile(path, entries, existing, removed).catch(async (error: unknown) => {
    if (!(error instanceof UnreadableEnvFile)) throw error;
    await insteadOfMerging(terminal, error);
    return writeEnvFile(path, entries, 'overwrite');
  });

  if (backup !== undefined) terminal.success(`The old file is ${shown(backup)}`);
  if (removed.length > 0) terminal.success(`Removed from it: ${removed.join(', ')}`);
  for (const what of answers?.unchecked ?? []) terminal.warn(`Kept although the check failed: ${what}`);
  if (mode === 'sandbox') tellOfRealOnes(present, terminal.warn);
  terminal.note(`${shown(path)} (readable by you alone)`, summary(entries));
  terminal.note('Next', nextSteps(shown(path), entries));
  terminal.outro('Done.');
}

async function withoutAsking(path: string, inFile: Values | undefined, options: Options): Promise<void> {
  const existing = options.existing;
  if (inFile !== undefined && existing === undefined) {
    throw new NotDone(`${path} is there already and is left as it is.\nSay --existing merge or --existing overwrite.`);
  }
  const present = existing === 'merge' ? (inFile ?? {}) : {};
  const settings = { ...present, ...environment() };
  expectValid(settings);

  const isSandbox = ['true', '1'].includes(settings['SANDBOX'] ?? 'false');
  const checks = options['skip-checks'] !== true;
  const outcome = isSandbox ? undefined : await unattended(settings, { settings, checks });
  if (outcome !== undefined && 'problems' in outcome) {
    throw new NotDone(`Nothing was written:\n${outcome.problems.map((problem) => `- ${problem}`).join('\n')}`);
  }
  const entries = entriesFor(outcome?.values ?? 'sandbox', environment());
  const backup = await writeEnvFile(path, entries, existing ?? 'merge').catch((error: unknown) => {
    if (!(error instanceof UnreadableEnvFile)) throw error;
    throw new NotDone(`Nothing was written: ${error.message}\nCorrect ${path}, or say --existing overwrite.`);
  });
  for (const warning of outcome?.warnings ?? []) console.error(`Warning: ${warning}`);
  if (isSandbox) tellOfRealOnes(present, (text) => console.error(`Warning: ${text}`));
  if (backup !== undefined) console.log(`The old file is ${backup}`);
  console.log(`${path} is written:\n\n${summary(entries)}\n\nNext:\n${nextSteps(path, entries)}`);
}

async function whatBecomesOf(terminal: Terminal, file: string): Promise<Existing> {
  const choice = await terminal.choose(`${file} is there already. What becomes of it?`, [
    { value: 'merge', label: 'Change it', hint: 'only what is asked for here; every other line stays' },
    { value: 'overwrite', label: 'Write a new one', hint: 'the old one is kept beside it' },
    { value: 'quit', label: 'Quit', hint: 'it stays as it is' },
  ]);
  if (choice === 'quit') throw new Ended(1);
  return choice;
}

/** All has been answered: better a new file than all of it again. */
async function insteadOfMerging(terminal: Terminal, { message }: UnreadableEnvFile): Promise<void> {
  terminal.error(`The file that is there cannot be changed safely: ${message}`);
  const choice = await terminal.choose('What now?', [
    { value: 'overwrite', label: 'Write a new one', hint: 'the old one is kept beside it' },
    { value: 'quit', label: 'Quit', hint: 'it stays as it is' },
  ]);
  if (choice === 'quit') throw new Ended(1);
}

/** `npm start` takes the addresses that a file names before the sandbox's, so a leftover one leads out of it. */
function tellOfRealOnes(present: Values, warn: (text: string) => void): void {
  const real = ['REVID_BASE_URL', 'BHASHINI_CONFIG_URL', 'INDICTRANS_URL', 'BACKEND_WEBHOOK_URL'].filter(
    (name) => name in present,
  );
  if (real.length === 0) return;
  warn(
    `The file still names ${real.join(', ')}: those are used in place of the stand-ins. Remove them, or write a new file.`,
  );
}

function expectValid(settings: Values): void {
  for (const { name } of checkedAgainst) {
    const value = settings[name];
    const problem = value === undefined ? undefined : problemWith(name, value);
    if (problem !== undefined) throw new NotDone(`${name} ${problem}\nCorrect or unset it where it is set.`);
  }
}

/** What the environment says of the services' variables. */
function environment(): Values {
  return known(process.env);
}

async function valuesIn(path: string): Promise<Values | undefined> {
  const text = await readIfThere(path).catch((error: Error) => {
    throw new NotDone(`${path} is there but cannot be read: ${error.message}`);
  });
  return text === undefined ? undefined : known(parseEnv(text));
}

/** Those that a service reads. An empty one is an unset one, and a line break at the end is the shell's. */
function known(all: NodeJS.Dict<string>): Values {
  return Object.fromEntries(
    [...variableNames].flatMap((name) => {
      const value = all[name]?.trim();
      return value ? [[name, value]] : [];
    }),
  );
}

function shown(path: string): string {
  const fromHere = relative(process.cwd(), path);
  return fromHere.startsWith('..') ? path : fromHere;
}

/** Says how it ended and gives the exit code. */
function tellEnd(error: unknown): number {
  if (error instanceof Ended) {
    terminal?.cancelled('Nothing was written.');
    return error.exitCode;
  }
  if (error instanceof NotDone) {
    console.error(error.message);
    return 1;
  }
  throw error;
}
