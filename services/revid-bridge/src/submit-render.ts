/**
 * Submitting a render: at most once.
 *
 * The job's `render` subject is a small state machine, and its last event is the state. Every move is published with
 * the sequence of the state it leaves, so that of two bridges only one can make it:
 *
 *     (nothing) ─claim─▶ claimed ─the vendor has it─▶ rendering (pid)
 *                         │  ▲
 *       certainly nothing │  │ retry_at has come
 *                         ▼  │
 *                       released
 *
 * Between `claimed` and the next event lies the paid call. Whoever finds a claim that is not its own leaves it alone:
 * a claim whose owner died is *uncertain*, is never submitted again, and step `watch` settles it.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Broker,
  BrokerUnavailable,
  contentOf,
  createEvent,
  eventsOfRun,
  failJob,
  hide,
  isKind,
  type Log,
  Permanent,
  type StepName,
  type StoredEvent,
} from '@pet-roast/shared';
import type { Revid } from './adapters/revid-http.ts';
import type { CallbackTokens } from './core/callback-token.ts';
import { type RenderOptions, renderRequest } from './core/render-request.ts';
import type { Submitted } from './core/render-state.ts';

export type SubmitDeps = {
  readonly broker: Broker;
  readonly revid: Revid;
  readonly tokens: CallbackTokens;
  readonly options: RenderOptions;
  readonly deadlineMs: number;
  readonly submitTimeoutMs: number;
  readonly attemptsMax: number;
  readonly retryMs: number;
};

/** A callback may come this long after the render's deadline and still be told from a forged one. */
const tokenGraceMs = 24 * 3_600_000;
/** A claim older than this is not submitted any more: its owner was frozen, and others may have judged it. */
const claimFreshMsMax = 5_000;
const retryMsMax = 60_000;
const recordEveryMs = 1_000;

/** Names this process's claims, so that it knows its own again when the answer to the claim was lost. */
const processId = crypto.randomUUID();
/** Claims that this process has gone on with. What is not in here was certainly not submitted by it. */
const begun = new Set<string>();
const begunMax = 10_000;

type Claim = StoredEvent<'claimed'>;

/** Submits the render of an event's job and run if nobody has; returns when the stream says how that went. */
export async function submitRender(event: StoredEvent, step: StepName, log: Log, deps: SubmitDeps): Promise<void> {
  const { broker } = deps;
  const { job_id: jobId, run } = event;
  const all = await broker.readJob(jobId, ['received', 'translated', 'render', 'outcome']);
  const job = eventsOfRun(all, run);
  if (job === undefined) return;
  const received = job.find((other) => isKind(other, 'received'));
  const translated = job.find((other) => isKind(other, 'translated'));
  if (isOver(job)) return;
  if (received === undefined || translated === undefined) {
    throw new Permanent('internal', { detail: 'the job has no text' });
  }
  const claim = await takeClaim(event, job, Date.parse(received.data.deadline_at), deps);
  if (claim === undefined) {
    log.info({ job_id: jobId }, 'nothing to submit: another bridge has the claim, or there is no time left');
    return;
  }

  const request = {
    jobId,
    run,
    text: translated.data.text,
    language: languageOf(translated, received),
    imageUrl: received.data.image_url,
    webhookUrl: deps.tokens.urlFor(jobId, run, new Date(Date.parse(claim.data.deadline_at) + tokenGraceMs)),
  };
  const usable = await isUsable(claim, broker);
  // Both steps of this process may have come to one claim at once: one of them goes on with it.
  if (begun.has(claim.data.claim)) return;
  remember(claim.data.claim);
  const submitted: Submitted = usable
    ? await deps.revid.submit(renderRequest(request, deps.options), [...contentOf(...job), request.webhookUrl])
    : { kind: 'later', code: 'render_unreachable', why: 'the claim was too old, or the job over' };
  const facts = { job_id: jobId, attempt: claim.data.attempt, submitted: submitted.kind };
  const level = submitted.kind === 'started' ? 'info' : 'warn';
  log[level]({ ...facts, why: 'why' in submitted ? submitted.why : undefined }, 'submitted to the vendor');
  await untilStored(() => record(submitted, claim, step, deps), claim, log);
}

/** The text's, as far as is known: what was passed on untouched is in the language that its caller named, or the wanted one. */
function languageOf({ data }: StoredEvent<'translated'>, received: StoredEvent<'received'>): string {
  const { source_language: named } = received.data;
  return data.translated || named === undefined || named === 'auto' ? data.target_language : data.source_language;
}

/** The claim to submit under: a new one, or our own whose acknowledgement was lost; undefined where there is none. */
async function takeClaim(
  event: StoredEvent,
  job: readonly StoredEvent[],
  jobDeadline: number,
  deps: SubmitDeps,
): Promise<Claim | undefined> {
  const state = job.find((other) => isKind(other, 'claimed', 'released', 'rendering'));
  const nameOf = (attempt: number) => `${processId}-${event.job_id}-${event.run}-${attempt}`;
  if (isKind(state, 'rendering')) return undefined;
  // What was released is step `watch`'s, once its time has come: not a translated job's that was delivered again.
  if (isKind(state, 'released') && state.seq !== event.seq) return undefined;
  if (isKind(state, 'claimed')) {
    const { claim: name, attempt } = state.data;
    return name === nameOf(attempt) && !begun.has(name) ? state : undefined;
  }
  const attempt = (state?.data.attempt ?? 0) + 1;
  const claim = nameOf(attempt);

  // What cannot be ready before the job ends is not paid for.
  const leftMs = Math.min(deps.deadlineMs, jobDeadline - Date.now());
  if (leftMs < Math.min(deps.submitTimeoutMs, deps.deadlineMs)) return undefined;
  const deadline = Date.now() + leftMs;
  const data = { claim, attempt, deadline_at: new Date(deadline).toISOString() };
  const options = { run: event.run, part: claim };
  const { ours, event: claimed } = await deps.broker.decide(createEvent('claimed', event.job_id, data, options), state);
  return ours && isKind(claimed, 'claimed') ? claimed : undefined;
}

/** Whether the claim may still be submitted: it is fresh, and nobody has ended or replayed the job before it. */
async function isUsable(claim: Claim, broker: Broker): Promise<boolean> {
  const job = await broker.readJob(claim.job_id, ['received', 'outcome']);
  const replayed = job.some((event) => event.run > claim.run);
  const over = isOver(job.filter((event) => event.run === claim.run));
  return !replayed && !over && Date.now() - Date.parse(claim.time) <= claimFreshMsMax;
}

/** Writes down what the vendor said. An uncertain claim stands as it is, and step `watch` settles it. */
async function record(submitted: Submitted, claim: Claim, step: StepName, deps: SubmitDeps): Promise<void> {
  const { attempt, claim: name, deadline_at } = claim.data;
  const options = { run: claim.run, part: name };
  if (submitted.kind === 'started') {
    const rendering = { pid: submitted.pid, deadline_at };
    await deps.broker.decide(createEvent('rendering', claim.job_id, rendering, options), claim);
  } else if (submitted.kind === 'refused' || (submitted.kind === 'later' && attempt >= deps.attemptsMax)) {
    const why = submitted.kind === 'refused' ? 'permanent' : 'exhausted';
    await endRender(deps.broker, step, claim, { code: submitted.code, why, detail: submitted.why });
  } else if (submitted.kind === 'later') {
    const ownWaitMs = Math.min(deps.retryMs * 2 ** (attempt - 1), retryMsMax);
    // Also where the vendor says "at once", or its clock is behind: else all attempts would be gone in a second.
    const waitMs = Math.max(ownWaitMs, submitted.retryAfterMs ?? 0);
    const retry_at = new Date(Date.now() + waitMs).toISOString();
    const released = { claim: name, attempt, code: submitted.code, retry_at };
    await deps.broker.decide(createEvent('released', claim.job_id, released, options), claim);
  }
}

/** What the vendor said is known here alone, and may have cost money: it is said until the stream has it. */
async function untilStored(store: () => Promise<void>, claim: Claim, log: Log): Promise<void> {
  for (;;) {
    try {
      return await store();
    } catch (error) {
      if (!(error instanceof BrokerUnavailable) || Date.now() > Date.parse(claim.data.deadline_at)) throw error;
      log.warn({ error, job_id: claim.job_id }, 'the vendor’s answer cannot be stored yet');
      await sleep(recordEveryMs);
    }
  }
}

/** Ends a job in the bridge: a dead letter with the cause, without what the job is about, then the outcome. */
export async function endRender(
  broker: Broker,
  step: StepName,
  event: StoredEvent,
  failure: { readonly code: Permanent['code']; readonly why: 'permanent' | 'exhausted'; readonly detail: string },
): Promise<void> {
  const job = await broker.readJob(event.job_id, ['received', 'translated']);
  const error = new Permanent(failure.code, { detail: hide(failure.detail, contentOf(...job)) });
  return failJob(broker, step)(event, { code: failure.code, why: failure.why, error });
}

function isOver(job: readonly StoredEvent[]): boolean {
  return job.some((event) => isKind(event, 'rendered', 'failed', 'cancelled'));
}

function remember(claim: string): void {
  if (begun.size >= begunMax) begun.delete(begun.values().next().value ?? '');
  begun.add(claim);
}
