/** The five services in one process: the same journeys, and a way on to five processes that loses nothing. */
import { readFile } from 'node:fs/promises';
import { serviceNames, startSystem, startTestSystem, type TestSystem } from '@pet-roast/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { apiOf } from './helpers/api.ts';

const pet = new URL('../packages/sandbox/assets/pet.jpg', import.meta.url);
let t: TestSystem;
let api: ReturnType<typeof apiOf>;

beforeAll(async () => {
  t = await startTestSystem({ inOneProcess: true, world: { images: { 'pet.jpg': await readFile(pet) } } });
  api = apiOf(t);
});
afterAll(async () => {
  await t?.[Symbol.asyncDispose]();
});

describe('one process', () => {
  it('does a whole job: callback, webhook and status at one port', async () => {
    const { status, body } = await api.generate({ text: 'मेरा कुत्ता बहुत आलसी है।' });
    expect(status).toBe(202);
    expect(await api.ended(body.job_id)).toMatchObject({ status: 'completed', stage: 'notified' });
    expect(api.webhooks(body.job_id)).toMatchObject([{ signature_valid: true, body: { status: 'completed' } }]);
    expect((await api.get('/api/test-backend-connection')).body).toMatchObject({ status: 'success' });
    expect((await api.get('/readyz')).body).toMatchObject({
      status: 'ready',
      checks: { nats: 'ok', redis: 'ok', backend: 'ok' },
    });
    // The notifier's own route is for the gateway: a stranger would have webhooks sent with it.
    expect((await api.get('/test-backend-connection')).status).toBe(404);
    const forged = await api.call('/api/webhook/video-complete?job_id=x&run=1&expires=1&token=t', { method: 'POST' });
    expect(forged.status).toBe(401);
  });

  it('stops cleanly on SIGTERM, and goes on with what it had when it starts again', async () => {
    const jobs = await Promise.all(Array.from({ length: 4 }, () => api.generate()));
    await t.system.service('gateway').stop({ timeoutMs: 30_000 });
    await t.system.start('gateway');
    for (const { body } of jobs) expect(await api.ended(body.job_id)).toMatchObject({ status: 'completed' });
    for (const { body } of jobs) expect(api.renders(body.job_id)).toHaveLength(1);
  });

  it('is split into five by configuration alone: they finish the jobs that it began', async () => {
    const jobs = await Promise.all(Array.from({ length: 4 }, () => api.generate()));
    // Stopped, as one would: killed between a claim and its submission, a job may end as render_unconfirmed.
    await t.system.service('gateway').stop({ timeoutMs: 30_000 });
    const ports = { gateway: Number(new URL(t.system.gatewayUrl).port) };
    await using five = await startSystem({ natsUrl: t.nats.url, redisUrl: t.redis.url, env: t.env, ports });
    expect(new Set(serviceNames.map((name) => five.service(name).pid)).size).toBe(5);
    for (const { body } of jobs) expect(await api.ended(body.job_id)).toMatchObject({ status: 'completed' });
    for (const { body } of jobs) expect(api.renders(body.job_id)).toHaveLength(1);
  });
});
