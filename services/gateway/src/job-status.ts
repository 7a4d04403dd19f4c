/**
 * Reading a job: from Redis where it can change no more, else from the stream.
 *
 * Redis is a projection and may lag, be flushed or come back with yesterday's content, so it is believed where it says
 * that a job has ended and was told, which nothing but erasing the job takes back. Every other status is folded from the
 * stream alone. If the stream does not answer, what Redis has is the best there is; if neither answers, the caller is
 * told so.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Broker,
  foldJob,
  HttpError,
  JobErased,
  type JobView,
  type Log,
  type StoredEvent,
} from '@pet-roast/shared';
import { checkOwner } from './callers.ts';
import type { Projection } from './projection.ts';

/** A job for one caller; without one, for everybody. */
export type ReadJob = (jobId: string, caller: string | undefined) => Promise<JobView>;

/** What Redis has of a job that is over is not held back for longer, if the stream does not say whether it is erased. */
const erasedWaitMs = 500;

/** A reader of jobs. It throws `HttpError('job_not_found')`, `JobErased`, which reads as the same, or `unavailable` when neither store answers. */
export function createReadJob(deps: {
  readonly broker: Broker;
  readonly projection: Projection;
  readonly log: Log;
}): ReadJob {
  const isErased = lookForErased(deps.broker);

  return async (jobId, caller) => {
    const projected = await deps.projection.read(jobId).catch(() => [] as StoredEvent[]);
    checkOwner(projected, caller);
    const seen = foldJob(projected);
    if (seen && isFinal(seen) && !(await isErased(jobId))) return seen;

    const events = await readStream(jobId);
    checkOwner(events ?? [], caller);
    const view = events === undefined ? seen : foldJob(events);
    if (view === undefined) throw new HttpError('job_not_found');
    if (events && isFinal(view)) await deps.projection.write(events).catch(() => undefined);
    return view;

    async function readStream(id: string): Promise<StoredEvent[] | undefined> {
      try {
        return await deps.broker.readJob(id);
      } catch (error) {
        if (error instanceof JobErased) {
          // Redis came back older than that, and would tell of the job again while the stream is away.
          if (seen) await deps.projection.write([error.tombstone]).catch(() => undefined);
          throw error;
        }
        deps.log.warn({ error, job_id: id }, 'the stream cannot be read for a status');
        if (seen) return undefined;
        throw new HttpError('unavailable', { retryAfterS: 2, cause: error });
      }
    }
  };
}

/**
 * Whether the stream says that a job is erased; false also where it does not answer in time. While an earlier look is
 * overdue it is not asked: then it is away, and only the first to notice waits for it.
 */
function lookForErased(broker: Pick<Broker, 'isErased'>): (jobId: string) => Promise<boolean> {
  let overdue = 0;
  return async (jobId) => {
    if (overdue > 0) return false;
    const asked = broker.isErased(jobId).catch(() => false);
    const answer = await Promise.race([asked, sleep(erasedWaitMs, undefined, { ref: false })]);
    if (answer !== undefined) return answer;
    overdue++;
    void asked.then(() => overdue--);
    return false;
  };
}

/** Failed and undeliverable jobs can be replayed; these can not. */
function isFinal(view: JobView): boolean {
  // An outcome may reach Redis after the news of its delivery: only with both there is it over.
  const ended = view.status === 'completed' || view.status === 'cancelled';
  return view.stage === 'rejected' || (view.stage === 'notified' && ended);
}
