/** How long anything is kept of a job that nobody erases. */
import { readFile } from 'node:fs/promises';
import { type RawNats, rawNats, startTestSystem, type TestSystem, until } from '@pet-roast/testing';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { apiOf } from './helpers/api.ts';
import { heldOf } from './helpers/erased-job.ts';

const pet = new URL('../packages/sandbox/assets/pet.jpg', import.meta.url);
const ttlMs = 60_000;
const deadlineMs = 600_000;
const dayMs = 86_400_000;
const nanosPerMs = 1_000_000;
let t: TestSystem;
let raw: RawNats;
let redis: Redis;
let api: ReturnType<typeof apiOf>;

beforeAll(async () => {
  t = await startTestSystem({
    env: { JOB_TTL_MS: String(ttlMs), JOB_DEADLINE_MS: String(deadlineMs) },
    world: { images: { 'pet.jpg': await readFile(pet) } },
  });
  raw = await rawNats(t.nats.url);
  redis = new Redis(t.redis.url);
  redis.on('error', () => undefined);
  api = apiOf(t);
});
afterAll(async () => {
  redis?.disconnect();
  await raw?.[Symbol.asyncDispose]();
  await t?.[Symbol.asyncDispose]();
});

describe('a job', () => {
  it('is in Redis until JOB_TTL_MS after its last event, and nothing of it has no end', async () => {
    const { body } = await api.generate();
    await api.ended(body.job_id);
    await until(async () => (await redis.hgetall(`pet_roast:job:${body.job_id}`))['notified'], {
      what: 'its last event',
    });
    const keys = await redis.keys('*');
    expect(keys).toContain(`pet_roast:job:${body.job_id}`);
    // The epoch says whether Redis was emptied, and what the detector keeps is of photos by their hash: nothing of a job.
    const isOfJobs = (key: string) => key !== 'pet_roast:epoch' && !key.startsWith('pet_roast:detect:');
    for (const key of keys.filter(isOfJobs)) {
      const left = await redis.pttl(key);
      expect(left, key).toBeGreaterThan(0);
      expect(left, key).toBeLessThanOrEqual(key.startsWith('pet_roast:job:') ? ttlMs : deadlineMs);
    }
  });

  it('is in the streams for JOB_TTL_MS, JOB_DEADLINE_MS and a day: its events and its dead letters', async () => {
    for (const stream of ['JOBS', 'DEAD']) {
      const { config } = await raw.manager.streams.info(stream);
      expect(config.max_age / nanosPerMs, stream).toBe(ttlMs + deadlineMs + dayMs);
    }
  });

  it('is nowhere when that time is over, however it ended', async () => {
    t.world.revid.pushFaults({ at: 'render', kind: 'http', status: 422 });
    const jobs = [(await api.generate()).body.job_id, (await api.generate()).body.job_id];
    for (const jobId of jobs) await api.ended(jobId);
    const held = await Promise.all(jobs.map((jobId) => heldOf(raw, jobId)));
    expect(held.flatMap(Object.keys).some((subject) => subject.startsWith('dead.v1.submit.'))).toBe(true);

    // The server's own limit, of seconds instead of days.
    for (const stream of ['JOBS', 'DEAD']) {
      const { config } = await raw.manager.streams.info(stream);
      const second = 1_000 * nanosPerMs;
      await raw.manager.streams.update(stream, { ...config, max_age: second, duplicate_window: second });
    }
    for (const jobId of jobs) {
      await until(async () => Object.keys(await heldOf(raw, jobId)).length === 0, { what: `${jobId} to be gone` });
      // As its own time does.
      await redis.pexpire(`pet_roast:job:${jobId}`, '1');
      await until(async () => (await redis.exists(`pet_roast:job:${jobId}`)) === 0, { what: 'Redis to forget it' });
      expect((await api.get(`/api/video-status/${jobId}`)).status).toBe(404);
    }
    for (const stream of ['JOBS', 'DEAD']) {
      const empty = async () => (await raw.manager.streams.info(stream)).state.messages === 0;
      await until(empty, { what: `${stream} to be empty` });
    }
  });
});
