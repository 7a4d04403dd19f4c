/**
 * The only consume loop.
 *
 * A step has a few slots; each slot pulls one message, works on it, settles it and pulls the next, so that no more is
 * ever fetched than is worked on. A message that comes a second time runs alone in its process: if it is the one that
 * kills it, it takes no other down with it. While a handler works, the server is told so; after `attemptTimeoutMs`
 * the handler is given up on. Stopping ends the pulling, lets what is in hand finish, and hands the rest back.
 */
import { setTimeout } from 'node:timers/promises';
import { type Broker, type Delivery, pullExpiresMs } from './broker.ts';
import { giveUpJob } from './end-job.ts';
import { contentOf, parseEvent, type StoredEvent, UnreadableEvent } from './envelope.ts';
import { type ErrorCode, RetryLater } from './errors.ts';
import { type Step, type StepName, type Subject, steps, subjectOf } from './journey.ts';
import { type Log, shownError } from './log.ts';
import { hideIn } from './redact.ts';
import { type Handled, settle } from './settle.ts';

export type StageContext = {
  /** Aborted when the attempt's time is over or the process stops hard. */
  readonly signal: AbortSignal;
  readonly deliveries: number;
  /** When the event was stored, by the server's clock. */
  readonly storedAt: Date;
  readonly log: Log;
};

export type Failure = { readonly code: ErrorCode; readonly why: 'permanent' | 'exhausted'; readonly error: unknown };

export type Stage = {
  readonly step: StepName;
  /** Does the step's one thing with one event; returns when the message is done with. */
  handle(event: StoredEvent, context: StageContext): Promise<Handled>;
  /** Called once no further attempt is made: publishes how the job ends. */
  fail(event: StoredEvent, failure: Failure, context: StageContext): Promise<void>;
};

export type RunningStage = {
  /** Stops pulling, waits for what is in hand. */
  stop(): Promise<void>;
};

const repullAfterErrorMs = 500;
/** Longer than a pull waits: sooner, every other slot of a stopping process would get it once more, each time a delivery. */
const handBackDelayMs = pullExpiresMs + 100;
const unsettledDelayMsMax = 60_000;
const handedBackMax = 10_000;
/** A run that has an event on the second subject goes on without the message on the first. */
const behind: Partial<Record<Step['consumes'], Subject>> = {
  received: 'render',
  verdict: 'translated',
  translated: 'render',
};

/** Starts several stages of one process; `stop` stops them together. */
export async function runStages(
  stages: readonly Stage[],
  deps: { readonly broker: Broker; readonly log: Log; readonly slots?: number | undefined },
): Promise<RunningStage> {
  const running = await Promise.all(stages.map((stage) => runStage(stage, deps)));
  return { stop: async () => void (await Promise.all(running.map((stage) => stage.stop()))) };
}

/** Starts working on a step's messages with `slots` (by default the contract's) at once. */
export async function runStage(
  stage: Stage,
  deps: { readonly broker: Broker; readonly log: Log; readonly slots?: number | undefined },
): Promise<RunningStage> {
  const step: Step = steps[stage.step];
  const log = deps.log.child({ step: stage.step });
  const pull = await deps.broker.openStep(stage.step);

  async function work(delivery: Delivery): Promise<void> {
    const abort = new AbortController();
    const overdue = globalThis.setTimeout(() => abort.abort(), step.attemptTimeoutMs);
    const context = { signal: abort.signal, deliveries: delivery.deliveries, storedAt: delivery.storedAt, log };
    try {
      const event = readEvent(delivery);
      if (event instanceof UnreadableEvent) await bury(delivery, event);
      else await settleWith(event, delivery, context);
    } catch (error) {
      // Not even the failure could be recorded: the message stays and comes again, ever later.
      log.error({ error, seq: delivery.seq }, 'a message could not be settled');
      delivery.nak(Math.min(unsettledDelayMsMax, repullAfterErrorMs * 2 ** Math.min(delivery.deliveries, 10)));
    } finally {
      clearTimeout(overdue);
    }
  }

  async function settleWith(event: StoredEvent, delivery: Delivery, context: StageContext): Promise<void> {
    const started = performance.now();
    const result = await withinTime(stage.handle(event, context), context.signal).then(
      (handled) => ({ handled }),
      (error: unknown) => ({ error }),
    );
    const chosen = settle(step, delivery.deliveries, result);
    const thrown = 'error' in result ? result.error : undefined;
    const error = thrown === undefined ? undefined : hideIn(shownError(thrown), contentOf(event));
    const facts = { job_id: event.job_id, kind: event.kind, deliveries: delivery.deliveries };
    if (chosen.do === 'fail') {
      log.error({ ...facts, code: chosen.code, why: chosen.why, error }, 'the step failed for good');
      await stage.fail(event, { code: chosen.code, why: chosen.why, error: thrown }, context);
      delivery.ack();
    } else if (chosen.do === 'nak') {
      if (error !== undefined) log.warn({ ...facts, delay_ms: chosen.delayMs, error }, 'the step will be tried again');
      delivery.nak(chosen.delayMs);
    } else {
      const took_ms = Math.round(performance.now() - started);
      log.info({ ...facts, took_ms }, error === undefined ? 'done' : 'nothing to do: the job is erased');
      delivery.ack();
    }
  }

  async function bury(delivery: Delivery, error: UnreadableEvent): Promise<void> {
    log.error(
      { error, subject: delivery.subject, seq: delivery.seq },
      'an unreadable message goes to the dead letters',
    );
    const jobId = delivery.subject.split('.').at(-1) ?? 'unknown';
    const letter = {
      cause: 'unreadable' as const,
      code: 'internal' as const,
      message: 'The message cannot be read.',
      detail: error.message,
      step: stage.step,
      job_id: jobId,
      stream_seq: delivery.seq,
      raw_base64: Buffer.from(delivery.data).toString('base64'),
      time: new Date().toISOString(),
    };
    const id = `unreadable:${stage.step}:${delivery.seq}`;
    // Only a step that may end jobs ends one: to the projection an unknown event is a newer service's, and where the job has
    // its outcome there is nothing to end.
    const run = runOf(delivery.data);
    const endsJob = step.publishes.includes('failed') && !(await goesOn(jobId, run));
    if (!endsJob) await deps.broker.publishDead(id, letter);
    else await giveUpJob(deps.broker, id, letter, { code: 'internal', at: stage.step, run });
    delivery.term('unreadable');
  }

  /** Whether the run goes on without this message: a step behind has its result, or the vendor is asked anyway. */
  async function goesOn(jobId: string, run: number): Promise<boolean> {
    if (step.consumes === 'callback') return true;
    const subject = behind[step.consumes];
    if (subject === undefined) return false;
    const last = await deps.broker.readLast(subjectOf(subject, jobId)).catch((error: unknown) => {
      if (error instanceof UnreadableEvent) return undefined;
      throw error;
    });
    return last?.run === run;
  }

  return runLoop({
    pull,
    work,
    log,
    slots: deps.slots ?? step.slots,
    ackWaitMs: step.ackWaitMs,
    redeliveredRunAlone: !step.waits,
  });
}

/** The loop itself: `slots` times pull, work, again. `work` settles what it is given and throws nothing. */
export function runLoop(options: {
  readonly pull: () => Promise<Delivery | undefined>;
  readonly work: (delivery: Delivery) => Promise<void>;
  readonly log: Log;
  readonly slots: number;
  readonly ackWaitMs: number;
  readonly redeliveredRunAlone: boolean;
}): RunningStage {
  const gate = createGate();
  // What this process gave back itself, to be tried again, is no suspect: it has not killed anybody.
  const handedBack = new Set<number>();
  let stopping = false;

  function watched(delivery: Delivery): Delivery {
    return {
      ...delivery,
      nak(delayMs) {
        // What another replica has taken meanwhile stays in here: the oldest makes room.
        if (handedBack.size >= handedBackMax) handedBack.delete(handedBack.values().next().value ?? 0);
        handedBack.add(delivery.seq);
        delivery.nak(delayMs);
      },
    };
  }

  async function slot(): Promise<void> {
    while (!stopping) {
      const delivery = await options.pull().catch((error: unknown) => {
        options.log.warn({ error }, 'cannot pull');
        return setTimeout(repullAfterErrorMs, undefined);
      });
      if (delivery === undefined) continue;
      if (stopping) {
        delivery.nak(handBackDelayMs);
        continue;
      }
      const alive = setInterval(() => delivery.working(), options.ackWaitMs / 3);
      const suspect = delivery.redelivered && !handedBack.delete(delivery.seq);
      const alone = suspect && options.redeliveredRunAlone;
      await gate.run(alone, () => options.work(watched(delivery))).finally(() => clearInterval(alive));
    }
  }

  const slots = Array.from({ length: options.slots }, slot);
  return {
    async stop() {
      stopping = true;
      await Promise.all(slots);
    },
  };
}

/** The run of an event that cannot be read as a whole; the first where not even that can be read. */
function runOf(bytes: Uint8Array): number {
  try {
    const { run } = JSON.parse(new TextDecoder().decode(bytes)) as { run?: unknown };
    return Number.isInteger(run) && Number(run) >= 1 ? Number(run) : 1;
  } catch {
    return 1;
  }
}

function readEvent(delivery: Delivery): StoredEvent | UnreadableEvent {
  try {
    return { ...parseEvent(delivery.data), seq: delivery.seq };
  } catch (error) {
    if (error instanceof UnreadableEvent) return error;
    throw error;
  }
}

function withinTime<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    signal.addEventListener(
      'abort',
      () => reject(new RetryLater('attempts_exhausted', { detail: 'the attempt took too long' })),
      {
        once: true,
      },
    );
    work.then(resolve, reject);
  });
}

/** Many may run together, or one alone; whoever wants to be alone is not overtaken for ever. */
function createGate() {
  let running = 0;
  let alone = false;
  const waiting: { readonly exclusive: boolean; readonly start: () => void }[] = [];

  function admit(): void {
    for (let next = waiting[0]; next !== undefined; next = waiting[0]) {
      if (alone || (next.exclusive && running > 0)) return;
      waiting.shift();
      running++;
      alone = next.exclusive;
      next.start();
    }
  }

  return {
    async run(exclusive: boolean, work: () => Promise<void>): Promise<void> {
      await new Promise<void>((start) => {
        waiting.push({ exclusive, start });
        admit();
      });
      try {
        await work();
      } finally {
        running--;
        alone = false;
        admit();
      }
    },
  };
}
