/** The bridge as its own process: what becomes of renders and of callbacks. */
import { readFileSync } from 'node:fs';
import { type StoredEvent, subjectOf } from '@pet-roast/shared';
import { rawNats, spawnService, until } from '@pet-roast/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createCallbackTokens } from '../src/core/callback-token.ts';
import { callbackSecret as secret, startBridge } from './helpers/bridge.ts';

const deadlineMs = 4_000;
let t: Awaited<ReturnType<typeof startBridge>>;

beforeAll(async () => {
  t = await startBridge({
    RENDER_DEADLINE_MS: String(deadlineMs),
    SUBMIT_TIMEOUT_MS: '600',
    SUBMIT_RETRY_MS: '100',
    SUBMIT_ATTEMPTS_MAX: '3',
    POLL_AFTER_MS: '1000',
    POLL_EVERY_MS: '300',
  });
});
afterAll(async () => {
  await t?.[Symbol.asyncDispose]();
});
afterEach(() => t.revid.clearFaults());

describe('a wrong configuration', () => {
  it.each([
    [{ BRIDGE_PUBLIC_URL: 'http://bridge.example' }, 'BRIDGE_PUBLIC_URL has to begin with https://'],
    [{ BRIDGE_PUBLIC_URL: 'bridge.example:8001' }, 'BRIDGE_PUBLIC_URL is not valid'],
    [{ CALLBACK_SECRET: `short,${secret}` }, 'CALLBACK_SECRET is not valid'],
    [{ REVID_API_KEY: 'key\n' }, 'REVID_API_KEY is not valid'],
  ])('stops the process and names the variable: %j', async (wrong, message) => {
    const env = {
      NATS_URL: t.nats.url,
      REVID_API_KEY: 'key',
      BRIDGE_PUBLIC_URL: t.bridge.url,
      CALLBACK_SECRET: secret,
    };
    const starting = spawnService({ entry: 'services/revid-bridge/src/main.ts', env: { ...env, ...wrong } });
    await expect(starting).rejects.toThrow(message);
  });
});

describe('a render', () => {
  it('is submitted once as the vendor documents it, with the key in its header and the job’s own callback address', async () => {
    const jobId = await t.translatedJob();
    expect(await t.outcomeOf(jobId)).toMatchObject({ kind: 'rendered', data: { told_by: 'callback' } });
    const [render] = t.paid(jobId);
    expect(render?.body).toMatchObject({
      workflow: 'script-to-video',
      source: { text: 'My dog is lazy.' },
      media: { useOnlyProvided: true },
      options: { useOnlyProvidedMedia: true },
    });
    expect(new URL(String(render?.body.webhookUrl)).searchParams.get('job_id')).toBe(jobId);
  });

  it.each([
    [{ source_language: 'hi', target_language: 'ta', translated: true, named: 'hi' }, 'ta-IN'],
    // Romanised, and said to be so.
    [{ source_language: 'hi', target_language: 'en', translated: false, named: 'hi' }, 'hi-IN'],
    // In Latin letters, which may be any language.
    [{ source_language: 'en', target_language: 'hi', translated: false }, 'hi-IN'],
  ])('has a voice for the language that its text is in, as far as is known: %j', async (text, language) => {
    const jobId = await t.translatedJob(text);
    await t.outcomeOf(jobId);
    expect(t.paid(jobId)[0]?.body.voice).toMatchObject({ language });
  });

  it('whose answer is lost after the vendor took it is not submitted again, and its callback completes it', async () => {
    t.revid.pushFaults({ at: 'render', kind: 'accept_then_hang' });
    const jobId = await t.translatedJob();
    expect(await t.outcomeOf(jobId)).toMatchObject({ kind: 'rendered' });
    expect(t.paid(jobId)).toHaveLength(1);
  });

  it.each([
    { kind: 'accept_then_reset' },
    { kind: 'accept_then_http', status: 500 },
    { kind: 'accept_then_garbage' },
  ] as const)('whose answer is %j and whose callback never comes is found at the vendor by its job', async (fault) => {
    // One request meets one fault: this render's callback is held back through the behaviour of all.
    t.revid.setBehaviour({ callback: { none: true } });
    t.revid.pushFaults({ at: 'render', ...fault });
    const jobId = await t.translatedJob();
    const outcome = await t.outcomeOf(jobId);
    t.revid.setBehaviour({ callback: { none: false } });
    expect(outcome).toMatchObject({ kind: 'rendered', data: { told_by: 'poll' } });
    expect(t.paid(jobId)).toHaveLength(1);
  });

  it.each([
    ['the vendor’s, and known to it', (pid: string) => pid, 'rendered'],
    ['that of somebody who guesses', () => 'p_guessed', 'failed'],
  ])(
    'whose answer is lost, and which cannot be looked up, has the pid of a callback that is no end: %s',
    async (_whose, pidTold, outcome) => {
      t.revid.setBehaviour({ callback: { none: true } });
      t.revid.pushFaults({ at: 'render', kind: 'accept_then_reset' });
      const unlisted = { at: 'projects', kind: 'http', status: 503 } as const;
      t.revid.pushFaults(...Array.from({ length: 100 }, () => unlisted));
      const jobId = await t.translatedJob();
      await t.revid.waitForRender((render) => render.jobId === jobId);
      await t.call(t.callbackUrl(jobId), { pid: pidTold(t.pidOf(jobId)), status: 'rendering' });
      expect(await t.outcomeOf(jobId)).toMatchObject({ kind: outcome });
      t.revid.setBehaviour({ callback: { none: false } });
      expect(t.paid(jobId)).toHaveLength(1);
    },
  );

  it('of which nobody knows whether it was started ends at its deadline as unknown, never submitted again', async () => {
    t.revid.pushFaults({ at: 'render', kind: 'reset' });
    const jobId = await t.translatedJob();
    const outcome = await t.outcomeOf(jobId);
    expect(outcome).toMatchObject({ kind: 'failed', data: { code: 'render_outcome_unknown', notify: true } });
    expect(Date.parse(outcome.time) - Date.parse((await claimOf(jobId)).time)).toBeGreaterThanOrEqual(deadlineMs - 50);
    expect(t.paid(jobId)).toHaveLength(0);
  });

  it('that never ends is failed at its deadline', async () => {
    t.revid.pushFaults({ at: 'render', kind: 'behave', behaviour: { result: 'never' } });
    const jobId = await t.translatedJob();
    expect(await t.outcomeOf(jobId)).toMatchObject({ kind: 'failed', data: { code: 'render_timed_out' } });
  });

  it('that the account cannot pay fails at once, though HTTP says 200', async () => {
    t.revid.pushFaults({ at: 'render', kind: 'refused_200' });
    const jobId = await t.translatedJob();
    expect(await t.outcomeOf(jobId)).toMatchObject({ kind: 'failed', data: { code: 'render_account_refused' } });
    expect(t.paid(jobId)).toHaveLength(0);
  });

  it('that is refused for now is tried again, and fails as unreachable after the last try', async () => {
    t.revid.pushFaults({ at: 'render', kind: 'http', status: 429, times: 3 });
    const jobId = await t.translatedJob();
    expect(await t.outcomeOf(jobId)).toMatchObject({ kind: 'failed', data: { code: 'render_unreachable' } });
    expect(t.paid(jobId)).toHaveLength(0);
  });

  it('waits while the vendor cannot be connected to, and is paid once when it can', async () => {
    await t.revid.down();
    const jobId = await t.translatedJob();
    await until(async () => (await t.stateOf(jobId))?.kind === 'released', { what: 'a first try, given back' });
    await t.revid.up();
    expect(await t.outcomeOf(jobId)).toMatchObject({ kind: 'rendered' });
    expect(t.paid(jobId)).toHaveLength(1);
  });
});

describe('a callback', () => {
  it('without the job’s own token is refused, counted, and changes nothing', async () => {
    const jobId = await t.renderingJob();
    const countedBefore = await t.counted('refused');
    const tokens = createCallbackTokens(t.bridge.url, [secret]);
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
        createCallbackTokens(t.bridge.url, ['not-the-secret-of-it']).urlFor(jobId, 1, new Date(Date.now() + 60_000)),
      ),
    ];
    for (const url of forged) {
      expect((await t.call(url, { status: 'ready', videoUrl: 'https://evil.example/1.mp4' })).status, url.search).toBe(
        401,
      );
    }
    expect(await t.broker.readLast(subjectOf('callback', jobId))).toBeUndefined();
    expect(await t.counted('refused')).toBe(countedBefore + forged.length);
    expect(t.bridge.output().split('callbacks without a valid token were refused')).toHaveLength(2);
    t.revid.finish(t.pidOf(jobId));
    expect(await t.outcomeOf(jobId)).toMatchObject({ kind: 'rendered' });
  });

  it('is durable when it is answered, in less than a second, and in either form', async () => {
    const forms = [
      (jobId: string) => ({ pid: t.pidOf(jobId), status: 'ready', videoUrl: 'https://v.example/a.mp4', progress: 100 }),
      (jobId: string) => ({ job_id: jobId, status: 'completed', video_url: 'https://v.example/a.mp4', error: null }),
    ];
    for (const form of forms) {
      const jobId = await t.renderingJob();
      const started = performance.now();
      const answer = await t.call(t.callbackUrl(jobId), form(jobId));
      expect(performance.now() - started).toBeLessThan(1_000);
      expect(await t.broker.readLast(subjectOf('callback', jobId))).toMatchObject({ kind: 'callback' });
      expect(answer).toEqual({ status: 200, body: { status: 'success', message: expect.any(String), job_id: jobId } });
      expect(await t.outcomeOf(jobId)).toMatchObject({
        kind: 'rendered',
        data: { video_url: 'https://v.example/a.mp4' },
      });
    }
  });

  it('for another pid, with no end in it, or without a usable address is stored and ignored', async () => {
    const jobId = await t.renderingJob();
    const ignored = [
      { pid: 'p_other', status: 'ready', videoUrl: 'https://v.example/b.mp4' },
      { pid: t.pidOf(jobId), status: 'rendering', progress: 50 },
      { pid: t.pidOf(jobId), status: 'ready', videoUrl: 'javascript:alert(1)' },
    ];
    for (const body of ignored) expect((await t.call(t.callbackUrl(jobId), body)).status).toBe(200);
    await until(() => t.bridge.output().split('"judgement":"ignored"').length - 1 >= 3, { what: 'three ignored' });
    expect(await t.broker.readLast(subjectOf('outcome', jobId))).toBeUndefined();
    t.revid.finish(t.pidOf(jobId));
    expect(await t.outcomeOf(jobId)).toMatchObject({ kind: 'rendered' });
  });

  it('for a job that nobody submitted is stored, and starts nothing', async () => {
    const url = new URL(
      createCallbackTokens(t.bridge.url, [secret]).urlFor('nobody', 1, new Date(Date.now() + 60_000)),
    );
    expect((await t.call(url, { status: 'ready', videoUrl: 'https://v.example/c.mp4' })).status).toBe(200);
    await until(() => t.bridge.output().includes('"job_id":"nobody","judgement":"ignored"'), {
      what: 'it to be ignored',
    });
    expect(await t.broker.readLast(subjectOf('outcome', 'nobody'))).toBeUndefined();
  });

  it('that is late or replayed changes no outcome, and is counted', async () => {
    const jobId = await t.renderingJob();
    t.revid.finish(t.pidOf(jobId));
    const first = await t.outcomeOf(jobId);
    const ignored = await t.counted('ignored');
    const stored = await t.broker.readLast(subjectOf('callback', jobId));
    const late = { pid: t.pidOf(jobId), status: 'failed', error: 'late' };
    const replayed = { ...t.revid.renders().find((render) => render.jobId === jobId)?.status };
    for (const body of [late, late, late, replayed]) {
      expect(await t.call(t.callbackUrl(jobId), body)).toMatchObject({
        status: 200,
        body: { message: 'The job is over; nothing is stored.' },
      });
    }
    expect(await t.counted('ignored')).toBe(ignored + 4);
    expect(await t.broker.readLast(subjectOf('callback', jobId))).toEqual(stored);
    expect(await t.broker.readLast(subjectOf('outcome', jobId))).toEqual(first);
  });

  it('that comes once more is stored once, and of many different ones no more than a run can have', async () => {
    const jobId = await t.renderingJob();
    const repeated = await t.counted('repeated');
    const send = (error: string) => t.call(t.callbackUrl(jobId), { pid: t.pidOf(jobId), status: 'rendering', error });
    for (let copy = 0; copy < 3; copy++) expect((await send('the same')).status).toBe(200);
    expect(await t.counted('repeated')).toBe(repeated + 2);
    const answers = await Promise.all(Array.from({ length: 48 }, (_, index) => send(`another ${index}`)));
    expect(answers.map(({ status }) => status).toSorted()).toEqual([...Array(47).fill(200), 429]);
    t.revid.finish(t.pidOf(jobId));
    expect(await t.outcomeOf(jobId)).toMatchObject({ kind: 'rendered', data: { told_by: 'poll' } });
  });

  it('that cannot be read is refused with a code', async () => {
    const jobId = await t.renderingJob();
    expect(await t.call(t.callbackUrl(jobId), { job_id: 'another', status: 'completed' })).toMatchObject({
      status: 422,
    });
    expect(await t.call(t.callbackUrl(jobId), { status: 7 })).toMatchObject({
      status: 400,
      body: { detail: { error: 'bad_request' } },
    });
    t.revid.finish(t.pidOf(jobId));
    await t.outcomeOf(jobId);
  });
});

describe('an older service’s events', () => {
  it('are processed as they lie in the golden files', async () => {
    await using raw = await rawNats(t.nats.url);
    const golden = (kind: string) =>
      readFileSync(new URL(`../../../packages/shared/test/golden/${kind}.json`, import.meta.url), 'utf8');
    const jobId = crypto.randomUUID();
    const later = new Date(Date.now() + 600_000).toISOString();
    for (const kind of ['received', 'translated']) {
      // As recorded, but for this job and for a deadline that has not passed.
      const text = golden(kind)
        .replaceAll(JSON.parse(golden(kind)).job_id, jobId)
        .replace('2026-01-02T04:04:05.678Z', later);
      await raw.publish(`jobs.v1.${kind}.${jobId}`, text.replace('https://photos.example/bruno.jpg', t.imageUrl));
    }
    expect(await t.outcomeOf(jobId)).toMatchObject({ kind: 'rendered' });
    expect(t.paid(jobId)[0]?.body.source?.text).toBe('My dog is very lazy.');
  });
});

const claimOf = async (jobId: string) => (await t.stateOf(jobId)) as StoredEvent<'claimed'>;
