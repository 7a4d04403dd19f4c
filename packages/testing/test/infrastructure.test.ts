import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import {
  findBinary,
  freePort,
  type LocalServer,
  openNats,
  openRedis,
  thisMachine,
} from '@pet-roast/sandbox/infrastructure';
import { Redis } from 'ioredis';
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { connectToNats } from '../src/broker-for-test.ts';
import { natsForTest, redisForTest } from '../src/infrastructure.ts';
import { until } from '../src/until.ts';

afterEach(() => void vi.unstubAllEnvs());

const binariesOnly = { ...process.env, NATS_URL: '', REDIS_URL: '', PET_ROAST_SERVERS: 'binary' };
const machine = thisMachine({ env: binariesOnly });
const natsFound = await findBinary('nats-server', machine);
const redisFound = await findBinary('redis-server', machine);
const listed = process.env['NATS_SERVER_BINARIES'] ?? natsFound ?? '';
const natsBinaries = listed.split(delimiter).filter((path) => path !== '');
if (natsFound === undefined) process.stdout.write('No nats-server binary is here: its tests are not run.\n');
if (redisFound === undefined) process.stdout.write('No redis-server binary is here: its tests are not run.\n');
const testNats = test.runIf(natsFound !== undefined);
const testRedis = test.runIf(redisFound !== undefined);
const testBoth = test.runIf(natsFound !== undefined && redisFound !== undefined);

describe.each(natsBinaries)('nats-server at %s', (binary) => {
  test('it starts with JetStream within 300 ms and tells its version', async () => {
    expect(await bestOfThreeMs(() => openNats({ binary }))).toBeLessThan(300);
    await using nats = await openNats({ binary });
    expect(nats).toMatchObject({ kind: 'binary', binaryVersion: expect.stringMatching(/^2\.\d+\.\d+/) });
    await addMessage(nats);
  });

  test.for(['restart', 'SIGKILL', 'SIGTERM'] as const)(
    'after %s it has the same address and the same messages',
    async (how) => {
      await using nats = await openNats({ binary });
      await addMessage(nats);
      if (how !== 'restart') {
        await nats.kill(how);
        await expect(connectToNats(nats.url)).rejects.toThrow('CONNECTION_REFUSED');
      }
      await nats.restart();
      expect(await countMessages(nats)).toBe(1);
    },
  );

  test('it starts with every message synced, where its version knows that', async () => {
    await using nats = await openNats({ binary, syncAlways: true });
    await addMessage(nats);
  });

  test('extra configuration reaches it, and a wrong one is told in its own words', async () => {
    await using nats = await openNats({ binary, extraConfig: 'max_payload: 4096' });
    const connection = await connectToNats(nats.url);
    expect(connection.info?.max_payload).toBe(4096);
    await connection.close();
    await expect(openNats({ binary, extraConfig: 'no_such_option: 1' })).rejects.toThrow(
      /nats-server ended at once \(exit code 1\)[\s\S]*no_such_option/,
    );
  });

  test('a paused server closes without being killed', async () => {
    await using nats = await openNats({ binary });
    await nats.kill('SIGSTOP');
    const start = performance.now();
    await nats.close();
    expect(performance.now() - start).toBeLessThan(4_000); // it is killed after 5 s
  });
});

testNats('a NATS data folder that is given outlives the server, also under a path with spaces and quotes', async () => {
  const parent = await mkdtemp(join(tmpdir(), 'pet-roast-data-'));
  onTestFinished(() => rm(parent, { recursive: true }));
  const dataDir = join(parent, 'a "quoted" folder');
  const first = await openNats({ dataDir, machine });
  await addMessage(first);
  await first.close();
  await using second = await openNats({ dataDir, machine, port: await freePort() });
  expect(await countMessages(second)).toBe(1);
});

testNats('a server without a data folder leaves none behind', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'pet-roast-tmp-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  vi.stubEnv('TMPDIR', folder);
  const nats = await natsForTest({ machine });
  expect(await readdir(folder)).toHaveLength(1);
  await nats.close();
  expect(await readdir(folder)).toEqual([]);
  await expect(nats.restart()).rejects.toThrow('the server is closed');
});

testRedis.for(['restart', 'SIGKILL', 'SIGTERM'] as const)(
  'after %s Redis has the same address and the same data',
  async (how) => {
    await using redis = await redisForTest({ machine });
    await withRedis(redis, (client) => client.set('pet', 'Rex'));
    if (how !== 'restart') await redis.kill(how);
    await redis.restart();
    expect(await withRedis(redis, (client) => client.get('pet'))).toBe('Rex');
  },
);

testRedis('Redis starts within 300 ms, and ten at once each get their own', async () => {
  expect(await bestOfThreeMs(() => redisForTest({ machine }))).toBeLessThan(300);
  const all = await Promise.all(Array.from({ length: 10 }, () => redisForTest({ machine })));
  onTestFinished(async () => void (await Promise.all(all.map((redis) => redis.close()))));
  expect(new Set(all.map((redis) => redis.url)).size).toBe(10);
  await Promise.all(all.map((redis) => withRedis(redis, (client) => client.set('url', redis.url))));
  for (const redis of all) expect(await withRedis(redis, (client) => client.get('url'))).toBe(redis.url);
});

testRedis('a Redis that cannot start is told in its own words', async () => {
  await expect(openRedis({ machine, extraArgs: ['--maxmemory', 'much'] })).rejects.toThrow(
    /redis-server ended at once[\s\S]*maxmemory/,
  );
});

testNats('a given server is used as it is and never stopped', async () => {
  await using owned = await natsForTest({ machine });
  const given = await openNats({ machine: thisMachine({ env: { NATS_URL: owned.url } }) });
  expect(given).toMatchObject({ kind: 'given', url: owned.url });
  await expect(given.restart()).rejects.toThrow('not ours to stop');
  await expect(given.kill()).rejects.toThrow('not ours to stop');
  await given.close();
  await addMessage(owned);
});

testBoth.for(['exit', 'SIGKILL', 'SIGTERM', 'SIGINT', 'SIGHUP'] as const)(
  'servers and their folders end with the process that opened them, also by %s',
  async (how) => {
    const folder = await mkdtemp(join(tmpdir(), 'pet-roast-tmp-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    const fixture = fileURLToPath(new URL('fixtures/open-and-wait.ts', import.meta.url));
    const env = { ...binariesOnly, TMPDIR: folder };
    const parent = spawn(process.execPath, [fixture, how], { env, stdio: ['ignore', 'pipe', 'inherit'] });
    const ended = once(parent, 'exit');
    const [line] = await once(createInterface(parent.stdout), 'line');
    const urls: string[] = JSON.parse(String(line));
    if (how !== 'exit') parent.kill(how);
    expect(await ended).toEqual(how === 'exit' ? [0, null] : [null, how]);
    for (const url of urls) {
      await until(() => refusesConnections(url), { what: `the server at ${url} to end with its parent` });
    }
    await until(async () => (await readdir(folder)).length === 0, { what: 'the folders of the servers to be gone' });
  },
);

/** The best, since other tests share the cores. */
async function bestOfThreeMs(open: () => Promise<LocalServer>): Promise<number> {
  let best = Number.POSITIVE_INFINITY;
  for (let time = 0; time < 3; time += 1) {
    const start = performance.now();
    const server = await open();
    best = Math.min(best, performance.now() - start);
    await server.close();
  }
  return best;
}

async function refusesConnections(url: string): Promise<boolean> {
  const { port } = new URL(url);
  const answer = await fetch(`http://127.0.0.1:${port}`, { signal: AbortSignal.timeout(1_000) }).catch(
    (error: Error) => error,
  );
  return answer instanceof Error && String(answer.cause).includes('ECONNREFUSED');
}

async function addMessage(nats: LocalServer): Promise<void> {
  const connection = await connectToNats(nats.url);
  const manager = await connection.jetstreamManager();
  await manager.streams.add({ name: 'KEPT', subjects: ['kept'] });
  await connection.jetstream().publish('kept');
  await connection.close();
}

async function countMessages(nats: LocalServer): Promise<number> {
  const connection = await connectToNats(nats.url);
  const manager = await connection.jetstreamManager();
  const { state } = await manager.streams.info('KEPT');
  await connection.close();
  return state.messages;
}

async function withRedis<T>(redis: LocalServer, use: (client: Redis) => Promise<T>): Promise<T> {
  const client = new Redis(redis.url, { maxRetriesPerRequest: 3 });
  try {
    return await use(client);
  } finally {
    client.disconnect();
  }
}
