/**
 * Step `expire`: a job that has no outcome at its deadline is ended. The timer is the broker's: each `received` event
 * comes back when its deadline has passed, whichever processes lived in between.
 */
import { type Broker, failJob, isKind, type Stage, subjectOf } from '@pet-roast/shared';

export function overdueToFailed(deps: { readonly broker: Broker }): Stage {
  const fail = failJob(deps.broker, 'expire');
  return {
    step: 'expire',
    async handle(event, context) {
      if (!isKind(event, 'received')) return undefined;
      const leftMs = Date.parse(event.data.deadline_at) - Date.now();
      const outcome = await deps.broker.readLast(subjectOf('outcome', event.job_id));
      if (outcome && outcome.run >= event.run) return undefined;
      if (leftMs > 0) return { comeBackInMs: leftMs };
      context.log.error({ job_id: event.job_id }, 'the job is over its deadline');
      await fail(event, { code: 'deadline_exceeded', why: 'exhausted', error: undefined });
      return undefined;
    },
    fail,
  };
}
