/** What the broker holds, by name: broker.ts makes and reads it, nats-permissions.ts says who may touch what of it. */
import { type Step, type StepName, steps, subjectOf, subjectPrefix } from './journey.ts';

/** Every event of every job. */
export const jobsStream = 'JOBS';
/** Dead letters, and the server's own notices of messages that it has given up on. */
export const deadStream = 'DEAD';
export const deadSubjectPrefix = 'dead.v1';
/** Uploaded photos: an object store, which is a stream of its own. */
export const photosBucket = 'photos';
export const photosStream = `OBJ_${photosBucket}`;
/** As the object store's clients cut them; a message has to stay below the server's `max_payload`, 1 MB unless set. */
export const photoPieceBytesMax = 128 * 1024;

export const maxDeliveriesAdvisory = '$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES';
/** The gateway's consumer of those notices, in `DEAD`. */
export const advisoriesDurable = 'gateway-given-up';
export const advisoriesFilter = `${maxDeliveriesAdvisory}.${jobsStream}.>`;

/** What a step's consumer takes of the job stream. */
export function filterOf(name: StepName): string {
  const { consumes }: Step = steps[name];
  return consumes === '>' ? `${subjectPrefix}.>` : subjectOf(consumes, '*');
}
