/** Any of the five processes may be killed at any time: the job it was about still ends as a delivered video, paid once. */
import { readFile } from 'node:fs/promises';
import { type ServiceName, serviceNames, startTestSystem, type TestSystem, until } from '@pet-roast/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { apiOf } from './helpers/api.ts';

const pet = new URL('../packages/sandbox/assets/pet.jpg', import.meta.url);
let t: TestSystem;
let api: ReturnType<typeof apiOf>;

beforeAll(async () => {
  t = await startTestSystem({
    env: { DETECT_WAIT_MS: '500' },
    world: { images: { 'pet.jpg': await readFile(pet) }, revid: { behaviour: { renderMs: 700 } } },
  });
  api = apiOf(t);
});
afterAll(async () => {
  await t?.[Symbol.asyncDispose]();
});

describe('a job survives', () => {
  it.each(serviceNames)('the %s killed while the job is on its way', async (name) => {
    const jobId = await generate();
    if (name === 'revid-bridge') await paid(jobId);
    await t.system.kill(name, 'SIGKILL');
    await t.system.start(name);
    await expectDeliveredAndPaidOnce(jobId);
  });

  it.each(serviceNames.filter((name) => name !== 'gateway'))('the %s being dead when it is sent', async (name) => {
    await t.system.kill(name, 'SIGKILL');
    const jobId = await generate();
    await t.system.start(name);
    await expectDeliveredAndPaidOnce(jobId);
  });

  it('all five being killed at once', async () => {
    const jobId = await generate();
    await paid(jobId);
    await Promise.all(serviceNames.map((name) => t.system.kill(name, 'SIGKILL')));
    await Promise.all(serviceNames.map((name: ServiceName) => t.system.start(name)));
    await expectDeliveredAndPaidOnce(jobId);
  });

  it('NATS and Redis being killed and started again', async () => {
    const jobId = await generate();
    await Promise.all([t.nats.kill(), t.redis.kill()]);
    await Promise.all([t.nats.restart(), t.redis.restart()]);
    await expectDeliveredAndPaidOnce(jobId);
  });

  it('every service being asked to stop, which each does cleanly', async () => {
    const jobId = await generate();
    for (const name of serviceNames) {
      expect(await t.system.service(name).stop(), name).toBe(0);
      await t.system.start(name);
    }
    await expectDeliveredAndPaidOnce(jobId);
  });
});

async function generate(): Promise<string> {
  const { status, body } = await api.generate({ text: 'मेरा कुत्ता बहुत आलसी है।' });
  expect(status).toBe(202);
  return body.job_id;
}

/** Killed between its claim and the request, the bridge cannot know whether it paid, and says so (paid-once.test.ts). */
async function paid(jobId: string): Promise<void> {
  await until(() => api.renders(jobId).length === 1, { what: 'the render' });
}

async function expectDeliveredAndPaidOnce(jobId: string): Promise<void> {
  expect(await api.ended(jobId, 60_000)).toMatchObject({ status: 'completed', stage: 'notified' });
  expect(api.renders(jobId)).toHaveLength(1);
  const deliveries = api.webhooks(jobId);
  expect(deliveries.length).toBeGreaterThanOrEqual(1);
  expect(new Set(deliveries.map((delivery) => delivery.headers['webhook-id']))).toEqual(new Set([`msg_${jobId}`]));
}
