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

  it('is not called complete where Redis was emptied once more while it was written again', async () => {
    await redis.del('pet_roast:epoch');
    expect(await projection.claimRebuild(10_000)).toBe(true);
    await projection.holdRebuild(10_000);
    await redis.del('pet_roast:epoch');
    await expect(projection.holdRebuild(10_000)).rejects.toThrow('emptied again');
    await expect(projection.endRebuild()).rejects.toThrow('emptied again');
    expect(await projection.claimRebuild(10_000)).toBe(true);
    await projection.endRebuild();
    expect(await redis.get('pet_roast:epoch')).toContain('complete');
  });

  it('is forgotten seven days after its last event', async () => {
    await projection.write([received('c', 1)]);
    const left = await redis.pttl('pet_roast:job:c');
    expect(left).toBeGreaterThan(ttlMs - 60_000);
    expect(left).toBeLessThanOrEqual(ttlMs);
  });

  it('is forgotten so long after its last event also where it is written late, and is not written where it is older', async () => {
    const hoursAgo = (event: StoredEvent, hours: number): StoredEvent => ({
      ...event,
      time: new Date(Date.now() - hours * 3_600_000).toISOString(),
    });
    await projection.write([hoursAgo(attempted('d', 1, 2), 24 * 6), hoursAgo(received('d', 1), 24 * 6 + 1)]);
    const left = await redis.pttl('pet_roast:job:d');
    expect(left).toBeGreaterThan(24 * 3_600_000 - 60_000);
    expect(left).toBeLessThanOrEqual(24 * 3_600_000);
    await projection.write([hoursAgo(received('e', 1), 24 * 7 + 1)]);
    expect(await redis.exists('pet_roast:job:e')).toBe(0);

    const brief = openProjection({ url: server.url, ttlMs: 1_000, log: createLog('test', 'silent') });
    await until(() => brief.check().then(() => true), { what: 'the connection' });
    await brief.write([received('g', 1)]);
    expect(await brief.read('g')).toHaveLength(1);
    await until(async () => (await redis.exists('pet_roast:job:g')) === 0, { what: 'the job to be forgotten' });
    await brief.close();
  });

  it('lets nothing of an erased job in again, whichever order its events come in', async () => {
    const erased = (jobId: string): StoredEvent => ({ ...createEvent('erased', jobId, { owner: 'app' }), seq: 9 });
    const owned = received('f', 1) as StoredEvent<'received'>;
    const deadline_at = new Date(Date.now() + 3_600_000).toISOString();
    const open = { ...owned, data: { ...owned.data, owner: 'app', deadline_at } };
    await projection.write([open, attempted('f', 1, 5)]);
    expect(await redis.zrange('pet_roast:open:app', '0', '-1')).toEqual(['f']);
    await projection.write([erased('f')]);
    expect(await redis.zrange('pet_roast:open:app', '0', '-1')).toEqual([]);
    // Read from the stream before the tombstone was there, say.
    await projection.write([open, attempted('f', 2, 6), attempted('f', 3, 10)]);
    expect(await projection.read('f')).toEqual([{ ...erased('f'), time: expect.any(String) }]);
    expect(await redis.zrange('pet_roast:open:app', '0', '-1')).toEqual([]);
    expect(await redis.pttl('pet_roast:job:f')).toBeGreaterThan(ttlMs - 60_000);
    expect(foldJob(await projection.read('f'))).toBeUndefined();
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
