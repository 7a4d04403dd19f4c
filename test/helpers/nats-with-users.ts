/** A NATS server with the very configuration of `deploy/`, and its users' ways in. */
import { copyFile, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findWay, freePort, startProcess, thisMachine } from '@pet-roast/sandbox/infrastructure';
import { connectToNats, type NatsConnection, serviceNames, until } from '@pet-roast/testing';

const deploy = fileURLToPath(new URL('../../deploy/', import.meta.url));
export const userNames = [...serviceNames, 'admin'] as const;
export type UserName = (typeof userNames)[number];

export type NatsWithUsers = {
  readonly url: string;
  readonly passwords: Readonly<Record<UserName, string>>;
  /** All that the server has said. */
  output(): string;
  /** Connects the client itself; as nobody without a user. */
  connectAs(user?: string, password?: string): Promise<NatsConnection>;
  /** Changes nats-users.conf and has the server read it again, without a restart. */
  reload(change: (conf: string) => string): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
};

/** Starts it with `passwords` in its environment, or with some that fit. Throws, with its words, when it does not start. */
export async function startNatsWithUsers(
  passwords: Record<UserName, string> = passwordsFor((user) => `a-password-of-${user}`),
): Promise<NatsWithUsers> {
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'nats-users-'));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  const confs = (await readdir(deploy)).filter((name) => name.endsWith('.conf'));
  await Promise.all(confs.map((name) => copyFile(join(deploy, name), join(folder, name))));
  const port = await freePort();
  // What comes later counts: `sync_interval` is unknown to nats-server 2.9, and the ports are taken by anybody.
  const conf = `include ./nats.conf
host: 127.0.0.1
port: ${port}
http_port: 0
jetstream { store_dir: ${JSON.stringify(join(folder, 'data'))} }
`;
  await writeFile(join(folder, 'test.conf'), conf);

  const server = await startProcess(await natsServer(), ['--config', join(folder, 'test.conf')], {
    cwd: folder,
    scratch: folder,
    env: { PATH: process.env['PATH'], ...environmentOf(passwords) },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  stack.defer(async () => void (await server.stop()));
  let output = '';
  for (const stream of [server.child.stdout, server.child.stderr]) {
    stream?.setEncoding('utf8').on('data', (chunk: string) => {
      output += chunk;
    });
  }
  const says = (words: string, from = 0) =>
    until(() => server.exit() !== undefined || output.includes(words, from), { what: `nats-server to say: ${words}` });
  await says('Server is ready');
  if (server.exit() !== undefined) throw new Error(`nats-server did not start: ${output.trim()}`);
  const url = `nats://127.0.0.1:${port}`;
  const owned = stack.move();

  return {
    url,
    passwords,
    output: () => output,
    connectAs: (user, password = passwords[user as UserName] ?? '') =>
      connectToNats(url, user === undefined ? undefined : { user, password }),
    async reload(change) {
      const file = join(folder, 'nats-users.conf');
      await writeFile(file, change(await readFile(file, 'utf8')));
      const from = output.length;
      server.signal('SIGHUP');
      await says('Reloaded server configuration', from);
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

export function passwordsFor(passwordOf: (user: UserName) => string): Record<UserName, string> {
  return Object.fromEntries(userNames.map((user) => [user, passwordOf(user)])) as Record<UserName, string>;
}

/** As `deploy/nats-users.conf` and docker-compose.yml name them. */
function environmentOf(passwords: Record<UserName, string>): Record<string, string> {
  const variable = (user: string) => `NATS_${user.toUpperCase().replaceAll('-', '_')}_PASSWORD`;
  return Object.fromEntries(userNames.map((user) => [variable(user), passwords[user]]));
}

async function natsServer(): Promise<string> {
  const { NATS_URL: _given, ...env } = process.env;
  const way = await findWay('nats', thisMachine({ env }));
  if (way.kind === 'binary') return way.path;
  throw new Error('these tests run nats-server itself, with files of this repository: put its binary on the PATH');
}
