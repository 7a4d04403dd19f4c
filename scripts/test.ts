/**
 * `npm test`: the type check, the lint and format check, then the tests; all arguments go to vitest.
 * `--static=off` leaves the first two out. Ends with one line, `N passed, N failed`, in which each check counts as one.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { countTests, type Tally } from './setup/count-tests.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const stopGraceMs = 15_000;

const args = process.argv.slice(2);
const vitestArgs = args.filter((arg) => arg !== '--static=off');
const total = { passed: 0, failed: 0, skipped: 0, failures: [] as string[] };

if (vitestArgs.length === args.length) {
  await check('Types: tsc --noEmit', 'node_modules/typescript/bin/tsc', ['--noEmit']);
  await check('Lint and format: biome ci', 'node_modules/@biomejs/biome/bin/biome', [
    'ci',
    `--colors=${process.stdout.isTTY ? 'force' : 'off'}`,
    '.',
  ]);
}
await tests();

if (total.failures.length > 0) {
  console.log('\nFailed:');
  for (const failure of total.failures) console.log(`✗ ${failure.replaceAll(root, '')}`);
}
const skipped = total.skipped === 0 ? '' : `, ${total.skipped} skipped`;
console.log(`\n${total.passed} passed, ${total.failed} failed${skipped}`);
process.exitCode = total.failed === 0 ? 0 : 1;

async function check(title: string, program: string, programArgs: readonly string[]): Promise<void> {
  console.log(`\n── ${title}`);
  const code = await run(program, programArgs);
  const failures = code === 0 ? [] : [title];
  add({ passed: 1 - failures.length, failed: failures.length, skipped: 0, failures });
  console.log(code === 0 ? 'ok' : 'FAILED');
}

async function tests(): Promise<void> {
  console.log('\n── Tests: vitest run');
  const folder = await mkdtemp(join(tmpdir(), 'pet-roast-results-'));
  const results = join(folder, 'results.json');
  const reporter = vitestArgs.some((arg) => arg.startsWith('--reporter')) ? [] : ['--reporter=default'];
  const report = [...reporter, '--reporter=json', `--outputFile.json=${results}`];
  const code = await run('node_modules/vitest/vitest.mjs', ['run', ...vitestArgs, ...report]);
  add(countTests(await readFile(results, 'utf8').catch(() => undefined), code));
  await rm(folder, { recursive: true, force: true });
}

function add(tally: Tally): void {
  total.passed += tally.passed;
  total.failed += tally.failed;
  total.skipped += tally.skipped;
  total.failures.push(...tally.failures);
}

/** Runs one of the installed programs to its end. A signal that ends us ends it first. */
async function run(program: string, programArgs: readonly string[]): Promise<number | null> {
  const child = spawn(process.execPath, [join(root, program), ...programArgs], { cwd: root, stdio: 'inherit' });
  const stop = (signal: NodeJS.Signals): void => {
    // Ctrl-C has reached the whole group already; only a signal that was meant for us has to be passed on.
    if (signal !== 'SIGINT') child.kill(signal);
    setTimeout(() => child.kill('SIGKILL'), stopGraceMs).unref();
    child.once('close', () => process.exit(signal === 'SIGINT' ? 130 : 143));
  };
  process.once('SIGINT', stop).once('SIGTERM', stop);
  const [code] = await once(child, 'close');
  process.off('SIGINT', stop).off('SIGTERM', stop);
  return code;
}
