/** One journey for each way a job can end, through the five real processes, the real model, NATS and Redis. */
import { readFile } from 'node:fs/promises';
import { startTestSystem, type TestSystem } from '@pet-roast/testing';
import sharp from 'sharp';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { apiOf } from './helpers/api.ts';

const hindi = 'मेरा कुत्ता बहुत आलसी है।';
const pet = new URL('../packages/sandbox/assets/pet.jpg', import.meta.url);
let t: TestSystem;
let api: ReturnType<typeof apiOf>;

beforeAll(async () => {
  t = await startTestSystem({ world: { images: { 'pet.jpg': await readFile(pet), 'sky.jpg': await sky() } } });
  api = apiOf(t);
});
afterAll(async () => {
  await t?.[Symbol.asyncDispose]();
});
beforeEach(() => {
  t.world.backend.clearDeliveries();
  t.world.revid.clearFaults();
});

describe('a job', () => {
  it('that goes well ends as a delivered video, told in one signed webhook', async () => {
    const { status, body } = await api.generate({ text: hindi });
    expect(status).toBe(202);
    expect(body).toEqual({ job_id: expect.any(String), status: 'queued', stage: 'detected' });

    const view = await api.ended(body.job_id);
    expect(view).toMatchObject({ status: 'completed', stage: 'notified', error: null, detail: 'The video is ready.' });
    expect(view.detection?.pets[0]).toMatchObject({ label: expect.stringMatching(/^(dog|cat)$/) });
    expect(view.translation).toMatchObject({ source_language: 'hi', translated: true });
    const video = await fetch(view.video_url ?? '');
    expect(video.status).toBe(200);

    const [delivery, ...more] = api.webhooks(body.job_id);
    expect(more).toEqual([]);
    expect(delivery).toMatchObject({
      signature_valid: true,
      body: { job_id: body.job_id, status: 'completed', video_url: view.video_url, error: null },
      headers: {
        'x-webhook-source': 'pet-roast-ai',
        'x-job-id': body.job_id,
        'webhook-id': `msg_${body.job_id}`,
        'webhook-timestamp': expect.stringMatching(/^\d{10}$/),
        'webhook-signature': expect.stringMatching(/^v1,/),
        'content-type': 'application/json',
      },
    });
    expect((await api.get(`/api/video-result/${body.job_id}`)).body).toMatchObject({
      status: 'completed',
      video_url: view.video_url,
    });
    expect(api.renders(body.job_id)).toHaveLength(1);
  });

  it('whose photo has no pet is answered with 400, and nobody is told a second time', async () => {
    const paid = t.world.revid.renders().length;
    const { status, body } = await api.generate({ image_url: t.world.images.urlOf('sky.jpg') });
    expect(status).toBe(400);
    expect(body.detail).toMatchObject({
      error: 'no_pets_detected',
      suggestion: expect.stringContaining('clear photo of your pet'),
    });
    await t.settled();
    expect(t.world.backend.deliveries()).toEqual([]);
    expect(t.world.revid.renders()).toHaveLength(paid);
  });

  it('whose photo turns out to have no pet after the answer is told by webhook', async () => {
    const detector = t.system.service('detector').pid;
    process.kill(detector, 'SIGSTOP');
    const { status, body } = await api
      .generate({ image_url: t.world.images.urlOf('sky.jpg') })
      .finally(() => process.kill(detector, 'SIGCONT'));
    expect(status).toBe(202);
    expect(body).toMatchObject({ status: 'queued', stage: 'received' });

    expect(await api.ended(body.job_id)).toMatchObject({ status: 'failed', error: { error: 'no_pets_detected' } });
    const [delivery, ...more] = api.webhooks(body.job_id);
    expect(more).toEqual([]);
    expect(delivery).toMatchObject({
      signature_valid: true,
      body: { status: 'failed', video_url: null, error_code: 'no_pets_detected' },
      headers: { 'x-job-id': body.job_id, 'webhook-id': `msg_${body.job_id}` },
    });
  });

  it.each([
    ['/missing', 'image_unreachable'],
    ['/html', 'image_not_an_image'],
    ['/empty', 'image_not_an_image'],
    ['/big?bytes=30000000', 'image_too_large'],
  ])('whose image is %s is answered with 422 %s, which is not "no pets"', async (path, code) => {
    const { status, body } = await api.generate({ image_url: t.world.images.urlOf(path) });
    expect({ status, error: body.detail.error }).toEqual({ status: 422, error: code });
    await t.settled();
    expect(t.world.backend.deliveries()).toEqual([]);
  });

  it('whose text cannot be translated for good is told as failed', async () => {
    t.world.bhashini.pushFaults({ at: 'compute', kind: 'http', status: 200, body: { pipelineResponse: [] }, times: 1 });
    const { body } = await api.generate({ text: hindi });
    await expectFailure(body.job_id, 'language_not_supported', { renders: 0 });
  });

  it('that the vendor refuses for good is told as failed, and nothing is paid', async () => {
    t.world.revid.pushFaults({ at: 'render', kind: 'http', status: 422, times: 1 });
    const { body } = await api.generate({});
    await expectFailure(body.job_id, 'render_refused', { renders: 0 });
  });

  it('that the vendor refuses for now is submitted again, and paid once', async () => {
    t.world.revid.pushFaults({ at: 'render', kind: 'http', status: 429, times: 2 });
    const { body } = await api.generate({});
    expect(await api.ended(body.job_id)).toMatchObject({ status: 'completed', stage: 'notified' });
    expect(api.renders(body.job_id)).toHaveLength(1);
  });

  it('whose render fails is told as failed, and the result says so', async () => {
    t.world.revid.pushFaults({ at: 'render', kind: 'behave', behaviour: { result: 'failed' }, times: 1 });
    const { body } = await api.generate({});
    await expectFailure(body.job_id, 'render_failed', { renders: 1 });
    const result = await api.get(`/api/video-result/${body.job_id}`);
    expect(result).toMatchObject({ status: 502, body: { detail: { error: 'render_failed' } } });
  });

  it('whose callback never comes is found by asking', async () => {
    t.world.revid.pushFaults({ at: 'render', kind: 'behave', behaviour: { callback: { none: true } }, times: 1 });
    const { body } = await api.generate({});
    expect(await api.ended(body.job_id)).toMatchObject({ status: 'completed', stage: 'notified' });
  });

  it('whose callback is in 1.x’s form, early and doubled, is completed once', async () => {
    const callback = { form: 'v1', early: true, copies: 3 } as const;
    t.world.revid.pushFaults({ at: 'render', kind: 'behave', behaviour: { callback }, times: 1 });
    const { body } = await api.generate({});
    expect(await api.ended(body.job_id)).toMatchObject({ status: 'completed', stage: 'notified' });
    await t.settled();
    expect(api.webhooks(body.job_id)).toHaveLength(1);
  });

  it('whose backend is down for two attempts is told at the third, under the same id', async () => {
    t.world.backend.pushAnswers({ kind: 'http', status: 503 }, { kind: 'reset' });
    const { body } = await api.generate({});
    expect(await api.ended(body.job_id)).toMatchObject({ status: 'completed', stage: 'notified' });
    const deliveries = api.webhooks(body.job_id);
    expect(deliveries.map((delivery) => delivery.answered)).toEqual([503, 'reset', 200]);
    expect(new Set(deliveries.map((delivery) => delivery.headers['webhook-id']))).toEqual(
      new Set([`msg_${body.job_id}`]),
    );
    expect(deliveries.every((delivery) => delivery.signature_valid)).toBe(true);
  });

  it('is made although the backend hangs for others: a slow backend holds up only its own stage', async () => {
    t.world.backend.pushAnswers({ kind: 'hang', ms: 4_000, times: 20 });
    const jobs = await Promise.all(Array.from({ length: 20 }, () => api.generate()));
    for (const { body } of jobs) {
      await api.completes(body.job_id);
    }
    for (const { body } of jobs) expect(await api.ended(body.job_id, 40_000)).toMatchObject({ stage: 'notified' });
  });

  it('whose backend refuses the webhook keeps its result, and is not told again', async () => {
    t.world.backend.pushAnswers({ kind: 'http', status: 404 });
    const { body } = await api.generate({});
    expect(await api.ended(body.job_id)).toMatchObject({ status: 'completed', stage: 'undeliverable', error: null });
    await t.settled();
    expect(api.webhooks(body.job_id)).toHaveLength(1);
    expect((await api.get(`/api/video-result/${body.job_id}`)).status).toBe(200);
  });
});

it('the figures of the day are in /metrics: ends, verdicts, deliveries, and how long jobs and webhooks take', async () => {
  t.world.backend.pushAnswers({ kind: 'http', status: 503 }, { kind: 'reset' }, { kind: 'http', status: 404 });
  await t.settled();
  const before = await figures();
  const ok = await api.generate({});
  await api.ended(ok.body.job_id);
  await api.generate({ image_url: t.world.images.urlOf('sky.jpg') });
  t.world.revid.pushFaults({ at: 'render', kind: 'http', status: 422, times: 1 });
  const refused = await api.generate({});
  await api.ended(refused.body.job_id);
  await t.settled();

  const grown = async () => {
    const now = await figures();
    return Object.fromEntries(
      Object.entries(now).flatMap(([name, value]) => {
        const more = value - (before[name] ?? 0);
        return more === 0 ? [] : [[name, more]];
      }),
    );
  };
  expect(await grown()).toEqual({
    'pet_roast_verdicts_total{verdict="detected"}': 2,
    'pet_roast_verdicts_total{verdict="no_pets_detected"}': 1,
    'pet_roast_jobs_ended_total{outcome="completed"}': 1,
    'pet_roast_jobs_ended_total{outcome="no_pets_detected"}': 1,
    'pet_roast_jobs_ended_total{outcome="render_refused"}': 1,
    'pet_roast_job_seconds_count{outcome="completed"}': 1,
    'pet_roast_job_seconds_count{outcome="failed"}': 2,
    'pet_roast_webhook_deliveries_total{delivery="notified"}': 1,
    'pet_roast_webhook_deliveries_total{delivery="undeliverable"}': 1,
    'pet_roast_webhook_seconds_count{result="answer"}': 3,
    'pet_roast_webhook_seconds_count{result="network"}': 1,
  });
});

/** Counters and histograms' counts of the gateway and the notifier. */
async function figures(): Promise<Record<string, number>> {
  const found: Record<string, number> = {};
  for (const name of ['gateway', 'notifier'] as const) {
    const text = await (await fetch(`${t.system.service(name).url}/metrics`)).text();
    for (const [, series = '', value] of text.matchAll(/^(pet_roast_\w+_(?:total|count)\{.*\}) (\d+)$/gm))
      found[series] = Number(value);
  }
  return found;
}

async function expectFailure(jobId: string, code: string, { renders }: { renders: number }): Promise<void> {
  expect(await api.ended(jobId)).toMatchObject({
    status: 'failed',
    stage: 'notified',
    error: { error: code },
    video_url: null,
  });
  await t.settled();
  const deliveries = api.webhooks(jobId);
  expect(deliveries).toHaveLength(1);
  expect(deliveries[0]).toMatchObject({ signature_valid: true, body: { status: 'failed', error_code: code } });
  expect(api.renders(jobId)).toHaveLength(renders);
}

/** A photo without an animal: a sky. */
function sky(): Promise<Buffer> {
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="640" height="480"><defs><linearGradient id="g" y2="1" x2="0">
    <stop offset="0" stop-color="#2a6fd0"/><stop offset="1" stop-color="#d8ecff"/></linearGradient></defs>
    <rect width="640" height="480" fill="url(#g)"/></svg>`;
  return sharp(Buffer.from(svg)).jpeg().toBuffer();
}
