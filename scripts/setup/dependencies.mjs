import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { machine } from './runtime.mjs';
import { innerEnvironment, run, say } from './step.mjs';

const installTimeoutMs = 20 * 60_000;

/** Whether node_modules holds what the lockfile and the package.json files ask for, as of the last install. */
export function dependenciesAreReady(root) {
  const packages = workspacePackages(root);
  try {
    if (readFileSync(stampOf(root), 'utf8') !== fingerprint(root, packages)) return false;
  } catch {
    return false;
  }
  return packages.every(({ folder, hasDependencies }) => !hasDependencies || existsSync(join(folder, 'node_modules')));
}

/** Installs exactly what the lockfile says. */
export async function installDependencies(root, runtime) {
  say('Setting up: the packages that pnpm-lock.yaml names …');
  // Broken off, an install leaves neither the packages of before nor those of now.
  rmSync(stampOf(root), { force: true });
  const { PATH = '', ...env } = innerEnvironment();
  await run({
    what: 'The packages could not be installed',
    command: runtime.pnpm,
    args: [
      'install',
      '--frozen-lockfile',
      '--prod=false',
      '--reporter=append-only',
      '--config.confirmModulesPurge=false',
    ],
    cwd: root,
    env: {
      ...env,
      PATH: [...runtime.path, PATH].join(delimiter),
      ONNXRUNTIME_NODE_INSTALL: 'skip', // its install script would fetch CUDA libraries
    },
    timeoutMs: installTimeoutMs,
    log: join(root, '.cache', 'setup.log'),
  });
  writeFileSync(stampOf(root), fingerprint(root, workspacePackages(root)));
}

const stampOf = (root) => join(root, 'node_modules', '.pet-roast-setup');

function fingerprint(root, packages) {
  const hash = createHash('sha256').update(machine());
  for (const file of ['pnpm-lock.yaml', 'pnpm-workspace.yaml', '.npmrc'])
    hash.update(`${file}\0${read(join(root, file))}\0`);
  for (const { name, manifest } of packages) hash.update(`${name}\0${manifest}\0`);
  return hash.digest('hex');
}

/** The root and each package that pnpm-workspace.yaml's `packages:` names; of its globs only `folder/*` is used here. */
function workspacePackages(root) {
  const listed = /^packages:\n((?:[ \t]+-.*\n|\n)+)/m.exec(read(join(root, 'pnpm-workspace.yaml')))?.[1] ?? '';
  const patterns = [...listed.matchAll(/-\s*['"]?([^'"\s#]+)/g)].map(([, pattern]) => pattern);
  const folders = patterns.flatMap((pattern) =>
    pattern.endsWith('/*') ? childrenOf(root, pattern.slice(0, -2)) : [pattern],
  );
  return ['.', ...folders.sort()].flatMap((name) => {
    const folder = join(root, name);
    const manifest = read(join(folder, 'package.json'));
    return manifest === '' ? [] : [{ name, folder, manifest, hasDependencies: dependsOnAnything(manifest) }];
  });
}

function dependsOnAnything(manifest) {
  const { dependencies, devDependencies, optionalDependencies } = JSON.parse(manifest);
  return Object.keys({ ...dependencies, ...devDependencies, ...optionalDependencies }).length > 0;
}

function childrenOf(root, parent) {
  return existsSync(join(root, parent)) ? readdirSync(join(root, parent)).map((child) => `${parent}/${child}`) : [];
}

function read(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
