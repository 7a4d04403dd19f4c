/**
 * Step `settle`: a stored callback is judged. One that comes before the pid is recorded counts: the address it came by
 * is the job's. Late ones, ones for another pid, and ones that are no end change nothing.
 */
import { type Broker, createEvent, failJob, isKind, type Stage, type StoredEvent } from '@pet-roast/shared';
import { readStatus } from './core/render-state.ts';
import { endRender } from './submit-render.ts';

export type Judgement =
  | { readonly kind: 'rendered'; readonly videoUrl: string }
  | { readonly kind: 'failed'; readonly why: string }
  | { readonly kind: 'ignored'; readonly why: string };

export function callbackToRendered(deps: { readonly broker: Broker }): Stage {
  return {
    step: 'settle',
    async handle(event, context) {
      if (!isKind(event, 'callback')) return undefined;
      const judgement = judge(event, await deps.broker.readJob(event.job_id, ['render', 'outcome'], event.run));
      context.log.info({ job_id: event.job_id, judgement: judgement.kind }, 'callback judged');
      if (judgement.kind === 'rendered') {
        const pid = event.data.pid === undefined ? {} : { pid: event.data.pid };
        const rendered = { video_url: judgement.videoUrl, ...pid, told_by: 'callback' as const };
        await deps.broker.decide(createEvent('rendered', event.job_id, rendered, { run: event.run }));
      } else if (judgement.kind === 'failed') {
        const failure = { code: 'render_failed', why: 'permanent', detail: judgement.why } as const;
        await endRender(deps.broker, 'settle', event, failure);
      }
      return undefined;
    },
    fail: failJob(deps.broker, 'settle'),
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
  const read = readStatus({ status, videoUrl, error });
  if (read.kind === 'ready') return { kind: 'rendered', videoUrl: read.videoUrl };
  if (read.kind === 'failed') return { kind: 'failed', why: read.why };
  return ignored(`${read.word} is no end`);
}

function ignored(why: string): Judgement {
  return { kind: 'ignored', why };
}
