/** A job that no event will ever move is found and ended, whichever processes live: its timer is the broker's. */
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { startTestSystem, type TestSystem } from '@pet-roast/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { apiOf } from './helpers/api.ts';

const pet = new URL('../packages/sandbox/assets/pet.jpg', import.meta.url);
const jobDeadlineMs = 10_000;
let t: TestSystem;
let api: ReturnType<typeof apiOf>;

beforeAll(async () => {
  t = await startTestSystem({
    env: { JOB_DEADLINE_MS: String(jobDeadlineMs), DETECT_WAIT_MS: '300' },
    world: { images: { 'pet.jpg': await readFile(pet) } },
  });
  api = apiOf(t);
});
afterAll(async () => {
  await t?.[Symbol.asyncDispose]();
});

it.each(['detector', 'translator', 'revid-bridge'] as const)(
  'a job whose %s is gone ends at its deadline, is told, and is a dead letter',
  async (gone) => {
    await t.system.kill(gone);
    const { body } = await api.generate();
    expect(await api.ended(body.job_id)).toMatchObject({ status: 'failed', error: { error: 'deadline_exceeded' } });
    expect(api.webhooks(body.job_id)).toMatchObject([{ body: { status: 'failed', error_code: 'deadline_exceeded' } }]);
    const { body: found } = await api.admin<{ letters: unknown[] }>(`/dead-letters?job_id=${body.job_id}`);
    expect(found.letters).toMatchObject([{ step: 'expire', code: 'deadline_exceeded' }]);
    await t.system.start(gone);
    await t.settled();
    expect(api.renders(body.job_id)).toHaveLength(0);
    expect(api.webhooks(body.job_id)).toHaveLength(1);
  },
);

it('the deadline is kept although every gateway was dead when it passed', async () => {
  await t.system.kill('translator');
  const { body } = await api.generate();
  await t.system.kill('gateway');
  await sleep(jobDeadlineMs);
  await t.system.start('gateway');
  expect(await api.ended(body.job_id, 40_000)).toMatchObject({
    status: 'failed',
    error: { error: 'deadline_exceeded' },
  });
  await t.system.start('translator');
});
