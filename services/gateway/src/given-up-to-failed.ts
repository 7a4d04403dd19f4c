/**
 * What the server gives up on, because its process died on every try, is failed here: the server says so in an advisory,
 * which the dead-letter stream keeps. So even a message that kills whoever touches it ends as a dead letter with its
 * cause, and its job is over and told.
 */
import {
  type Broker,
  createEvent,
  type Delivery,
  durableOf,
  giveUpJob,
  isKind,
  type Log,
  type RunningStage,
  runLoop,
  type StepName,
  type StoredEvent,
  steps,
  subjectOf,
} from '@pet-roast/shared';
import { z } from 'zod';

const advisorySchema = z.object({
  consumer: z.string(),
  stream_seq: z.number().int(),
  deliveries: z.number().int(),
});
const retryMs = 2_000;

export async function runGivenUpToFailed(deps: { readonly broker: Broker; readonly log: Log }): Promise<RunningStage> {
  const log = deps.log.child({ step: 'given-up' });

  async function work(delivery: Delivery): Promise<void> {
    try {
      const advisory = advisorySchema.parse(JSON.parse(new TextDecoder().decode(delivery.data)));
      await bury(advisory);
      delivery.ack();
    } catch (error) {
      log.error({ error }, 'an advisory could not be dealt with');
      delivery.nak(retryMs);
    }
  }

  async function bury({ consumer, stream_seq, deliveries }: z.infer<typeof advisorySchema>): Promise<void> {
    const step = stepOf(consumer);
    const event = await deps.broker.readAt(stream_seq);
    log.error({ consumer, stream_seq, deliveries, job_id: event?.job_id }, 'the server has given up on a message');
    if (step === undefined || event === undefined || (await deps.broker.isErased(event.job_id))) return;
    const id = `given-up:${consumer}:${stream_seq}`;
    const letter = {
      cause: 'max_deliveries' as const,
      code: 'attempts_exhausted',
      message: 'The step died, or said nothing, on every delivery of this message.',
      step,
      job_id: event.job_id,
      event_id: event.id,
      run: event.run,
      stream_seq,
      deliveries,
      time: new Date().toISOString(),
    };
    // Without a callback the vendor is asked all the same: that ends no job.
    if (step !== 'notify' && step !== 'settle') {
      return giveUpJob(deps.broker, id, letter, { code: 'attempts_exhausted', at: step, run: event.run });
    }
    await deps.broker.publishDead(id, letter);
    if (step === 'notify') await recordUndeliverable(event);
  }

  async function recordUndeliverable(outcome: StoredEvent): Promise<void> {
    const last = await deps.broker.readLast(subjectOf('delivery', outcome.job_id));
    // The delivery of an earlier run may be recorded when the job, replayed, has ended anew already.
    const isOurs = last !== undefined && last.seq > outcome.seq && last.run >= outcome.run;
    if (isOurs && isKind(last, 'notified', 'undeliverable')) return;
    const { ours } = await deps.broker.publish(undeliverable(outcome), last?.seq ?? 0);
    if (!ours) throw new Error('the delivery has moved on meanwhile');
  }

  return runLoop({
    pull: await deps.broker.openAdvisories('gateway-given-up'),
    work,
    log,
    slots: 1,
    ackWaitMs: 10_000,
    redeliveredRunAlone: false,
  });
}

function stepOf(consumer: string): StepName | undefined {
  return (Object.keys(steps) as StepName[]).find((name) => durableOf(name) === consumer);
}

function undeliverable(outcome: StoredEvent) {
  if (!isKind(outcome, 'rendered', 'failed', 'cancelled')) throw new Error(`${outcome.kind} is no outcome`);
  const data = { attempt: 0, reason: 'the notifier died on every attempt' };
  return createEvent('undeliverable', outcome.job_id, data, { run: outcome.run, part: String(outcome.seq) });
}
