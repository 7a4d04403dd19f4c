/**
 * Step `settle`: a stored callback is judged. One that comes before the pid is recorded counts: the address it came by
 * is the job's. Late ones, ones for another pid, and ones that are no end change nothing.
 *
 * Where callbacks are to be confirmed, one that tells of an end is an occasion to ask the vendor, and what the vendor
 * answers is what counts. While it cannot be asked the callback comes again, within the step's attempts.
 *
 * Losing a callback, for whatever reason, ends no job: step `watch` asks the vendor until the render's deadline.
 */
import {
  type Broker,
  createEvent,
  isKind,
  publishDeadLetter,
  RetryLater,
  type Stage,
  type StageContext,
  type StoredEvent,
} from '@pet-roast/shared';
import type { Revid } from './adapters/revid-http.ts';
import { type RenderStatus, readStatus } from './core/render-state.ts';
import { countCallback } from './count-callback.ts';
import { endRender } from './submit-render.ts';

export type Judgement =
  | { readonly kind: 'rendered'; readonly videoUrl: string }
  | { readonly kind: 'failed'; readonly why: string }
  | { readonly kind: 'ignored'; readonly why: string };

export type SettleDeps = {
  readonly broker: Broker;
  readonly revid: Pick<Revid, 'status'>;
  /** Whether a callback's word counts only as the vendor's own status says. */
  readonly confirm: boolean;
};

/** Shorter than the step's attempt, so that a vendor that hangs is told from a step that does. */
const confirmTimeoutMs = 5_000;

export function callbackToRendered(deps: SettleDeps): Stage {
  return {
    step: 'settle',
    async handle(event, context) {
      if (!isKind(event, 'callback')) return undefined;
      const job = await deps.broker.readJob(event.job_id, ['render', 'outcome'], event.run);
      const told = judge(event, job);
      const confirmed = told.kind === 'ignored' || !deps.confirm ? undefined : await confirm(event, job, context, deps);
      const judgement = confirmed ?? told;
      context.log.info({ job_id: event.job_id, judgement: judgement.kind, told: told.kind }, 'callback judged');
      if (judgement.kind === 'rendered') {
        const pid = pidOf(event, job);
        const told_by = confirmed ? ('poll' as const) : ('callback' as const);
        const rendered = { video_url: judgement.videoUrl, ...(pid === undefined ? {} : { pid }), told_by };
        await deps.broker.decide(createEvent('rendered', event.job_id, rendered, { run: event.run }));
      } else if (judgement.kind === 'failed') {
        const failure = { code: 'render_failed', why: 'permanent', detail: judgement.why } as const;
        await endRender(deps.broker, 'settle', event, failure);
      }
      countCallback(judgement.kind === told.kind ? told.kind : 'contradicted');
      return undefined;
    },
    async fail(event, failure, context) {
      if (failure.code !== 'render_unreachable') return publishDeadLetter(deps.broker, 'settle', event, failure);
      countCallback('unconfirmed');
      context.log.warn({ job_id: event.job_id }, 'a callback cannot be confirmed: polls decide');
    },
  };
}

/** What a callback means, given the job's `render` and `outcome` events. */
export function judge(callback: StoredEvent<'callback'>, job: readonly StoredEvent[]): Judgement {
  const render = job.find((event) => isKind(event, 'claimed', 'released', 'rendering'));
  if (job.some((event) => isKind(event, 'rendered', 'failed', 'cancelled'))) return ignored('the job is over');
  if (render === undefined) return ignored('the job was never submitted');
  const { pid, status, video_url: videoUrl, error } = callback.data;
  if (isKind(render, 'rendering') && pid !== undefined && pid !== render.data.pid)
    return ignored('it is for another pid');
  return judgementOf(readStatus({ status, videoUrl, error }));
}

function judgementOf(status: RenderStatus): Judgement {
  if (status.kind === 'ready') return { kind: 'rendered', videoUrl: status.videoUrl };
  if (status.kind === 'failed') return { kind: 'failed', why: status.why };
  return ignored(`${status.word} is no end`);
}

/**
 * Asks the vendor how the callback's render stands. An unknown pid, a vendor that does not answer and a render that is
 * not recorded as started are for later.
 */
async function confirm(
  callback: StoredEvent<'callback'>,
  job: readonly StoredEvent[],
  context: StageContext,
  { revid }: SettleDeps,
): Promise<Judgement> {
  const pid = pidOf(callback, job);
  if (pid === undefined) throw new RetryLater('render_unreachable', { detail: 'no pid is known yet' });
  const status = await revid.status(pid, AbortSignal.any([context.signal, AbortSignal.timeout(confirmTimeoutMs)]));
  // Without a recorded pid step watch cannot poll: this callback may be the only way to it.
  if (status.kind !== 'ready' && status.kind !== 'failed' && !job.some((event) => isKind(event, 'rendering'))) {
    throw new RetryLater('render_unreachable', { detail: `the vendor says ${status.word}` });
  }
  return judgementOf(status);
}

/** The pid that we recorded; where we have none, the callback's own. */
function pidOf(callback: StoredEvent<'callback'>, job: readonly StoredEvent[]): string | undefined {
  return job.find((event) => isKind(event, 'rendering'))?.data.pid ?? callback.data.pid;
}

function ignored(why: string): Judgement {
  return { kind: 'ignored', why };
}
