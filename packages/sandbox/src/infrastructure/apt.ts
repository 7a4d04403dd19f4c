import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';

/** Runs a command to its end; gives its exit code and the end of what it said. */
export type RunCommand = (command: string, args: readonly string[]) => Promise<{ code: number; output: string }>;

/** Installs packages, or throws with the end of what apt-get said. */
export type AptInstall = (packages: readonly string[]) => Promise<void>;

const installTimeoutMs = 10 * 60_000;
const outputTailChars = 1_500;

export type AptHost = { readonly run: RunCommand; readonly isRoot: boolean; readonly osRelease: string };

/**
 * An installer of Debian packages, where this is Debian or Ubuntu and we are root or may become root without a
 * password; undefined elsewhere. Only the binaries are wanted: the packages' own services are not started.
 */
export async function aptInstaller(report: (line: string) => void, host?: AptHost): Promise<AptInstall | undefined> {
  const { run, isRoot, osRelease } = host ?? (await thisHost());
  if (!/^(ID|ID_LIKE)=.*\b(debian|ubuntu)\b/m.test(osRelease)) return undefined;
  if ((await run('apt-get', ['--version'])).code !== 0) return undefined;
  if (!isRoot && (await run('sudo', ['-n', 'true'])).code !== 0) return undefined;
  const become = isRoot ? [] : ['sudo', '-n'];
  return (packages) => installOnce(packages, report, run, become);
}

async function thisHost(): Promise<AptHost> {
  const osRelease = await readFile('/etc/os-release', 'utf8').catch(() => '');
  return { run: runCommand, isRoot: process.getuid?.() === 0, osRelease };
}

const installing = new Map<string, Promise<void>>();

/** Both servers are often looked for at the same moment, and both ask for the same packages: one run serves both. */
function installOnce(
  packages: readonly string[],
  report: (line: string) => void,
  run: RunCommand,
  become: readonly string[],
): Promise<void> {
  const key = packages.join(' ');
  const running = installing.get(key) ?? install(packages, report, run, become).finally(() => installing.delete(key));
  installing.set(key, running);
  return running;
}

async function install(
  packages: readonly string[],
  report: (line: string) => void,
  run: RunCommand,
  become: readonly string[],
): Promise<void> {
  report(`Setting up: ${packages.join(' and ')} with apt-get (once; their services are not started) …`);
  const [command = 'sh', ...args] = [...become, 'sh', '-c', installScript, 'install', ...packages];
  const { code, output } = await run(command, args);
  if (code !== 0) throw new Error(`exit code ${code}\n${output.trim().slice(-outputTailChars)}`);
}

/**
 * policy-rc.d is how Debian's packages are asked not to start their services; one that is there already is left alone.
 * On a system with systemd the new services are also kept from starting at the next boot.
 */
const installScript = `
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  trap 'exit 1' INT TERM HUP
  printf '#!/bin/sh\\nexit 101\\n' >"$policy" && chmod 755 "$policy" || exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update || echo 'apt-get update failed; trying with the lists as they are'
apt-get -qq install -y --no-install-recommends -o DPkg::Lock::Timeout=120 "$@" || exit 1
if [ -d /run/systemd/system ]; then systemctl --quiet disable "$@" || true; fi
`;

/** Runs a command with its output kept, for at most ten minutes. A command that does not exist ends with 127. */
const runCommand: RunCommand = (command, args) =>
  new Promise((resolve) => {
    let output = '';
    const child = spawn(command, [...args], { stdio: ['ignore', 'pipe', 'pipe'], timeout: installTimeoutMs });
    const keep = (chunk: Buffer): void => {
      output = (output + chunk.toString()).slice(-outputTailChars);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.once('error', (error) => resolve({ code: 127, output: error.message }));
    child.once('close', (code) => resolve({ code: code ?? 1, output }));
  });
