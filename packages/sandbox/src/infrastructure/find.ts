import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { type AptInstall, aptInstaller } from './apt.ts';
import { dockerAnswers } from './docker.ts';
import { withoutPassword } from './local-server.ts';
import { knock } from './probe.ts';

export type Wanted = 'nats' | 'redis';

export type Way =
  | { readonly kind: 'given'; readonly url: string }
  | { readonly kind: 'binary'; readonly path: string }
  | { readonly kind: 'container' };

/** What finding a server needs of a machine; tests put others in its place. */
export type Machine = {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Folders to search for binaries, after those of `env.PATH`: a user's PATH often lacks the `sbin` ones. */
  readonly folders: readonly string[];
  readonly dockerAnswers: () => Promise<boolean>;
  /** What installs Debian packages; undefined where that is not possible. */
  readonly aptInstaller: () => Promise<AptInstall | undefined>;
  /** Takes one line of progress for people. */
  readonly report: (line: string) => void;
};

/** The machine this runs on, with anything replaced that a caller wants replaced. */
export function thisMachine(replaced: Partial<Machine> = {}): Machine {
  const env = replaced.env ?? process.env;
  const report = replaced.report ?? ((line) => process.stderr.write(`${line}\n`));
  return {
    env,
    report,
    folders: ['/usr/local/bin', '/usr/local/sbin', '/usr/bin', '/usr/sbin', '/opt/homebrew/bin'],
    dockerAnswers: () => dockerAnswers(env),
    aptInstaller: () => aptInstaller(report),
    ...replaced,
  };
}

/** Nothing on this machine can run the servers; the message is what a person has to do about it. */
export class NothingToRun extends Error {
  override readonly name = 'NothingToRun';
}

const servers = {
  nats: { variable: 'NATS_URL', binary: 'nats-server', defaultPort: 4222 },
  redis: { variable: 'REDIS_URL', binary: 'redis-server', defaultPort: 6379 },
} as const;

/**
 * How to get a server here: what its variable names, a binary, a container, or a binary that apt installs, in this
 * order. `PET_ROAST_SERVERS=binary` or `=container` allows only that way. Throws `NothingToRun` when there is none.
 */
export async function findWay(wanted: Wanted, machine: Machine): Promise<Way> {
  const { variable, binary } = servers[wanted];
  const only = restriction(machine.env['PET_ROAST_SERVERS']);

  const url = machine.env[variable];
  if (url !== undefined && url !== '' && only === undefined) {
    await expectAnswer(wanted, url);
    return { kind: 'given', url };
  }
  if (only !== 'container') {
    const path = await findBinary(binary, machine);
    if (path !== undefined) return { kind: 'binary', path };
  }
  if (only !== 'binary' && (await machine.dockerAnswers())) return { kind: 'container' };
  const install = only === 'container' ? undefined : await machine.aptInstaller();
  if (install !== undefined) return viaApt(binary, machine, install);
  throw new NothingToRun(threeWays(only === undefined ? '' : `PET_ROAST_SERVERS=${only} rules the other ways out.\n`));
}

/** The first executable of that name on the PATH or in the machine's usual folders. */
export async function findBinary(name: string, machine: Pick<Machine, 'env' | 'folders'>): Promise<string | undefined> {
  const path = (machine.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  for (const folder of [...path, ...machine.folders]) {
    const candidate = join(folder, name);
    const runnable = await access(candidate, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (runnable) return candidate;
  }
  return undefined;
}

/** Both packages in one go: whoever lacks one usually lacks the other, and apt runs only once at a time. */
async function viaApt(binary: string, machine: Machine, install: AptInstall): Promise<Way> {
  const missing: string[] = [];
  for (const server of Object.values(servers)) {
    if ((await findBinary(server.binary, machine)) === undefined) missing.push(server.binary);
  }
  try {
    await install(missing);
  } catch (error) {
    throw new NothingToRun(threeWays(`apt-get was tried and failed: ${(error as Error).message}\n`), { cause: error });
  }
  const path = await findBinary(binary, machine);
  if (path === undefined)
    throw new NothingToRun(threeWays(`apt-get installed ${binary}, but it is in none of the usual folders.\n`));
  return { kind: 'binary', path };
}

const givenTimeoutText = 'it does not answer';

async function expectAnswer(wanted: Wanted, url: string): Promise<void> {
  const { variable, defaultPort } = servers[wanted];
  const addresses = url.split(',').map((one) => one.trim());
  let reason = givenTimeoutText;
  for (const one of addresses) {
    try {
      const { hostname, port } = new URL(one.includes('://') ? one : `${wanted}://${one}`);
      await knock({ host: hostname.replace(/^\[|\]$/g, ''), port: port === '' ? defaultPort : Number(port) });
      return;
    } catch (error) {
      reason = (error as Error).message;
    }
  }
  throw new NothingToRun(
    `${variable} names ${withoutPassword(url)}, but nothing can be reached there (${reason}).\n` +
      `Start that server, correct ${variable}, or unset it: then one is found or started here.`,
  );
}

function restriction(value: string | undefined): 'binary' | 'container' | undefined {
  if (value === undefined || value === '' || value === 'binary' || value === 'container')
    return value === '' ? undefined : value;
  throw new NothingToRun(`PET_ROAST_SERVERS is ${JSON.stringify(value)}; it can be "binary", "container" or unset.`);
}

function threeWays(first: string): string {
  return `${first}NATS (2.9.10 or later) and Redis (7 or later) are needed, and neither can be run here as things are. Any one of these is enough:
  1. servers you have:  set NATS_URL and REDIS_URL, e.g. NATS_URL=nats://127.0.0.1:4222 REDIS_URL=redis://127.0.0.1:6379
  2. their binaries on the PATH:  Debian or Ubuntu: sudo apt-get install nats-server redis-server;  macOS: brew install nats-server redis
  3. containers:  start Docker, or set DOCKER_HOST to an engine that answers (Podman's socket will do)`;
}
