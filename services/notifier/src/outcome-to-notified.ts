/**
 * Step `notify`: the backend is told how the job ended, at least once, under one stable id.
 *
 * Every attempt is recorded on the job's `delivery` subject, so that neither a crash nor a second notifier loses count
 * or starts over; the waits between attempts are the broker's redelivery. If a process dies between the backend's
 * answer and the record, the backend gets the same webhook again, with the same `webhook-id`.
 */
import {
  type Broker,
  createEvent,
  createHistogram,
  type Failure,
  isKind,
  type JobEvent,
  Permanent,
  publishDeadLetter,
  type Stage,
  type StoredEvent,
  subjectOf,
  UnreadableEvent,
} from '@pet-roast/shared';
import type { PostWebhook } from './adapters/webhook-http.ts';
import { type AttemptResult, isBackendDown, type NextStep, nextStep, type RetryPolicy } from './core/attempt.ts';
import type { Circuit } from './core/circuit.ts';
import { signWebhook, type WebhookBody, webhookBody, webhookIdOf } from './core/webhook.ts';

const timeWebhook = createHistogram<AttemptResult['kind']>(
  'pet_roast_webhook_seconds',
  'What a webhook attempt takes, by what came of it: an answer, whatever it says, a time-out, or no connection',
  'result',
  [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30],
);

/** Each look at a backend that is down is a delivery, and the server gives a message up after twice as many. */
const looksMax = 1_000;

export type NotifyDeps = {
  readonly broker: Broker;
  /** Absent where no backend is configured: then nothing can be delivered. */
  readonly post: PostWebhook | undefined;
  readonly secrets: readonly string[];
  readonly policy: RetryPolicy;
  readonly circuit: Circuit;
  /** How long an outcome may wait for a backend that is known to be down. */
  readonly holdMs: number;
};

export function outcomeToNotified(deps: NotifyDeps): Stage {
  return {
    step: 'notify',
    async handle(event, context) {
      const body = webhookBody(event);
      if (body === undefined) return undefined;
      const job = await deps.broker.readJob(event.job_id, ['outcome', 'delivery']);
      // The job was replayed: its new end is the one to tell, once it is there.
      if ((await newestRun(event.job_id, job)) > event.run) return undefined;
      const last = job.find((other) => isKind(other, 'attempted', 'notified', 'undeliverable'));
      // What is before this outcome in the stream, or of an earlier run, is the delivery of another one.
      const delivery = last && last.seq > event.seq && last.run === event.run ? last : undefined;
      if (isKind(delivery, 'notified', 'undeliverable')) return undefined;
      const attempted = isKind(delivery, 'attempted') ? delivery.data : undefined;
      const waitMs = attempted ? Date.parse(attempted.next_attempt_at) - Date.now() : 0;
      if (waitMs > 0) return { comeBackInMs: waitMs };

      const attempt = (attempted?.attempt ?? 0) + 1;
      const downMs = deps.circuit.waitMs();
      // Counted from when this message was stored (a replay brings an old outcome as a new one), but only as far as the
      // backend was down: what waited for a notifier has not had its turn. While the circuit lets attempts through, one
      // at a time, nobody is given up.
      const heldMs = Math.min(Date.now() - context.storedAt.getTime(), deps.circuit.downMs());
      const maySoon = deps.circuit.state() === 'half_open' || heldMs < deps.holdMs;
      if (downMs > 0 && maySoon) return { comeBackInMs: Math.max(downMs, deps.holdMs / looksMax) };

      const step = downMs > 0 ? gaveUp('the backend is down') : await send(event, body, attempt);
      context.log[step.do === 'delivered' ? 'info' : 'warn'](
        { job_id: event.job_id, attempt, ...step },
        'webhook attempt',
      );
      await record(event, attempt, step, last?.seq ?? 0);
      return step.do === 'retry' ? { comeBackInMs: step.delayMs } : undefined;
    },
    async fail(event, failure) {
      const job = await deps.broker.readJob(event.job_id, ['outcome', 'delivery']);
      // As above: nobody waits for the end of a run that another has followed.
      if ((await newestRun(event.job_id, job)) > event.run) return;
      const last = job.find((other) => isKind(other, 'attempted', 'notified', 'undeliverable'));
      await giveUp(event, { attempt: 0, reason: failure.code }, last?.seq ?? 0, failure);
    },
  };

  /** Of its events and its request; one that cannot be read keeps nobody from being told. */
  async function newestRun(jobId: string, job: readonly StoredEvent[]): Promise<number> {
    const received = await deps.broker.readLast(subjectOf('received', jobId)).catch((error: unknown) => {
      if (error instanceof UnreadableEvent) return undefined;
      throw error;
    });
    return Math.max(received?.run ?? 1, ...job.map(({ run }) => run));
  }

  async function send(event: StoredEvent, body: WebhookBody, attempt: number): Promise<NextStep> {
    if (deps.post === undefined) return gaveUp('BACKEND_WEBHOOK_URL is not set');
    const began = performance.now();
    const result = await deps.post(signWebhook(webhookIdOf(event), body, deps.secrets));
    timeWebhook(result.kind, (performance.now() - began) / 1_000);
    deps.circuit.report(isBackendDown(result) ? 'failed' : 'ok');
    return nextStep(result, attempt, deps.policy);
  }

  async function record(event: StoredEvent, attempt: number, step: NextStep, expected: number): Promise<void> {
    const { job_id, run } = event;
    const status = step.status === undefined ? {} : { response_status: step.status };
    if (step.do === 'delivered') {
      const data = { attempt, response_status: step.status };
      await end(createEvent('notified', job_id, data, { run, part: String(event.seq) }), expected);
    } else if (step.do === 'retry') {
      const next = new Date(Date.now() + step.delayMs).toISOString();
      const data = { attempt, reason: step.reason, next_attempt_at: next, ...status };
      await deps.broker.publish(
        createEvent('attempted', job_id, data, { run, part: `${event.seq}-${attempt}` }),
        expected,
      );
    } else {
      const error = new Permanent('attempts_exhausted', { detail: `webhook: ${step.reason}` });
      const failure = { code: error.code, why: 'exhausted', error } as const;
      await giveUp(event, { attempt, reason: step.reason, ...status }, expected, failure);
    }
  }

  /** Records how a delivery ended, also behind an attempt that another notifier has recorded meanwhile. */
  async function end(delivery: JobEvent<'notified' | 'undeliverable'>, expected: number): Promise<void> {
    const first = await deps.broker.publish(delivery, expected);
    if (!first.ours && isKind(first.event, 'attempted')) await deps.broker.publish(delivery, first.event.seq);
  }

  async function giveUp(
    event: StoredEvent,
    data: { readonly attempt: number; readonly reason: string; readonly response_status?: number },
    expected: number,
    failure: Failure,
  ): Promise<void> {
    await publishDeadLetter(deps.broker, 'notify', event, failure);
    await end(createEvent('undeliverable', event.job_id, data, { run: event.run, part: String(event.seq) }), expected);
  }
}

function gaveUp(reason: string): NextStep {
  return { do: 'give_up', reason };
}
