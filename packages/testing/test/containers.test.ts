import { type LocalServer, thisMachine } from '@pet-roast/sandbox/infrastructure';
import { Redis } from 'ioredis';
import { describe, expect, test } from 'vitest';
import { connectToNats, type NatsConnection } from '../src/broker-for-test.ts';
import { natsForTest, redisForTest } from '../src/infrastructure.ts';

const machine = thisMachine({ env: { ...process.env, NATS_URL: '', REDIS_URL: '', PET_ROAST_SERVERS: 'container' } });
const dockerAnswers = await machine.dockerAnswers();
if (!dockerAnswers) process.stdout.write('No Docker engine answers here: the tests of containers are not run.\n');

const startTimeoutMs = 5 * 60_000; // the first time, an image may have to be fetched

describe.runIf(dockerAnswers)('in a container', { timeout: startTimeoutMs }, () => {
  test.for(['restart', 'SIGKILL', 'SIGTERM'] as const)(
    'NATS has JetStream, and after %s the same address and messages',
    async (how) => {
      await using nats = await natsForTest({ machine });
      expect(nats.kind).toBe('container');
      await withNats(nats, async (connection) => {
        const manager = await connection.jetstreamManager();
        await manager.streams.add({ name: 'KEPT', subjects: ['kept'] });
        await connection.jetstream().publish('kept');
      });
      if (how !== 'restart') {
        await nats.kill(how);
        await expect(connectToNats(nats.url)).rejects.toThrow();
      }
      await nats.restart();
      const messages = await withNats(nats, async (connection) => {
        const manager = await connection.jetstreamManager();
        return (await manager.streams.info('KEPT')).state.messages;
      });
      expect(messages).toBe(1);
    },
  );

  test('Redis keeps its address and data over SIGKILL and restart', async () => {
    await using redis = await redisForTest({ machine });
    expect(redis.kind).toBe('container');
    await withRedis(redis, (client) => client.set('pet', 'Rex'));
    await redis.kill();
    await redis.restart();
    expect(await withRedis(redis, (client) => client.get('pet'))).toBe('Rex');
    await redis.restart();
    expect(await withRedis(redis, (client) => client.get('pet'))).toBe('Rex');
  });

  test('an image that cannot be had is told by name', async () => {
    const { containerServer } = await import('../../sandbox/src/infrastructure/container.ts');
    const opening = containerServer({
      name: 'nats',
      image: 'localhost:1/pet-roast/no-such-image:0',
      port: 4222,
      hostPort: undefined,
      files: {},
      command: [],
      saysWhenReady: /ready/,
      version: async () => '',
      dataDir: undefined,
      report: () => {},
    });
    await expect(opening).rejects.toThrow(
      /nats could not be run in a container of localhost:1\/pet-roast\/no-such-image:0/,
    );
  });
});

async function withNats<T>(nats: LocalServer, use: (connection: NatsConnection) => Promise<T>): Promise<T> {
  const connection = await connectToNats(nats.url);
  try {
    return await use(connection);
  } finally {
    await connection.close();
  }
}

async function withRedis<T>(redis: LocalServer, use: (client: Redis) => Promise<T>): Promise<T> {
  const client = new Redis(redis.url, { maxRetriesPerRequest: 3 });
  try {
    return await use(client);
  } finally {
    client.disconnect();
  }
}
