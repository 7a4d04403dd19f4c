#!/usr/bin/env node
/**
 * From a bare machine to a running command: `node scripts/bootstrap.mjs <command> [arguments]` runs scripts/<command>.ts.
 *
 * Needs Node 18 or later with npm and nothing else, so it is plain JavaScript without dependencies. In order: Node 24
 * and pnpm (into .cache/runtime), the packages (pnpm install, when the lockfile or a package.json changed), the command.
 * What is there already is left alone: then this costs a few milliseconds and says nothing.
 */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { dependenciesAreReady, installDependencies } from './setup/dependencies.mjs';
import { Failure } from './setup/failure.mjs';
import { handOver } from './setup/hand-over.mjs';
import { withLock } from './setup/lock.mjs';
import { installRuntime, runtimeAt } from './setup/runtime.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const nodeMajorMin = 18;
/** Commands that look at no photo, and so need no library for the detection model. */
const withoutDetector = ['setup-wizard', 'test-integration', 'docs'];

const [command, ...args] = process.argv.slice(2);

try {
  await main();
} catch (error) {
  if (!(error instanceof Failure)) throw error;
  process.stderr.write(`\n${error.message}\n`);
  process.exitCode = 1;
}

async function main() {
  const script = scriptOf(command);
  if (Number(process.versions.node.split('.')[0]) < nodeMajorMin) {
    throw new Failure('The set-up cannot start', {
      why: `this is Node ${process.versions.node}, and ${nodeMajorMin} or later is needed to begin with`,
      whose: "this machine's Node is too old",
      todo: 'install Node 24 (or at least 18: the rest then comes by itself) and run the same command again',
    });
  }
  const runtime = runtimeAt(root);
  if (!runtime.isReady() || !dependenciesAreReady(root)) {
    await withLock(join(root, '.cache', 'setup.lock'), async () => {
      if (!runtime.isReady()) await installRuntime(runtime, { detects: !withoutDetector.includes(command) });
      if (!dependenciesAreReady(root)) await installDependencies(root, runtime);
    });
  }
  await handOver(runtime, script, args);
}

function scriptOf(name) {
  const commands = readdirSync(join(root, 'scripts'))
    .filter((file) => file.endsWith('.ts'))
    .map((file) => file.slice(0, -'.ts'.length));
  const script = join(root, 'scripts', `${name}.ts`);
  if (name !== undefined && commands.includes(name) && existsSync(script)) return script;
  throw new Failure(name === undefined ? 'A command is missing' : `There is no command "${name}"`, {
    why: `scripts/ has ${commands.map((one) => `"${one}"`).join(', ')}`,
    whose: 'the command line',
    todo: 'use one of them, e.g. npm run demo',
  });
}
