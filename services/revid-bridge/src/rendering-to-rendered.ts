/**
 * Step `watch`: what follows a `render` event when no callback settles it. Each event of the subject comes back by the
 * broker's timer until it is no longer the last one, the job has an outcome, or its deadline has passed.
 */
import {
  type Broker,
  createEvent,
  failJob,
  type Handled,
  isKind,
  type Stage,
  type StageContext,
  type StoredEvent,
  subjectOf,
} from '@pet-roast/shared';
import type { Revid } from './adapters/revid-http.ts';
import { projectTitle } from './core/render-request.ts';
import { endRender, type SubmitDeps, submitRender } from './submit-render.ts';

export type WatchDeps = SubmitDeps & {
  readonly pollAfterMs: number;
  readonly pollEveryMs: number;
};

export function renderingToRendered(deps: WatchDeps): Stage {
  return {
    step: 'watch',
    async handle(event, context) {
      const job = await deps.broker.readJob(event.job_id, ['render', 'outcome'], event.run);
      const superseded = job.every((other) => other.seq !== event.seq);
      if (superseded || job.some((other) => isKind(other, 'rendered', 'failed', 'cancelled'))) return undefined;
      if (isKind(event, 'released')) return resubmit(event, context, deps);
      if (isKind(event, 'claimed')) return lookUp(event, context, deps);
      if (isKind(event, 'rendering')) return poll(event, context, deps);
      return undefined;
    },
    fail: failJob(deps.broker, 'watch'),
  };
}

async function resubmit(event: StoredEvent<'released'>, context: StageContext, deps: WatchDeps): Promise<Handled> {
  const leftMs = Date.parse(event.data.retry_at) - Date.now();
  if (leftMs > 0) return { comeBackInMs: leftMs };
  await submitRender(event, 'watch', context.log, deps);
  return undefined;
}

/**
 * A claim without a pid: its owner is still at it, or nobody knows. It is looked up among the vendor’s projects, and by the
 * pid that a callback has named; it is never submitted again.
 */
async function lookUp(event: StoredEvent<'claimed'>, context: StageContext, deps: WatchDeps): Promise<Handled> {
  const ageMs = Date.now() - Date.parse(event.time);
  const ownersTimeMs = deps.submitTimeoutMs + deps.pollEveryMs;
  if (ageMs < ownersTimeMs) return { comeBackInMs: ownersTimeMs - ageMs };
  const found = await deps.revid.find(projectTitle(event.job_id, event.run), context.signal).catch(() => undefined);
  const pid = found ?? (await pidOfCallback(event, context, deps).catch(() => undefined));
  if (pid !== undefined) {
    context.log.info({ job_id: event.job_id, pid }, 'an uncertain claim is found at the vendor');
    const rendering = { pid, deadline_at: event.data.deadline_at };
    const options = { run: event.run, part: event.data.claim };
    await deps.broker.decide(createEvent('rendering', event.job_id, rendering, options), event);
    return undefined;
  }
  if (Date.now() < Date.parse(event.data.deadline_at)) return { comeBackInMs: deps.pollEveryMs };
  const detail = 'no answer to the submission, no callback and no project with this job';
  await endRender(deps.broker, 'watch', event, { code: 'render_outcome_unknown', why: 'exhausted', detail });
  return undefined;
}

/** The pid in the latest callback that came by this run's address, whatever else that says, where the vendor knows it. */
async function pidOfCallback(
  claim: StoredEvent<'claimed'>,
  context: StageContext,
  { broker, revid }: WatchDeps,
): Promise<string | undefined> {
  const callback = await broker.readLast(subjectOf('callback', claim.job_id));
  if (!isKind(callback, 'callback') || callback.run !== claim.run) return undefined;
  const { pid } = callback.data;
  if (pid === undefined) return undefined;
  return (await revid.status(pid, context.signal)).kind === 'unknown' ? undefined : pid;
}

async function poll(event: StoredEvent<'rendering'>, context: StageContext, deps: WatchDeps): Promise<Handled> {
  const overdue = Date.now() >= Date.parse(event.data.deadline_at);
  const untilFirstMs = Date.parse(event.time) + deps.pollAfterMs - Date.now();
  if (untilFirstMs > 0 && !overdue) return { comeBackInMs: untilFirstMs };
  const status = await askStatus(event, context, deps.revid, overdue);
  if (status.kind === 'ready') {
    await publishRendered(deps.broker, event, status.videoUrl);
  } else if (status.kind === 'failed') {
    await endRender(deps.broker, 'watch', event, { code: 'render_failed', why: 'permanent', detail: status.why });
  } else if (overdue) {
    const detail = `still ${status.word} at the deadline`;
    await endRender(deps.broker, 'watch', event, { code: 'render_timed_out', why: 'exhausted', detail });
  } else {
    return { comeBackInMs: Math.min(deps.pollEveryMs, Math.max(0, Date.parse(event.data.deadline_at) - Date.now())) };
  }
  return undefined;
}

/** The vendor's word; at the deadline a vendor that cannot be asked counts as one that is not ready. */
async function askStatus(event: StoredEvent<'rendering'>, context: StageContext, revid: Revid, overdue: boolean) {
  try {
    return await revid.status(event.data.pid, context.signal);
  } catch (error) {
    if (!overdue) throw error;
    return { kind: 'running', word: 'unreachable' } as const;
  }
}

async function publishRendered(broker: Broker, event: StoredEvent<'rendering'>, videoUrl: string): Promise<void> {
  const rendered = { video_url: videoUrl, pid: event.data.pid, told_by: 'poll' as const };
  await broker.decide(createEvent('rendered', event.job_id, rendered, { run: event.run }));
}
