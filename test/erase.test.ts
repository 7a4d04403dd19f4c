/** `DELETE /api/jobs/{id}`: what it takes, what it leaves, and what it answers; also where it is broken off. */
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Broker, createEvent, findPhoto, putPhoto, subjectOf } from '@pet-roast/shared';
import { brokerForTest, type RawNats, rawNats, startTestSystem, type TestSystem, until } from '@pet-roast/testing';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { apiOf } from './helpers/api.ts';
import { content, filesWith, heldOf, publishJob } from './helpers/erased-job.ts';
import { erasingOf } from './helpers/erasing.ts';

const pet = new URL('../packages/sandbox/assets/pet.jpg', import.meta.url);
const roast = { text: `My dog is lazy, and ${content}.`, source_language: 'en' };
const never = { at: 'render', kind: 'behave', behaviour: { result: 'never' } } as const;
let dataDir: string;
let t: TestSystem;
let raw: RawNats;
let redis: Redis;
let broker: Broker;
let api: ReturnType<typeof apiOf>;
let erasing: ReturnType<typeof erasingOf>;

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'pet-roast-erase-'));
  t = await startTestSystem({ nats: { dataDir }, world: { images: { 'pet.jpg': await readFile(pet) } } });
  [raw, broker] = await Promise.all([rawNats(t.nats.url), brokerForTest(t.nats.url)]);
  redis = new Redis(t.redis.url);
  redis.on('error', () => undefined);
  api = apiOf(t);
  erasing = erasingOf(t, raw, redis);
});
afterAll(async () => {
  redis?.disconnect();
  await Promise.all([broker?.close(), raw?.[Symbol.asyncDispose]()]);
  await t?.[Symbol.asyncDispose]();
  await rm(dataDir, { recursive: true, force: true });
});
beforeEach(async () => {
  await t.settled();
  t.world.revid.clearFaults();
});

/** Erases a job whose webhook may be on its way just now: what becomes of that is still written, and deleted behind it. */
async function eraseNow(jobId: string): Promise<void> {
  expect(await erasing.erase(jobId)).toEqual({ status: 204, code: undefined });
  await erasing.nothingLeft(jobId);
}

const letters = async () =>
  (await api.admin<{ letters: { id: number; job_id: string }[] }>('/dead-letters')).body.letters;

describe('erasing a job', () => {
  it('deletes all that is held of it: stream, Redis, and the bytes on the server’s disk', async () => {
    const { body } = await api.generate(roast);
    await api.ended(body.job_id);
    expect(Object.keys(await heldOf(raw, body.job_id)).length).toBeGreaterThan(5);
    expect(await filesWith(dataDir, content)).not.toEqual([]);
    await erasing.erased(body.job_id);
    expect(await filesWith(dataDir, content)).toEqual([]);
    const tombstone = await broker.readLast(subjectOf('received', body.job_id));
    expect(tombstone).toMatchObject({ kind: 'erased', data: {} });
  });

  it('deletes its dead letters, and nothing replays it', async () => {
    t.world.revid.pushFaults({ at: 'render', kind: 'http', status: 422 });
    const { body } = await api.generate(roast);
    await api.ended(body.job_id);
    const letter = (await letters()).find(({ job_id }) => job_id === body.job_id);
    expect(letter).toBeDefined();
    await erasing.erased(body.job_id);
    expect((await letters()).filter(({ job_id }) => job_id === body.job_id)).toEqual([]);
    expect((await api.admin(`/dead-letters/${letter?.id}/replay`, {})).status).toBe(404);
  });

  it('deletes a photo that was uploaded for it, where that is still there', async () => {
    await publishJob(broker, 'uploaded');
    const bytes = await readFile(pet);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    await putPhoto(broker.photos, { id: 'uploaded', format: 'jpeg', bytes: bytes.length, sha256, parts: [bytes] });
    expect(await findPhoto(broker.photos, 'uploaded')).toMatchObject({ bytes: bytes.length });
    await eraseNow('uploaded');
    expect(await findPhoto(broker.photos, 'uploaded')).toBeUndefined();
  });

  it('is refused while the job is not over, and possible as soon as it is cancelled', async () => {
    t.world.revid.pushFaults(never);
    const { body } = await api.generate(roast);
    await api.reaches(body.job_id, 'rendering');
    expect(await erasing.erase(body.job_id)).toEqual({ status: 409, code: 'job_not_over' });
    expect((await api.get(`/api/video-status/${body.job_id}`)).body.stage).toBe('rendering');
    expect((await api.cancel(body.job_id)).status).toBe(202);
    await eraseNow(body.job_id);
  });

  it('is refused while a replay of the job is not over', async () => {
    t.world.revid.pushFaults({ at: 'render', kind: 'http', status: 422 }, never);
    const { body } = await api.generate(roast);
    await api.ended(body.job_id);
    const letter = (await letters()).find(({ job_id }) => job_id === body.job_id);
    expect((await api.admin(`/dead-letters/${letter?.id}/replay`, {})).status).toBe(200);
    expect(await erasing.erase(body.job_id)).toEqual({ status: 409, code: 'job_not_over' });
    await api.reaches(body.job_id, 'rendering');
    await api.cancel(body.job_id);
    await eraseNow(body.job_id);
  });

  it('may be repeated, also by several at once; one that is not there is not found', async () => {
    const { body } = await api.generate(roast);
    await api.ended(body.job_id);
    const all = await Promise.all(Array.from({ length: 5 }, () => erasing.erase(body.job_id)));
    expect(all.map(({ status }) => status)).toEqual([204, 204, 204, 204, 204]);
    await erasing.erased(body.job_id);
    const unknown = '00000000-0000-4000-8000-000000000000';
    for (const id of [unknown, 'never-there', 'a.b', '*']) {
      expect(await erasing.erase(id)).toEqual({ status: 404, code: 'job_not_found' });
    }
  });

  it('leaves no job for any other call', async () => {
    const { body } = await api.generate(roast);
    await api.ended(body.job_id);
    await erasing.erased(body.job_id);
    const reads = [
      `/api/video-status/${body.job_id}`,
      `/api/video-result/${body.job_id}`,
      `/api/jobs/${body.job_id}/events`,
    ];
    for (const read of reads) {
      expect(await api.get(read), read).toMatchObject({ status: 404, body: { detail: { error: 'job_not_found' } } });
    }
    expect(await api.cancel(body.job_id)).toMatchObject({ status: 404 });
  });

  it('ends a stream of its events', async () => {
    t.world.revid.pushFaults(never);
    const { body } = await api.generate(roast);
    await api.reaches(body.job_id, 'rendering');
    // The backend keeps its webhook waiting, so the stream has no end of its own.
    t.world.backend.pushAnswers({ kind: 'hang', ms: 5_000 });
    const stream = await fetch(`${t.system.gatewayUrl}/api/jobs/${body.job_id}/events`);
    await api.cancel(body.job_id);
    await eraseNow(body.job_id);
    expect(await stream.text()).toContain('event: status');
  });

  it('stands for its Idempotency-Key too: a repeat is told so, whatever its body, and makes no job', async () => {
    const headers = { 'idempotency-key': 'an-erased-row' };
    const { body } = await api.generate(roast, headers);
    await api.ended(body.job_id);
    await erasing.erased(body.job_id);
    for (const fields of [roast, { ...roast, text: 'Another roast.' }]) {
      const again = await api.generate(fields, headers);
      expect(again).toMatchObject({ status: 410, body: { detail: { error: 'job_erased' } } });
    }
    await t.settled();
    expect(await erasing.left(body.job_id)).toEqual([]);
    expect(api.renders(body.job_id)).toHaveLength(1);
  });
});

describe('an erasing that is broken off', () => {
  it('behind its tombstone is finished by itself, when a gateway is there again', async () => {
    await publishJob(broker, 'broken-off');
    await until(async () => (await redis.hlen('pet_roast:job:broken-off')) > 5, { what: 'the projection' });
    await t.system.kill('gateway');
    const received = await broker.readReceived('broken-off');
    await broker.publish(createEvent('erased', 'broken-off', {}), received.seq);
    expect((await erasing.left('broken-off')).length).toBeGreaterThan(10);
    await t.system.start('gateway');
    await erasing.nothingLeft('broken-off');
  });

  it('is finished by a repeat', async () => {
    await publishJob(broker, 'repeated');
    const received = await broker.readReceived('repeated');
    await broker.publish(createEvent('erased', 'repeated', {}), received.seq);
    await eraseNow('repeated');
  });

  it('is told where Redis is away, and finished when it is back', async () => {
    const { body } = await api.generate(roast);
    await api.ended(body.job_id);
    await t.redis.kill();
    expect(await erasing.erase(body.job_id)).toEqual({ status: 503, code: 'unavailable' });
    expect(await api.get(`/api/video-status/${body.job_id}`)).toMatchObject({ status: 404 });
    await t.redis.restart();
    await erasing.nothingLeft(body.job_id);
  });

  it('is told where NATS is away; asked again when it is back, it erases', async () => {
    const { body } = await api.generate(roast);
    await api.ended(body.job_id);
    await t.nats.kill();
    const away = await erasing.erase(body.job_id);
    expect(away).toEqual({ status: 503, code: 'unavailable' });
    await t.nats.restart();
    await until(async () => (await erasing.erase(body.job_id)).status === 204, { what: 'the job to be erased' });
    await raw[Symbol.asyncDispose]();
    raw = await rawNats(t.nats.url);
    erasing = erasingOf(t, raw, redis);
    await erasing.erased(body.job_id);
  });
});
