/** Submitting against a real NATS, with a vendor that does the worst thing at the worst moment. */
import { createEvent, createLog, type StoredEvent, subjectOf } from '@pet-roast/shared';
import { brokerForTest, natsForTest } from '@pet-roast/testing';
import { expect, it, vi } from 'vitest';
import type { Submitted } from '../src/core/render-state.ts';
import { type SubmitDeps, submitRender } from '../src/submit-render.ts';

const log = createLog('test', 'silent');

async function open(submit: () => Promise<Submitted>) {
  const nats = await natsForTest();
  const broker = await brokerForTest(nats.url);
  const jobId = crypto.randomUUID();
  const calls = { submits: 0 };
  const deps: SubmitDeps = {
    broker,
    revid: {
      submit: () => {
        calls.submits++;
        return submit();
      },
      status: () => Promise.reject(new Error('not asked here')),
      find: async () => undefined,
      close: async () => {},
    },
    tokens: { urlFor: () => 'https://bridge.example', verify: () => true },
    options: {
      ...{ workflow: 'script-to-video', aspectRatio: '9:16', resolution: '1080p', frameRate: 30, animation: 'soft' },
      voice: { enabled: true, id: undefined, speed: 1 },
      captions: { enabled: true, preset: 'Wrap 1', position: 'bottom' },
      extra: {},
    },
    ...{ deadlineMs: 60_000, submitTimeoutMs: 5_000, attemptsMax: 3, retryMs: 100 },
  };
  const received = {
    ...{ text: 'x', image_url: 'https://x.example', target_language: 'en', request_id: 'r', request_sha256: 's' },
    deadline_at: new Date(Date.now() + 600_000).toISOString(),
  };
  await broker.publish(createEvent('received', jobId, received), 0);
  const translation = { text: 'x', source_language: 'en', target_language: 'en', translated: false, pieces: 0 };
  const { event } = await broker.publish(createEvent('translated', jobId, translation), 0);
  return {
    ...{ nats, broker, deps, calls, event },
    state: () => broker.readLast(subjectOf('render', jobId)),
    async [Symbol.asyncDispose]() {
      await broker.close();
      await nats.close();
    },
  };
}

/** The state after a first try of another process that the vendor refused for now. */
async function releasedOf(
  { broker, event }: Pick<Awaited<ReturnType<typeof open>>, 'broker' | 'event'>,
  retryAt: Date,
): Promise<StoredEvent> {
  const first = { claim: 'of-another', attempt: 1 };
  const claimed = { ...first, deadline_at: new Date(Date.now() + 60_000).toISOString() };
  const claim = await broker.publish(createEvent('claimed', event.job_id, claimed, { part: first.claim }), 0);
  const released = { ...first, code: 'render_unreachable' as const, retry_at: retryAt.toISOString() };
  const stored = await broker.publish(
    createEvent('released', event.job_id, released, { part: first.claim }),
    claim.event.seq,
  );
  return stored.event;
}

it('keeps the pid of a paid render until NATS is back to store it', { timeout: 60_000 }, async () => {
  await using t = await open(async () => {
    await t.nats.kill();
    return { kind: 'started', pid: 'p_paid' };
  });
  const waits = Promise.withResolvers<void>();
  const watched = Object.assign(createLog('test', 'silent'), { warn: () => waits.resolve() });
  const submitting = submitRender(t.event, 'submit', watched, t.deps);
  // Every retry of the publish has failed by then.
  await waits.promise;
  await t.nats.restart();
  await submitting;
  expect(await t.state()).toMatchObject({ kind: 'rendering', data: { pid: 'p_paid' } });
  expect(t.calls.submits).toBe(1);
});

it('submits what was released once, when this process has it in hand twice', async () => {
  await using t = await open(async () => ({ kind: 'started', pid: 'p_1' }));
  const released = await releasedOf(t, new Date());
  await Promise.all(Array.from({ length: 2 }, () => submitRender(released, 'watch', log, t.deps)));
  expect(await t.state()).toMatchObject({ kind: 'rendering' });
  expect(t.calls.submits).toBe(1);
});

it('leaves what was released to step watch, which waits until its time has come', async () => {
  await using t = await open(async () => ({ kind: 'started', pid: 'p_1' }));
  const released = await releasedOf(t, new Date(Date.now() + 60_000));
  await submitRender(t.event, 'submit', log, t.deps);
  expect(t.calls.submits).toBe(0);
  expect(await t.state()).toEqual(released);
});

it('knows its own claim again when the answer to the claim was lost, and submits once', async () => {
  await using t = await open(async () => ({ kind: 'started', pid: 'p_1' }));
  let lost = false;
  const losing: SubmitDeps = {
    ...t.deps,
    broker: {
      ...t.deps.broker,
      async decide(event, after) {
        const published = await t.deps.broker.decide(event, after);
        if (lost) return published;
        lost = true;
        throw new Error('the acknowledgement is lost');
      },
    },
  };
  await expect(submitRender(t.event, 'submit', log, losing)).rejects.toThrow('lost');
  expect(t.calls.submits).toBe(0);
  await submitRender(t.event, 'submit', log, t.deps);
  expect(await t.state()).toMatchObject({ kind: 'rendering' });
  expect(t.calls.submits).toBe(1);
});

it('does not submit under a claim that was taken after the job had ended', async () => {
  await using t = await open(async () => ({ kind: 'started', pid: 'p_1' }));
  const frozen: SubmitDeps = {
    ...t.deps,
    broker: {
      ...t.deps.broker,
      async decide(event, after) {
        // The process was frozen between its look at the job and its claim; the job ended meanwhile.
        const failed = createEvent('failed', t.event.job_id, { code: 'deadline_exceeded', at: 'expire', notify: true });
        await t.deps.broker.publish(failed, 0);
        return t.deps.broker.decide(event, after);
      },
    },
  };
  await submitRender(t.event, 'submit', log, frozen);
  expect(t.calls.submits).toBe(0);
  expect(await t.state()).toMatchObject({ kind: 'released' });
});

it('claims nothing that cannot be ready before the job’s own deadline', async () => {
  await using t = await open(async () => ({ kind: 'started', pid: 'p_1' }));
  const late = { ...t.deps, deadlineMs: 900_000, submitTimeoutMs: 700_000 };
  await submitRender(t.event as StoredEvent, 'submit', log, late);
  expect(t.calls.submits).toBe(0);
  expect(await t.state()).toBeUndefined();
});

it('submits where a render may take less long than a submission, however the clock ticks meanwhile', async () => {
  await using t = await open(async () => ({ kind: 'started', pid: 'p_1' }));
  const real = Date.now;
  let ticks = 0;
  using _clock = vi.spyOn(Date, 'now').mockImplementation(() => real() + ticks++);
  await submitRender(t.event, 'submit', log, { ...t.deps, deadlineMs: 4_000 });
  expect(t.calls.submits).toBe(1);
  expect(await t.state()).toMatchObject({ kind: 'rendering' });
});
