/** The projection against a real Redis. */
import { createEvent, createLog, foldJob, type StoredEvent } from '@pet-roast/shared';
import { redisForTest, until } from '@pet-roast/testing';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openProjection, type Projection } from '../src/projection.ts';

const ttlMs = 7 * 24 * 3_600_000;
let server: Awaited<ReturnType<typeof redisForTest>>;
let projection: Projection;
let redis: Redis;

beforeAll(async () => {
  server = await redisForTest();
  redis = new Redis(server.url);
  redis.on('error', () => undefined);
  projection = openProjection({ url: server.url, ttlMs, log: createLog('test', 'silent') });
  await until(() => projection.check().then(() => true), { what: 'the connection' });
});
afterAll(async () => {
  await projection?.close();
  redis?.disconnect();
  await server?.close();
});

const received = (jobId: string, seq: number): StoredEvent => ({
  ...createEvent('received', jobId, {
    text: 'x',
    image_url: 'https://x.example',
    target_language: 'en',
    request_id: 'r',
    request_sha256: 's',
    deadline_at: new Date().toISOString(),
  }),
  seq,
});
const attempted = (jobId: string, attempt: number, seq: number): StoredEvent => ({
  ...createEvent('attempted', jobId, { attempt, reason: 'x', next_attempt_at: new Date().toISOString() }),
  seq,
});

describe('the projection', () => {
  it('never lets an older event overwrite a newer one of its kind', async () => {
    await projection.write([received('a', 1), attempted('a', 2, 9), attempted('a', 1, 5), attempted('a', 2, 9)]);
    const events = await projection.read('a');
    expect(events.find((event) => event.kind === 'attempted')).toMatchObject({ seq: 9, data: { attempt: 2 } });
    await projection.write([attempted('a', 3, 10)]);
    expect((await projection.read('a')).find((event) => event.kind === 'attempted')).toMatchObject({ seq: 10 });
  });

  it('is the same whichever order the events come in', async () => {
    const outcome: StoredEvent = { ...createEvent('cancelled', 'b', { notify: true }), seq: 7 };
    await projection.write([outcome, attempted('b', 1, 8), received('b', 1)]);
    expect(foldJob(await projection.read('b'))).toMatchObject({ status: 'cancelled' });
  });

  it('is forgotten seven days after its last event', async () => {
    await projection.write([received('c', 1)]);
    const left = await redis.pttl('pet_roast:job:c');
    expect(left).toBeGreaterThan(ttlMs - 60_000);
    expect(left).toBeLessThanOrEqual(ttlMs);
  });

  it('fails fast while Redis is away, and works again by itself', async () => {
    await server.kill();
    const started = performance.now();
    await expect(projection.read('a')).rejects.toThrow();
    expect(performance.now() - started).toBeLessThan(1_500);
    await server.restart();
    await until(async () => (await projection.read('a')).length === 2, { what: 'the events to be back' });
  });
});
