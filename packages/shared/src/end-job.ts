/** How a job ends without a video: seen by the operator, decided once on its `outcome` subject. */
import type { Broker, Published } from './broker.ts';
import { type DeadLetter, letterOf } from './dead-letter.ts';
import { createEvent, isKind, type StoredEvent, UnreadableEvent } from './envelope.ts';
import type { ErrorCode } from './errors.ts';
import { type StepName, subjectOf } from './journey.ts';
import type { Failure } from './run-stage.ts';

type End = { readonly code: ErrorCode; readonly at: string; readonly run?: number };

/**
 * Publishes the outcome `failed`, unless the job has an outcome already: then that one comes back with `ours: false`.
 * Whoever ends it, and for whatever reason: a caller who was told in the answer that the photo cannot be used is not
 * told again, so such a job ends as its verdict says and without a webhook.
 */
export async function endJob(broker: Broker, jobId: string, { code, at, run = 1 }: End): Promise<Published> {
  const told = await toldInTheAnswer(broker, jobId, run);
  const data = told ? { code: told, at: 'detect', notify: false } : { code, at, notify: true };
  return broker.decide(createEvent('failed', jobId, data, { run }));
}

/** The code that the caller was answered with, if the answer was that the photo cannot be used. */
async function toldInTheAnswer(broker: Broker, jobId: string, run: number): Promise<ErrorCode | undefined> {
  const rejected = await rejectionOf(broker, jobId, run);
  return rejected?.data.late ? undefined : rejected?.data.code;
}

/** The run's verdict, if that is that the photo cannot be used: the run is over, though its outcome may not be there yet. */
export async function rejectionOf(
  broker: Broker,
  jobId: string,
  run: number,
): Promise<StoredEvent<'rejected'> | undefined> {
  const verdict = await broker.readLast(subjectOf('verdict', jobId)).catch((error: unknown) => {
    // A verdict that cannot be read was told to nobody.
    if (error instanceof UnreadableEvent) return undefined;
    throw error;
  });
  return isKind(verdict, 'rejected') && verdict.run === run ? verdict : undefined;
}

/**
 * Ends a job on which a step gave up: the dead letter, then the outcome. Where the job had ended otherwise, no letter
 * stays; of one that is erased none is made.
 */
export async function giveUpJob(broker: Broker, id: string, letter: DeadLetter, end: End): Promise<void> {
  if (await broker.isErased(letter.job_id)) return;
  const seq = await broker.publishDead(id, letter);
  const outcome = await endJob(broker, letter.job_id, end);
  const otherwise = !outcome.ours && !isKind(outcome.event, 'failed');
  if (seq !== undefined && otherwise) await broker.deleteDead(seq);
}

/** As `giveUpJob`, for an event and a failure: a stage's usual `fail`. */
export function failJob(broker: Broker, step: StepName) {
  return (event: StoredEvent, failure: Failure): Promise<void> =>
    giveUpJob(broker, letterIdOf(step, event), letterOf(step, event, failure), {
      code: failure.code,
      at: step,
      run: event.run,
    });
}

/** Stores the dead letter of an event on which a step failed for good, where that does not end the job. */
export async function publishDeadLetter(
  broker: Broker,
  step: StepName,
  event: StoredEvent,
  failure: Failure,
): Promise<void> {
  await broker.publishDead(letterIdOf(step, event), letterOf(step, event, failure));
}

function letterIdOf(step: StepName, event: StoredEvent): string {
  return `failed:${step}:${event.id}`;
}
