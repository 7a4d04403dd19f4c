/** Callbacks that are confirmed: whoever knows a job's address can say what they like, and the vendor's status decides. */
import { createEvent, createLog, isKind, subjectOf } from '@pet-roast/shared';
import { until } from '@pet-roast/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { callbackToRendered } from '../src/callback-to-rendered.ts';
import { startBridge } from './helpers/bridge.ts';

const forgedUrl = 'https://evil.example/1.mp4';
let t: Awaited<ReturnType<typeof startBridge>>;

beforeAll(async () => {
  // No poll comes by itself within a test: what ends a render here is its callback.
  t = await startBridge({ CALLBACK_CONFIRM: 'true', POLL_AFTER_MS: '600000', SUBMIT_TIMEOUT_MS: '600' });
  t.revid.setBehaviour({ callback: { none: true } });
});
afterAll(async () => {
  await t?.[Symbol.asyncDispose]();
});
afterEach(() => t.revid.clearFaults());

/** A job that has ended at the vendor, which has told nobody. */
async function endedJob(end: { readonly result?: 'failed'; readonly error?: string } = {}): Promise<string> {
  const jobId = await t.renderingJob();
  t.revid.finish(t.pidOf(jobId), end);
  await t.revid.waitForRender((render) => render.jobId === jobId && /ready|failed/.test(render.status.status));
  return jobId;
}
const statusOf = (jobId: string) => t.paid(jobId)[0]?.status;
const statusCalls = () => t.revid.calls.all().filter(({ at }) => at === 'status').length;

describe('a callback that is to be confirmed', () => {
  it('completes the job with the vendor’s own address, whatever it said itself', async () => {
    const jobId = await endedJob();
    await t.call(t.callbackUrl(jobId), { status: 'ready', videoUrl: forgedUrl });
    expect(await t.outcomeOf(jobId)).toMatchObject({
      kind: 'rendered',
      data: { video_url: statusOf(jobId)?.videoUrl, pid: t.pidOf(jobId), told_by: 'poll' },
    });
  });

  it('changes nothing while the vendor says that it is still at it, and is counted', async () => {
    const jobId = await t.renderingJob();
    const before = await t.counted('contradicted');
    for (const body of [
      { status: 'ready', videoUrl: forgedUrl },
      { status: 'failed', error: 'so they say' },
    ]) {
      expect((await t.call(t.callbackUrl(jobId), body)).status).toBe(200);
    }
    await until(async () => (await t.counted('contradicted')) === before + 2, { what: 'both to be judged' });
    expect(await t.broker.readLast(subjectOf('outcome', jobId))).toBeUndefined();
    t.revid.finish(t.pidOf(jobId));
    await t.revid.waitForRender((render) => render.jobId === jobId && render.status.status === 'ready');
    await t.revid.sendCallback(t.pidOf(jobId));
    expect(await t.outcomeOf(jobId)).toMatchObject({ data: { video_url: statusOf(jobId)?.videoUrl } });
  });

  it.each([
    ['a failure that the vendor calls a success', {}, { status: 'failed', error: 'no' }, { kind: 'rendered' }],
    [
      'a success that the vendor calls a failure',
      { result: 'failed' as const, error: 'media generation failed' },
      { status: 'ready', videoUrl: forgedUrl },
      { kind: 'failed', data: { code: 'render_failed' } },
    ],
  ])('is overruled: %s', async (_what, end, body, outcome) => {
    const jobId = await endedJob(end);
    const before = await t.counted('contradicted');
    await t.call(t.callbackUrl(jobId), body);
    expect(await t.outcomeOf(jobId)).toMatchObject(outcome);
    await until(async () => (await t.counted('contradicted')) === before + 1, { what: 'it to be counted' });
  });

  it('waits while the vendor does not answer', async () => {
    const jobId = await endedJob();
    const before = statusCalls();
    t.revid.pushFaults({ at: 'status', kind: 'http', status: 503 }, { at: 'status', kind: 'reset' });
    await t.revid.sendCallback(t.pidOf(jobId));
    expect(await t.outcomeOf(jobId)).toMatchObject({ kind: 'rendered', data: { told_by: 'poll' } });
    expect(statusCalls() - before).toBe(3);
  });

  it('is asked for by its own pid where the answer to the submission was lost', async () => {
    t.revid.pushFaults({ at: 'render', kind: 'accept_then_hang' });
    const jobId = await t.translatedJob();
    const { pid } = await t.revid.waitForRender((render) => render.jobId === jobId && render.status.status === 'ready');
    await t.revid.sendCallback(pid);
    expect(await t.outcomeOf(jobId)).toMatchObject({ kind: 'rendered', data: { pid, told_by: 'poll' } });
    expect(isKind(await t.stateOf(jobId), 'claimed')).toBe(true);
  });

  it('that is no end is not asked for', async () => {
    const jobId = await t.renderingJob();
    const before = { calls: statusCalls(), ignored: await t.counted('ignored') };
    await t.call(t.callbackUrl(jobId), { pid: t.pidOf(jobId), status: 'rendering', progress: 50 });
    await until(async () => (await t.counted('ignored')) === before.ignored + 1, { what: 'it to be judged' });
    expect(statusCalls()).toBe(before.calls);
  });

  it('that could not be confirmed in all attempts leaves the job to the polls; one that failed otherwise too, with a dead letter', async () => {
    const stage = callbackToRendered({ broker: t.broker, confirm: true, revid: { status: () => Promise.reject() } });
    const fail = async (code: 'render_unreachable' | 'internal') => {
      const jobId = await t.renderingJob();
      const callback = createEvent('callback', jobId, { status: 'ready', video_url: forgedUrl });
      const log = createLog('test', 'silent');
      const context = { signal: new AbortController().signal, deliveries: 10, storedAt: new Date(), log };
      const error = new Error('for a test');
      await stage.fail({ ...callback, seq: 1 }, { code, why: 'exhausted', error }, context);
      return t.broker.readLast(subjectOf('outcome', jobId));
    };
    expect(await fail('render_unreachable')).toBeUndefined();
    expect(await fail('internal')).toBeUndefined();
    expect((await t.broker.listDead(0, 100)).at(-1)).toMatchObject({ step: 'settle', code: 'internal' });
  });
});
