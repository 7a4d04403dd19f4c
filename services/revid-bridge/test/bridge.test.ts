/** The bridge as its own process, with a real NATS and the sandbox's Revid; the test plays the stages before it. */
import { readFileSync } from 'node:fs';
import { freePort, type Revid, startImageHost, startRevid } from '@pet-roast/sandbox';
import { type Broker, createEvent, type StoredEvent, subjectOf } from '@pet-roast/shared';
import { brokerForTest, natsForTest, type RunningService, rawNats, spawnService, until } from '@pet-roast/testing';
import sharp from 'sharp';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createCallbackTokens } from '../src/core/callback-token.ts';

const secret = 'a-callback-secret-for-tests';
const deadlineMs = 4_000;
let nats: Awaited<ReturnType<typeof natsForTest>>;
let revid: Revid;
let bridge: RunningService;
let broker: Broker;
let images: Awaited<ReturnType<typeof startImageHost>>;
let imageUrl: string;

beforeAll(async () => {
  nats = await natsForTest();
  revid = await startRevid({ apiKey: 'key', behaviour: { renderMs: 100, video: 'sample' } });
  const photo = await sharp({ create: { width: 64, height: 64, channels: 3, background: '#808080' } })
    .png()
    .toBuffer();
  images = await startImageHost({ files: { 'pet.png': photo } });
  imageUrl = images.urlOf('pet.png');
  const port = await freePort();
  bridge = await spawnService({
    entry: 'services/revid-bridge/src/main.ts',
    env: {
      PORT: String(port),
      NATS_URL: nats.url,
      REVID_BASE_URL: revid.baseUrl,
      REVID_API_KEY: 'key',
      BRIDGE_PUBLIC_URL: `http://127.0.0.1:${port}`,
      CALLBACK_SECRET: secret,
      RENDER_DEADLINE_MS: String(deadlineMs),
      SUBMIT_TIMEOUT_MS: '600',
      SUBMIT_RETRY_MS: '100',
      SUBMIT_ATTEMPTS_MAX: '3',
      POLL_AFTER_MS: '1000',
      POLL_EVERY_MS: '300',
    },
  });
  broker = await brokerForTest(nats.url);
  await bridge.ready();
});
afterAll(async () => {
  await broker?.close();
  await bridge?.stop();
  await Promise.all([revid?.close(), images?.close(), nats?.close()]);
});
afterEach(() => revid.clearFaults());

describe('a render', () => {
  it('is submitted once as the vendor documents it, with the key in its header and the job’s own callback address', async () => {
    const jobId = await translatedJob();
    expect(await outcomeOf(jobId)).toMatchObject({ kind: 'rendered', data: { told_by: 'callback' } });
    const [render] = paid(jobId);
    expect(render?.body).toMatchObject({
      workflow: 'script-to-video',
      source: { text: 'My dog is lazy.' },
      media: { useOnlyProvided: true },
      options: { useOnlyProvidedMedia: true },
    });
    expect(new URL(String(render?.body.webhookUrl)).searchParams.get('job_id')).toBe(jobId);
  });

  it('whose answer is lost after the vendor took it is not submitted again, and its callback completes it', async () => {
    revid.pushFaults({ at: 'render', kind: 'accept_then_hang' });
    const jobId = await translatedJob();
    expect(await outcomeOf(jobId)).toMatchObject({ kind: 'rendered' });
    expect(paid(jobId)).toHaveLength(1);
  });

  it.each([
    { kind: 'accept_then_reset' },
    { kind: 'accept_then_http', status: 500 },
    { kind: 'accept_then_garbage' },
  ] as const)('whose answer is %j and whose callback never comes is found at the vendor by its job', async (fault) => {
    // One request meets one fault: this render's callback is held back through the behaviour of all.
    revid.setBehaviour({ callback: { none: true } });
    revid.pushFaults({ at: 'render', ...fault });
    const jobId = await translatedJob();
    const outcome = await outcomeOf(jobId);
    revid.setBehaviour({ callback: { none: false } });
    expect(outcome).toMatchObject({ kind: 'rendered', data: { told_by: 'poll' } });
    expect(paid(jobId)).toHaveLength(1);
  });

  it('of which nobody knows whether it was started ends at its deadline as unknown, never submitted again', async () => {
    revid.pushFaults({ at: 'render', kind: 'reset' });
    const jobId = await translatedJob();
    const outcome = await outcomeOf(jobId);
    expect(outcome).toMatchObject({ kind: 'failed', data: { code: 'render_outcome_unknown', notify: true } });
    expect(Date.parse(outcome.time) - Date.parse((await claimOf(jobId)).time)).toBeGreaterThanOrEqual(deadlineMs - 50);
    expect(paid(jobId)).toHaveLength(0);
  });

  it('that never ends is failed at its deadline', async () => {
    revid.pushFaults({ at: 'render', kind: 'behave', behaviour: { result: 'never' } });
    const jobId = await translatedJob();
    expect(await outcomeOf(jobId)).toMatchObject({ kind: 'failed', data: { code: 'render_timed_out' } });
  });

  it('that the account cannot pay fails at once, though HTTP says 200', async () => {
    revid.pushFaults({ at: 'render', kind: 'refused_200' });
    const jobId = await translatedJob();
    expect(await outcomeOf(jobId)).toMatchObject({ kind: 'failed', data: { code: 'render_account_refused' } });
    expect(paid(jobId)).toHaveLength(0);
  });

  it('that is refused for now is tried again, and fails as unreachable after the last try', async () => {
    revid.pushFaults({ at: 'render', kind: 'http', status: 429, times: 3 });
    const jobId = await translatedJob();
    expect(await outcomeOf(jobId)).toMatchObject({ kind: 'failed', data: { code: 'render_unreachable' } });
    expect(paid(jobId)).toHaveLength(0);
  });

  it('waits while the vendor cannot be connected to, and is paid once when it can', async () => {
    await revid.down();
    const jobId = await translatedJob();
    await until(async () => (await stateOf(jobId))?.kind === 'released', { what: 'a first try, given back' });
    await revid.up();
    expect(await outcomeOf(jobId)).toMatchObject({ kind: 'rendered' });
    expect(paid(jobId)).toHaveLength(1);
  });
});

describe('a callback', () => {
  it('without the job’s own token is refused, and changes nothing', async () => {
    const jobId = await renderingJob();
    const tokens = createCallbackTokens(bridge.url, [secret]);
    const own = new URL(tokens.urlFor(jobId, 1, new Date(Date.now() + 60_000)));
    const of = (change: (url: URL) => void) => {
      const url = new URL(own);
      change(url);
      return url;
    };
    const forged = [
      of((url) => url.searchParams.delete('token')),
      of((url) => url.searchParams.set('token', 'x'.repeat(43))),
      of((url) => url.searchParams.set('job_id', 'another-job')),
      of((url) => url.searchParams.set('expires', '9999999999')),
      new URL(tokens.urlFor(jobId, 1, new Date(Date.now() - 2_000))),
      new URL(
        createCallbackTokens(bridge.url, ['not-the-secret-of-it']).urlFor(jobId, 1, new Date(Date.now() + 60_000)),
      ),
    ];
    for (const url of forged) {
      expect((await call(url, { status: 'ready', videoUrl: 'https://evil.example/1.mp4' })).status, url.search).toBe(
        401,
      );
    }
    expect(await broker.readLast(subjectOf('callback', jobId))).toBeUndefined();
    revid.finish(pidOf(jobId));
    expect(await outcomeOf(jobId)).toMatchObject({ kind: 'rendered' });
  });

  it('is durable when it is answered, in less than a second, and in either form', async () => {
    const forms = [
      (jobId: string) => ({ pid: pidOf(jobId), status: 'ready', videoUrl: 'https://v.example/a.mp4', progress: 100 }),
      (jobId: string) => ({ job_id: jobId, status: 'completed', video_url: 'https://v.example/a.mp4', error: null }),
    ];
    for (const form of forms) {
      const jobId = await renderingJob();
      const started = performance.now();
      const answer = await call(callbackUrl(jobId), form(jobId));
      expect(performance.now() - started).toBeLessThan(1_000);
      expect(await broker.readLast(subjectOf('callback', jobId))).toMatchObject({ kind: 'callback' });
      expect(answer).toEqual({ status: 200, body: { status: 'success', message: expect.any(String), job_id: jobId } });
      expect(await outcomeOf(jobId)).toMatchObject({
        kind: 'rendered',
        data: { video_url: 'https://v.example/a.mp4' },
      });
    }
  });

  it('for another pid, with no end in it, or without a usable address is stored and ignored', async () => {
    const jobId = await renderingJob();
    const ignored = [
      { pid: 'p_other', status: 'ready', videoUrl: 'https://v.example/b.mp4' },
      { pid: pidOf(jobId), status: 'rendering', progress: 50 },
      { pid: pidOf(jobId), status: 'ready', videoUrl: 'javascript:alert(1)' },
    ];
    for (const body of ignored) expect((await call(callbackUrl(jobId), body)).status).toBe(200);
    await until(() => bridge.output().split('"judgement":"ignored"').length - 1 >= 3, { what: 'three ignored' });
    expect(await broker.readLast(subjectOf('outcome', jobId))).toBeUndefined();
    revid.finish(pidOf(jobId));
    expect(await outcomeOf(jobId)).toMatchObject({ kind: 'rendered' });
  });

  it('for a job that nobody submitted is stored, and starts nothing', async () => {
    const url = new URL(createCallbackTokens(bridge.url, [secret]).urlFor('nobody', 1, new Date(Date.now() + 60_000)));
    expect((await call(url, { status: 'ready', videoUrl: 'https://v.example/c.mp4' })).status).toBe(200);
    await until(() => bridge.output().includes('"job_id":"nobody","judgement":"ignored"'), {
      what: 'it to be ignored',
    });
    expect(await broker.readLast(subjectOf('outcome', 'nobody'))).toBeUndefined();
  });

  it('that is late or repeated changes no outcome', async () => {
    const jobId = await renderingJob();
    revid.finish(pidOf(jobId));
    const first = await outcomeOf(jobId);
    for (let repeat = 0; repeat < 3; repeat++) {
      expect((await call(callbackUrl(jobId), { pid: pidOf(jobId), status: 'failed', error: 'late' })).status).toBe(200);
    }
    await until(() => bridge.output().includes('"judgement":"ignored"'), { what: 'the late one judged' });
    expect(await broker.readLast(subjectOf('outcome', jobId))).toEqual(first);
  });

  it('that cannot be read is refused with a code', async () => {
    const jobId = await renderingJob();
    expect(await call(callbackUrl(jobId), { job_id: 'another', status: 'completed' })).toMatchObject({ status: 422 });
    expect(await call(callbackUrl(jobId), { status: 7 })).toMatchObject({
      status: 400,
      body: { detail: { error: 'bad_request' } },
    });
    revid.finish(pidOf(jobId));
    await outcomeOf(jobId);
  });
});

describe('an older service’s events', () => {
  it('are processed as they lie in the golden files', async () => {
    await using raw = await rawNats(nats.url);
    const golden = (kind: string) =>
      readFileSync(new URL(`../../../packages/shared/test/golden/${kind}.json`, import.meta.url), 'utf8');
    const jobId = crypto.randomUUID();
    const later = new Date(Date.now() + 600_000).toISOString();
    for (const kind of ['received', 'translated']) {
      // As recorded, but for this job and for a deadline that has not passed.
      const text = golden(kind)
        .replaceAll(JSON.parse(golden(kind)).job_id, jobId)
        .replace('2026-01-02T04:04:05.678Z', later);
      await raw.publish(`jobs.v1.${kind}.${jobId}`, text.replace('https://photos.example/bruno.jpg', imageUrl));
    }
    expect(await outcomeOf(jobId)).toMatchObject({ kind: 'rendered' });
    expect(paid(jobId)[0]?.body.source?.text).toBe('My dog is very lazy.');
  });
});

/** A job as the translator leaves it. */
async function translatedJob(): Promise<string> {
  const jobId = crypto.randomUUID();
  const text = 'My dog is lazy.';
  await broker.publish(
    createEvent('received', jobId, {
      text,
      image_url: imageUrl,
      target_language: 'en',
      request_id: 'test',
      request_sha256: '',
      deadline_at: new Date(Date.now() + 60_000).toISOString(),
    }),
    0,
  );
  const translation = { text, source_language: 'en', target_language: 'en', translated: false, pieces: 0 };
  await broker.publish(createEvent('translated', jobId, translation), 0);
  return jobId;
}

/** A job that the vendor has, and that it does not end by itself. */
async function renderingJob(): Promise<string> {
  revid.pushFaults({ at: 'render', kind: 'behave', behaviour: { result: 'never' } });
  const jobId = await translatedJob();
  await until(async () => (await stateOf(jobId))?.kind === 'rendering', { what: 'the pid to be recorded' });
  return jobId;
}

function outcomeOf(jobId: string): Promise<StoredEvent> {
  return until(() => broker.readLast(subjectOf('outcome', jobId)), {
    what: `the outcome of ${jobId}`,
    timeoutMs: 15_000,
  });
}

const stateOf = (jobId: string) => broker.readLast(subjectOf('render', jobId));
const claimOf = async (jobId: string) => (await stateOf(jobId)) as StoredEvent<'claimed'>;
const paid = (jobId: string) => revid.renders().filter((render) => render.jobId === jobId);
const pidOf = (jobId: string) => paid(jobId)[0]?.pid ?? '';
const callbackUrl = (jobId: string) => new URL(String(paid(jobId)[0]?.body.webhookUrl));

async function call(url: URL, body: unknown): Promise<{ status: number; body: unknown }> {
  const answer = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return { status: answer.status, body: await answer.json() };
}
