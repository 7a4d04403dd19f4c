/**
 * Erasing a job: first a tombstone without content, then everything else goes.
 *
 * The tombstone stands on the subject of the job's request, and is published with the sequence of that request. So the
 * server decides between it and a replay or a second erasing, a repeat of the request finds it and makes no new job, and
 * whoever still holds a message of the job, or gets one later, finds it on reading the job (`JobErased`). It is there
 * before anything is deleted, because a subject that is emptied takes events again as if the job had never been.
 */
import {
  type Broker,
  createEvent,
  deletePhoto,
  HttpError,
  isKind,
  type StoredEvent,
  subjectOf,
} from '@pet-roast/shared';
import { checkOwner } from './callers.ts';
import type { Projection } from './projection.ts';

export type EraseDeps = { readonly broker: Broker; readonly projection: Projection };

/**
 * Erases a job of this caller; a repeat, also of one that was broken off, ends with the job erased. Throws `HttpError`:
 * `job_not_found`, `job_not_over`, or `unavailable` where a store that may hold something of the job does not answer.
 */
export async function eraseJob(jobId: string, caller: string | undefined, deps: EraseDeps): Promise<void> {
  // In this order: an outcome that another erasing has deleted meanwhile would look like a job that is not over.
  const outcome = await deps.broker.readLast(subjectOf('outcome', jobId));
  const first = await deps.broker.readLast(subjectOf('received', jobId));
  if (!isKind(first, 'received', 'erased')) throw new HttpError('job_not_found');
  checkOwner([first], caller);
  const tombstone = isKind(first, 'erased') ? first : await decide(first, outcome, deps.broker);
  await finishErasing(tombstone, deps).catch((cause: unknown) => {
    const message = 'The job is erased as soon as all stores answer; repeat the call to be sure.';
    throw new HttpError('unavailable', { message, retryAfterS, cause });
  });
}

/**
 * Deletes what is held of an erased job, wherever it is: this is the one place that knows all of them. Nothing but the
 * job's id is left to find it by. May be repeated, and is, by step `project`.
 */
export async function finishErasing(tombstone: StoredEvent<'erased'>, deps: EraseDeps): Promise<undefined> {
  // First: by what Redis has, step `project` tells an event that comes when its subject is emptied already. A Redis that
  // is away keeps nothing else from being deleted; all of this is then done once more.
  const [projected] = await Promise.allSettled([deps.projection.write([tombstone])]);
  await deps.broker.deleteErased(tombstone);
  await deletePhoto(deps.broker.photos, tombstone.job_id);
  if (projected.status === 'rejected') throw projected.reason;
}

const retryAfterS = 5;

/** Publishes the tombstone behind the request of the job's last run, which has to be over. */
async function decide(
  received: StoredEvent<'received'>,
  outcome: StoredEvent | undefined,
  broker: Broker,
): Promise<StoredEvent<'erased'>> {
  const { job_id: jobId, run, data } = received;
  if (outcome === undefined || outcome.run < run) throw new HttpError('job_not_over');
  const owner = data.owner === undefined ? {} : { owner: data.owner };
  const { event } = await broker.publish(createEvent('erased', jobId, owner, { run }), received.seq);
  // Somebody has replayed it a moment before, and it has begun anew.
  if (!isKind(event, 'erased')) throw new HttpError('job_not_over');
  return event;
}
