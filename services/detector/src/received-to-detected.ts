/**
 * Step `detect`: fetch the photo, look for a pet, decide the verdict.
 *
 * The verdict is decided once, on the job's verdict subject. Where the gateway was there first ("answered before the
 * verdict"), the verdict follows it and is `late`: then a rejection reaches the backend by webhook, else it is in the
 * answer to the caller, and the outcome says `notify: false`.
 */
import {
  type Broker,
  createEvent,
  type ErrorCode,
  endJob,
  eventsOfRun,
  type Failure,
  isKind,
  Permanent,
  publishDeadLetter,
  type Stage,
  type StoredEvent,
} from '@pet-roast/shared';
import { type SeeDeps, seePhoto } from './see-photo.ts';

export type DetectDeps = SeeDeps & { readonly broker: Broker };

type Verdict =
  | { readonly kind: 'detected'; readonly data: Omit<VerdictData<'detected'>, 'late'> }
  | { readonly kind: 'rejected'; readonly data: Omit<VerdictData<'rejected'>, 'late'> };
type VerdictData<Kind extends 'detected' | 'rejected'> = StoredEvent<Kind>['data'];

export function receivedToDetected(deps: DetectDeps): Stage {
  return {
    step: 'detect',
    async handle(event, context) {
      if (!isKind(event, 'received')) return undefined;
      const job = eventsOfRun(await deps.broker.readJob(event.job_id, ['verdict', 'outcome']), event.run);
      if (job === undefined || job.some((other) => isKind(other, 'rendered', 'failed', 'cancelled'))) return undefined;
      const known = job.find((other) => isKind(other, 'detected', 'rejected'));
      const verdict = known ?? (await publishVerdict(event, await lookAt(event, context.signal)));
      if (isKind(verdict, 'rejected')) await endRejected(verdict);
      return undefined;
    },
    async fail(event, failure) {
      const code = codeOf(failure);
      if (code === 'detection_failed') await publishDeadLetter(deps.broker, 'detect', event, failure);
      const verdict = await publishVerdict(event, { kind: 'rejected', data: { code } });
      if (isKind(verdict, 'rejected')) await endRejected(verdict);
    },
  };

  async function lookAt(event: StoredEvent<'received'>, signal: AbortSignal): Promise<Verdict> {
    const seen = await seePhoto(event.data, signal, deps);
    if (seen === undefined) {
      return { kind: 'detected', data: { pets: [], skipped: 'there is no detection model on this machine' } };
    }
    const { pets, best_score, model, ...image } = seen;
    if (pets.length === 0) return { kind: 'rejected', data: { code: 'no_pets_detected', best_score, model } };
    return { kind: 'detected', data: { pets, model, image } };
  }

  /** Publishes the verdict, behind the gateway's `answered` if that was first; returns the verdict that stands. */
  async function publishVerdict(event: StoredEvent, verdict: Verdict): Promise<StoredEvent> {
    // Nobody waits for the verdict of a replayed run.
    const first = await deps.broker.decide(verdictEvent(event, verdict, event.run > 1));
    if (!isKind(first.event, 'answered')) return first.event;
    const second = await deps.broker.decide(verdictEvent(event, verdict, true), first.event);
    return second.event;
  }

  function endRejected(verdict: StoredEvent<'rejected'>) {
    const failure = { code: verdict.data.code as ErrorCode, at: 'detect', run: verdict.run };
    return endJob(deps.broker, verdict.job_id, failure);
  }
}

function verdictEvent(event: StoredEvent, verdict: Verdict, late: boolean) {
  // The late one has an id of its own: it is not the event that was refused.
  const options = { run: event.run, ...(late ? { part: 'late' } : {}) };
  return verdict.kind === 'detected'
    ? createEvent('detected', event.job_id, { ...verdict.data, late }, options)
    : createEvent('rejected', event.job_id, { ...verdict.data, late }, options);
}

/** What the photo did wrong keeps its code; everything else is ours. */
function codeOf(failure: Failure): ErrorCode {
  const photo = failure.code.startsWith('image_');
  return photo || (failure.error instanceof Permanent && failure.code === 'no_pets_detected')
    ? failure.code
    : 'detection_failed';
}
