/**
 * Replaying dead letters. A job that failed starts its next run: `received` again, under ids of its own, with a new
 * deadline. A webhook that could not be delivered is sent again for the same outcome, under the same `webhook-id`.
 */
import {
  type Broker,
  createEvent,
  HttpError,
  isKind,
  JobErased,
  type StoredEvent,
  type StoredLetter,
} from '@pet-roast/shared';

export type ReplayPlan =
  | { readonly kind: 'next_run'; readonly received: StoredEvent<'received'>; readonly run: number }
  | { readonly kind: 'notify_again'; readonly outcome: StoredEvent };

/**
 * Decides what a letter's replay is, given its job's newest events. Throws `HttpError`: `not_replayable`, or
 * `second_payment_possible` where a render was, or may have been, started and nobody has allowed another one.
 */
export function planReplay(letter: StoredLetter, job: readonly StoredEvent[], allowSecondPayment: boolean): ReplayPlan {
  const received = job.find((event) => isKind(event, 'received'));
  const outcome = job.find((event) => isKind(event, 'rendered', 'failed', 'cancelled'));
  if (received && outcome && received.run !== outcome.run) throw refused('the job is not over');
  if (letter.step === 'notify') {
    if (outcome === undefined) throw refused('the job has no outcome');
    if (!job.some((event) => isKind(event, 'undeliverable'))) throw refused('its webhook is not undeliverable');
    return { kind: 'notify_again', outcome };
  }
  if (received === undefined) throw refused('the job’s request is no longer there');
  if (!isKind(outcome, 'failed')) throw refused(outcome ? `the job is ${outcome.kind}` : 'the job is not over');
  if (!outcome.data.notify) throw refused('its caller was told in the answer');
  const run = Math.max(...job.map((event) => event.run)) + 1;
  if ((letter.run ?? 1) < run - 1) throw refused('the job was replayed since');
  const render = job.find((event) => isKind(event, 'claimed', 'released', 'rendering'));
  const paid = isKind(render, 'rendering') || (isKind(render, 'claimed') && !provesNothingStarted(outcome));
  if (paid && !allowSecondPayment) {
    throw new HttpError('second_payment_possible');
  }
  return { kind: 'next_run', received, run };
}

/** No job's id has a colon in it. */
const againMark = ':again';

type ReplayOptions = { readonly allowSecondPayment: boolean; readonly jobDeadlineMs: number };
type Replayed = { readonly job_id: string; readonly replayed: ReplayPlan['kind'] };

/** Replays one letter and takes it out of the list. Throws as `planReplay`, or `letter_not_found`. */
export async function replayLetter(broker: Broker, seq: number, options: ReplayOptions): Promise<Replayed> {
  const letter = await broker.readDead(seq);
  if (letter === undefined) throw new HttpError('letter_not_found');
  try {
    return await replay(broker, letter, options);
  } catch (error) {
    // Its letters go with it.
    if (error instanceof JobErased) throw new HttpError('letter_not_found', { cause: error });
    throw error;
  }
}

async function replay(broker: Broker, letter: StoredLetter, options: ReplayOptions): Promise<Replayed> {
  const job = await broker.readJob(letter.job_id);
  // Read again behind the outcome: what was paid before that must not be overlooked because it was read too early.
  const render = await broker.readJob(letter.job_id, ['render']);
  const latest = [...job.filter((event) => !isKind(event, 'claimed', 'released', 'rendering')), ...render];
  const plan = planReplay(letter, latest, options.allowSecondPayment);
  const event = eventOf(plan, letter, options.jobDeadlineMs);
  const follows = plan.kind === 'next_run' ? plan.received : plan.outcome;
  const published = await broker.publish(event, follows.seq);
  if (isKind(published.event, 'erased')) throw new JobErased(published.event);
  if (!published.ours) throw refused('somebody else replays it');
  await broker.deleteDead(letter.seq);
  return { job_id: letter.job_id, replayed: plan.kind };
}

function eventOf(plan: ReplayPlan, letter: StoredLetter, jobDeadlineMs: number) {
  if (plan.kind === 'next_run') {
    const deadline_at = new Date(Date.now() + jobDeadlineMs).toISOString();
    return createEvent('received', letter.job_id, { ...plan.received.data, deadline_at }, { run: plan.run });
  }
  // The same outcome once more, under an id of its own: the notifier sees it as new, the backend as the one it knows.
  const { seq, ...outcome } = plan.outcome;
  return { ...outcome, id: `${outcome.job_id}:${outcome.kind}${againMark}${letter.seq}-${seq}` };
}

/** Whether it is an outcome that is only told once more: the job has ended before. */
export function isToldAgain({ id }: StoredEvent): boolean {
  return id.includes(againMark);
}

/** The codes of a failure at which it is certain that the last claim started no render. */
function provesNothingStarted(failed: StoredEvent<'failed'>): boolean {
  return ['render_refused', 'render_account_refused', 'render_unreachable'].includes(failed.data.code);
}

function refused(why: string): HttpError {
  return new HttpError('not_replayable', { message: `This dead letter cannot be replayed: ${why}.` });
}
