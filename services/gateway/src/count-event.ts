/**
 * What the events of all jobs add up to: how many end well, what photos show, how many webhooks arrive, how long a job
 * takes. Each event is counted once, by the gateway that projects it; now and then one is delivered, and counted, twice.
 */
import { createCounter, createHistogram, type ErrorCode, isKind, type StoredEvent } from '@pet-roast/shared';
import { isToldAgain } from './replay.ts';

const countVerdict = createCounter<'detected' | ErrorCode>(
  'pet_roast_verdicts_total',
  'Photos by what the detector said of them: detected, or the code of the rejection',
  'verdict',
);
const countEnd = createCounter<'completed' | 'cancelled' | ErrorCode>(
  'pet_roast_jobs_ended_total',
  'Jobs by how they ended: completed, cancelled, or the code of the error; a replayed one ends once more',
  'outcome',
);
const countDelivery = createCounter<'notified' | 'undeliverable'>(
  'pet_roast_webhook_deliveries_total',
  'Outcomes that the backend was told of, and those that it could not be told of',
  'delivery',
);
const timeJob = createHistogram<'completed' | 'failed' | 'cancelled'>(
  'pet_roast_job_seconds',
  'From the request to the end of the job; of replayed jobs the first end alone',
  'outcome',
  [1, 5, 10, 30, 60, 120, 180, 300, 600, 1_200, 1_800, 3_600],
);

const outcomeOf = { rendered: 'completed', failed: 'failed', cancelled: 'cancelled' } as const;

/** `job` holds the job's other events, as far as they are known. */
export function countEvent(event: StoredEvent, job: readonly StoredEvent[]): void {
  if (isKind(event, 'detected')) countVerdict('detected');
  if (isKind(event, 'rejected')) countVerdict(event.data.code as ErrorCode);
  if (isKind(event, 'notified', 'undeliverable')) countDelivery(event.kind);
  if (!isKind(event, 'rendered', 'failed', 'cancelled') || isToldAgain(event)) return;
  countEnd(event.kind === 'failed' ? (event.data.code as ErrorCode) : outcomeOf[event.kind]);
  const received = job.find((other) => isKind(other, 'received'));
  if (event.run > 1 || received === undefined) return;
  timeJob(outcomeOf[event.kind], (Date.parse(event.time) - Date.parse(received.time)) / 1_000);
}
