/**
 * The broker behind one module: the only place that imports the NATS client, so that its successor stays a one-file
 * change. It speaks in this project's words: publish an event, read a subject's last event, pull a message.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  AckPolicy,
  type Consumer,
  type ConsumerConfig,
  connect,
  DeliverPolicy,
  DiscardPolicy,
  type JetStreamManager,
  type JsMsg,
  type NatsConnection,
  NatsError,
  nanos,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
} from 'nats';
import { type DeadLetter, readLetter, type StoredLetter } from './dead-letter.ts';
import {
  encodeEvent,
  eventBytesMax,
  isKind,
  JobErased,
  type JobEvent,
  parseEvent,
  type StoredEvent,
  subjectOfEvent,
  UnreadableEvent,
} from './envelope.ts';
import {
  allSubjects,
  durableOf,
  type Step,
  type StepName,
  type Subject,
  stateSubjects,
  steps,
  subjectOf,
  subjectPrefix,
} from './journey.ts';
import type { Log } from './log.ts';
import { inboxPrefixOf, mayMakeStreams } from './nats-permissions.ts';
import { notPermitted, reasonOf } from './server-errors.ts';
import {
  advisoriesFilter,
  deadStream,
  deadSubjectPrefix,
  filterOf,
  jobsStream,
  photoPieceBytesMax,
  photosBucket,
  photosStream,
} from './streams.ts';

export type BrokerOptions = {
  readonly url: string;
  /** Shown in the server's connection list. */
  readonly name: string;
  readonly log: Log;
  /** Whom it logs in as. A service that is not the gateway waits for the streams instead of making them. */
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  /** PEM files; with it, be it empty, the connection is encrypted or there is none. Read anew at each connection. */
  readonly tls?: { readonly caFile?: string; readonly certFile?: string; readonly keyFile?: string } | undefined;
  /** How long the first connection may take before opening fails. */
  readonly connectTimeoutMs: number;
  /** 1 on a single server, 3 in a cluster. */
  readonly replicas: number;
  /** How long a job is remembered; the stream keeps its events a day longer than the longest job. */
  readonly jobTtlMs: number;
  /** Bytes of the job stream. New jobs are refused well before it is full: nats-server 2.9 then drops the oldest events. */
  readonly streamBytesMax: number;
  /** The bucket of uploaded photos; without it none is made. */
  readonly photos?: { readonly bytesMax: number; readonly maxAgeMs: number } | undefined;
  /** Whether streams that are there get these limits too; one service's business, and no tool's. Off unless told. */
  readonly setsLimits?: boolean;
};

/** What became of a publish: `event` is the one that stands in the stream, ours or the winner's. */
export type Published = { readonly ours: boolean; readonly event: StoredEvent };

/** One delivery of a message to a step. */
export type Delivery = {
  readonly seq: number;
  readonly subject: string;
  readonly data: Uint8Array;
  /** When it was stored. */
  readonly storedAt: Date;
  /** 1 for the first delivery. */
  readonly deliveries: number;
  readonly redelivered: boolean;
  ack(): void;
  nak(delayMs: number): void;
  term(reason: string): void;
  working(): void;
};

/** A message as a stream holds it. */
type StoredMessage = { readonly seq: number; readonly data: Uint8Array };

/** The broker did not answer in time, is not there, or is full. `full` says that the stream is at its limit. */
export class BrokerUnavailable extends Error {
  override readonly name = 'BrokerUnavailable';
  readonly full: boolean;
  constructor(message: string, options: { readonly cause?: unknown; readonly full?: boolean } = {}) {
    super(message, { cause: options.cause });
    this.full = options.full ?? false;
  }
}

export type Broker = Awaited<ReturnType<typeof openBroker>>;

const requestTimeoutMs = 2_000;
/** A page of a replay: making its consumer, and asking for it. */
const pageTimeoutMs = 10_000;
/** Pages without an event, though there are more, after which a replay is given up. */
const emptyPagesMax = 10;
const publishTriesMax = 3;
/** A server without a leader says so at once: tries without a pause would all fall into one election. */
const triesEveryMs = 500;
/** How long a pull waits for a message. */
export const pullExpiresMs = 2_000;
const reconnectTriesEveryMs = 500;
const lookEveryMs = 10_000;
/** nats-server 2.9 still deletes files of a stream that it calls gone: one made at once under its name would lose its own. */
const remakeAfterMs = 2_000;
const refusalsToldMax = 100;
const dayMs = 86_400_000;

/** JetStream's own error numbers (nats-server `errors.json`). */
const wrongLastSequence = 10071;
const noMessageFound = 10037;
const streamNotFound = 10059;
const consumerExists = 10148;
const streamFullCodes = [10077, 10047, 10023, 10122];

/**
 * Connects, and creates the streams where they are missing, or waits for them. Retries until `connectTimeoutMs`,
 * afterwards reconnects for ever. Throws `BrokerUnavailable` when the first connection cannot be made.
 */
export async function openBroker(options: BrokerOptions) {
  const { log } = options;
  const unavailable = unavailableTo(options.user);
  const nc = await connectWithin(options);
  const js = nc.jetstream({ timeout: requestTimeoutMs });
  const jsm = await nc.jetstreamManager({ timeout: requestTimeoutMs, checkAPI: false });
  watchStatus(nc, options);
  let closing = false;
  void nc.closed().then((error) => {
    // Nothing brings it back, so a fresh process has to.
    if (!closing) throw new BrokerUnavailable('NATS: the connection is closed for good', { cause: error });
  });

  /** The subject's last event, asked of the stream's leader; undefined when there is none. */
  async function readLast(subject: string): Promise<StoredEvent | undefined> {
    const stored = await attempt(() => jsm.streams.getMessage(jobsStream, { last_by_subj: subject }), 'read');
    return stored && { ...parseEvent(stored.data), seq: stored.seq };
  }

  /** As `readLast`, but retried within a few seconds while the broker is away. */
  async function attempt<T>(call: () => Promise<T>, what: string): Promise<T | undefined> {
    for (let tries = 1; ; tries++) {
      try {
        return await call();
      } catch (error) {
        const number = error instanceof NatsError ? error.api_error?.err_code : undefined;
        if (number === noMessageFound) return undefined;
        if (tries >= publishTriesMax || !isPassing(error)) throw unavailable(what, error);
        await sleep(triesEveryMs);
      }
    }
  }

  /**
   * Publishes an event and waits for the server's acknowledgement. With `expected`, it is stored only if that is the
   * sequence of the subject's last event (0: there is none yet); otherwise the winner comes back with `ours: false`.
   * Repeats of the same event id are one event. Throws `BrokerUnavailable`; it is then unknown whether it was stored,
   * and publishing it again is safe.
   */
  async function publish(event: JobEvent, expected?: number): Promise<Published> {
    const subject = subjectOfEvent(event);
    const bytes = encodeEvent(event);
    const expect = expected === undefined ? {} : { expect: { lastSubjectSequence: expected } };
    for (let tries = 1; ; tries++) {
      try {
        const ack = await js.publish(subject, bytes, { msgID: event.id, timeout: requestTimeoutMs, ...expect });
        if (!ack.duplicate) return { ours: true, event: { ...event, seq: ack.seq } };
        // Stored before under this id: by us, or by another replica with other content. What stands there counts.
        const stored = await attempt(() => jsm.streams.getMessage(jobsStream, { seq: ack.seq }), 'read');
        if (stored) return { ours: true, event: { ...parseEvent(stored.data), seq: ack.seq } };
      } catch (error) {
        if (isFull(error)) throw new BrokerUnavailable('the job stream is full', { cause: error, full: true });
        const number = error instanceof NatsError ? error.api_error?.err_code : undefined;
        if (number !== wrongLastSequence) {
          if (tries >= publishTriesMax || !isPassing(error)) throw unavailable(`publish ${event.id}`, error);
          await sleep(triesEveryMs);
          continue;
        }
      }
      // Something else stands there, or what stood there under this id is deleted.
      return winnerOn(subject, event);
    }
  }

  /** What stands on a subject on which an event was not stored. Throws `JobErased` where that is why there is nothing. */
  async function winnerOn(subject: string, event: JobEvent): Promise<Published> {
    const winner = await readLast(subject);
    if (winner) return { ours: winner.id === event.id, event: winner };
    const tombstone = await tombstoneOf(event.job_id);
    if (tombstone) throw new JobErased(tombstone);
    throw new BrokerUnavailable(`NATS: publish ${event.id}: refused, and nothing stands there`);
  }

  /** The event that says that a job is erased, if it is. */
  async function tombstoneOf(jobId: string): Promise<StoredEvent<'erased'> | undefined> {
    const last = await readLast(subjectOf('received', jobId)).catch((error: unknown) => {
      // A request that cannot be read is no tombstone.
      if (error instanceof UnreadableEvent) return undefined;
      throw error;
    });
    return isKind(last, 'erased') ? last : undefined;
  }

  /**
   * Deletes what a stream holds on a subject, below `beforeSeq`, and overwrites its bytes on the disk. One message at a
   * time: a purge by subject leaves the bytes where they are, and makes every consumer of nats-server 2.9 forget what it
   * has not delivered yet, of all jobs. Exact subjects: with a wildcard 2.9 looks at every subject that there is.
   */
  async function wipeSubject(stream: string, subject: string, beforeSeq = Number.POSITIVE_INFINITY): Promise<void> {
    for (let from = 1; ; ) {
      // The client's types do not know this form of the request (nats-server, since 2.9).
      const next = { seq: from, next_by_subj: subject };
      const found = await attempt(() => jsm.streams.getMessage(stream, next), 'read');
      if (found === undefined || found.seq >= beforeSeq) return;
      await deleteAt(stream, found.seq);
      from = found.seq + 1;
    }
  }

  async function readPhotos(query: { seq: number } | { last_by_subj: string }): Promise<StoredMessage | undefined> {
    const read = attempt(() => jsm.streams.getMessage(photosStream, query), 'read a photo');
    return read.catch((error: BrokerUnavailable) => {
      if (isApiError(error.cause, streamNotFound)) return undefined;
      throw error;
    });
  }

  /** Deletes one message; one that somebody else has deleted a moment before is deleted. */
  async function deleteAt(stream: string, seq: number): Promise<void> {
    await attempt(() => jsm.streams.deleteMessage(stream, seq), 'delete').catch(async (error: unknown) => {
      const stored = await attempt(() => jsm.streams.getMessage(stream, { seq }), 'read');
      if (stored !== undefined) throw error;
    });
  }

  /** Creates the consumer, or gives the one that is there the configuration of now. */
  async function ensureConsumer(stream: string, config: Partial<ConsumerConfig>): Promise<void> {
    await jsm.consumers.add(stream, config).catch(async (error: unknown) => {
      if (!(error instanceof NatsError) || error.api_error?.err_code !== consumerExists) throw error;
      await jsm.consumers.update(stream, config.durable_name as string, config);
    });
  }

  /** A pull of one message. A consumer, or a stream, that was lost while nothing came is made again. */
  async function openPull(stream: string, config: Partial<ConsumerConfig>) {
    const durable = config.durable_name as string;
    // A cluster may be choosing a leader just now: that is waited for as long as the first connection is.
    const until = Date.now() + options.connectTimeoutMs;
    const open = async (): Promise<Consumer> => {
      await ensureConsumer(stream, config);
      return js.consumers.get(stream, durable);
    };
    const opened = async (): Promise<Consumer> => {
      for (;;) {
        try {
          return await open();
        } catch (error) {
          if (!isUnsettled(error) || Date.now() >= until) throw unavailable(`consumer ${durable}`, error);
          await sleep(reconnectTriesEveryMs);
        }
      }
    };
    let consumer = await opened();
    let lookAt = Date.now() + lookEveryMs;

    async function look(): Promise<void> {
      await jsm.consumers.info(stream, durable).catch(async (error: unknown) => {
        if (!(error instanceof NatsError) || error.api_error?.code !== 404) throw error;
        log.error({ error, consumer: durable }, 'the consumer is gone; it is made again');
        await sleep(remakeAfterMs);
        await ensureStreams(nc, options);
        consumer = await open();
      });
    }

    let looking: Promise<void> | undefined;
    /** All slots that miss the consumer look for it once, together. */
    function mend(): Promise<void> {
      lookAt = Date.now() + lookEveryMs;
      looking ??= look().finally(() => {
        looking = undefined;
      });
      return looking;
    }

    return async (): Promise<Delivery | undefined> => {
      const message = await consumer.next({ expires: pullExpiresMs }).catch(async (error: unknown) => {
        // Servers say it in different ways that a consumer is no longer there; some say nothing.
        await mend();
        throw error;
      });
      if (message) return deliveryOf(message);
      if (Date.now() >= lookAt) await mend();
      return undefined;
    };
  }

  /**
   * Publishes an event that a run of a job has at most once (or, with `after`, that follows exactly that one). What an
   * earlier run left on the subject is followed; what this run has decided there already comes back with `ours: false`.
   */
  async function decide(event: JobEvent, after?: StoredEvent): Promise<Published> {
    const first = await publish(event, after?.seq ?? 0);
    if (first.ours || first.event.run >= event.run) return first;
    return publish(event, first.event.seq);
  }

  async function listLetters(afterSeq: number, max: number): Promise<StoredLetter[]> {
    const consumer = await js.consumers.get(deadStream, {
      filterSubjects: `${deadSubjectPrefix}.>`,
      deliver_policy: DeliverPolicy.StartSequence,
      opt_start_seq: afterSeq + 1,
    });
    const letters: StoredLetter[] = [];
    const { num_pending: pending } = await consumer.info();
    if (pending === 0) return letters;
    for await (const message of await consumer.fetch({
      max_messages: Math.min(pending, max),
      expires: requestTimeoutMs,
    })) {
      const letter = readLetter(message.data, message.seq);
      if (letter) letters.push(letter);
      if (message.info.pending === 0) break;
    }
    return letters;
  }

  /**
   * A job's newest events, one a subject, from the stream; with `run`, only those of that run. Throws `JobErased`,
   * whichever subjects are asked for: who reads a job before acting on it does not act on an erased one.
   */
  async function readJob(
    jobId: string,
    subjects: readonly Subject[] = stateSubjects,
    run?: number,
  ): Promise<StoredEvent[]> {
    const [found, tombstone] = await Promise.all([
      Promise.all(subjects.map((subject) => readLast(subjectOf(subject, jobId)))),
      subjects.includes('received') ? undefined : tombstoneOf(jobId),
    ]);
    const erased = tombstone ?? found.find((event) => isKind(event, 'erased'));
    if (erased) throw new JobErased(erased);
    return found.filter((event) => event !== undefined && (run === undefined || event.run === run)) as StoredEvent[];
  }

  return {
    publish,
    decide,
    readLast,
    readJob,

    /** The job's `received` event. Throws when the stream has it no longer, `JobErased` where that is why. */
    async readReceived(jobId: string): Promise<StoredEvent<'received'>> {
      const event = await readLast(subjectOf('received', jobId));
      if (isKind(event, 'erased')) throw new JobErased(event);
      if (!isKind(event, 'received')) throw new Error(`job ${jobId} has no received event`);
      return event;
    },

    /**
     * Stores a dead letter under `dead.v1.<step>.<jobId>` and returns its place; repeats with the same id are one.
     * Where the server has no room for it, it is logged instead and undefined returned: a letter never keeps a job from
     * ending. Undefined also where the job is erased, of which none stays.
     */
    async publishDead(id: string, letter: DeadLetter): Promise<number | undefined> {
      const bytes = new TextEncoder().encode(JSON.stringify(letter));
      const subject = `${deadSubjectPrefix}.${letter.step}.${letter.job_id}`;
      for (let tries = 1; ; tries++) {
        try {
          const { seq } = await js.publish(subject, bytes, { msgID: id, timeout: requestTimeoutMs });
          // Looked up behind the letter, not before: erasing deletes what is there when its tombstone is.
          if ((await tombstoneOf(letter.job_id)) === undefined) return seq;
          await deleteAt(deadStream, seq);
          return undefined;
        } catch (error) {
          if (isFull(error)) {
            const { raw_base64: _raw, ...shown } = letter;
            log.error({ error, letter: shown }, 'there is no room for a dead letter');
            return undefined;
          }
          if (tries >= publishTriesMax || !isPassing(error)) throw unavailable(`publish dead letter ${id}`, error);
        }
      }
    },

    /** The dead letters behind a place in their stream, oldest first, at most `max`. */
    listDead: (afterSeq: number, max: number): Promise<StoredLetter[]> =>
      listLetters(afterSeq, max).catch((error: unknown) => {
        throw isPassing(error) ? unavailable('list dead letters', error) : error;
      }),

    /** One dead letter; undefined when there is none at that place. */
    async readDead(seq: number): Promise<StoredLetter | undefined> {
      const stored = await attempt(() => jsm.streams.getMessage(deadStream, { seq }), 'read a dead letter');
      return stored && readLetter(stored.data, seq);
    },

    /** Takes a dead letter out of the list. */
    deleteDead: (seq: number): Promise<void> => deleteAt(deadStream, seq),

    /** Whether a job is erased. */
    isErased: async (jobId: string): Promise<boolean> => (await tombstoneOf(jobId)) !== undefined,

    /** Deletes all that the streams hold of an erased job, the tombstone aside: events and dead letters. */
    async deleteErased({ job_id: jobId, seq }: StoredEvent<'erased'>): Promise<void> {
      const letters = Object.keys(steps).map((step) => `${deadSubjectPrefix}.${step}.${jobId}`);
      await Promise.all([
        wipeSubject(jobsStream, subjectOf('received', jobId), seq),
        ...allSubjects
          .filter((subject) => subject !== 'received')
          .map((subject) => wipeSubject(jobsStream, subjectOf(subject, jobId))),
        ...letters.map((subject) => wipeSubject(deadStream, subject)),
      ]);
    },

    /** The event at a place of the job stream; undefined when there is none, or none that can be read. */
    async readAt(seq: number): Promise<StoredEvent | undefined> {
      const stored = await attempt(() => jsm.streams.getMessage(jobsStream, { seq }), 'read');
      try {
        return stored && { ...parseEvent(stored.data), seq };
      } catch {
        return undefined;
      }
    },

    /** As `openStep`, for the server's own notices of messages that it has given up on (`max_deliver` reached). */
    async openAdvisories(durable: string): Promise<() => Promise<Delivery | undefined>> {
      return openPull(deadStream, {
        durable_name: durable,
        ack_policy: AckPolicy.Explicit,
        deliver_policy: DeliverPolicy.All,
        filter_subject: advisoriesFilter,
        ack_wait: nanos(10_000),
        // The last net: it may never run out.
        max_deliver: -1,
      });
    },

    /** How much a step has left to do: messages waiting and messages in hand. */
    async backlogOf(name: StepName): Promise<{ waiting: number; inHand: number }> {
      const info = await jsm.consumers.info(jobsStream, durableOf(name));
      return { waiting: info.num_pending, inHand: info.num_ack_pending };
    },

    photos: {
      /**
       * Stores a message in the photos' stream and gives its place; repeats with the same id are one. With `after`, only
       * if that is the place of the subject's last one (0: there is none), else undefined. Throws `BrokerUnavailable`.
       */
      async append(
        subject: string,
        bytes: Uint8Array,
        { id, after }: { readonly id: string; readonly after?: number },
      ): Promise<number | undefined> {
        const expect = after === undefined ? {} : { expect: { lastSubjectSequence: after } };
        for (let tries = 1; ; tries++) {
          try {
            return (await js.publish(subject, bytes, { msgID: id, timeout: requestTimeoutMs, ...expect })).seq;
          } catch (error) {
            if (isFull(error)) throw new BrokerUnavailable('the photos’ stream is full', { cause: error, full: true });
            if (isApiError(error, wrongLastSequence)) return undefined;
            if (tries >= publishTriesMax || !isPassing(error)) throw unavailable('store a photo', error);
            await sleep(triesEveryMs);
          }
        }
      },
      /** A subject's last message, asked of the stream's leader; undefined also where no photo was ever stored. */
      last: (subject: string): Promise<StoredMessage | undefined> => readPhotos({ last_by_subj: subject }),
      /** The bytes at a place; undefined where there are none (any more). */
      at: async (seq: number): Promise<Uint8Array | undefined> => (await readPhotos({ seq }))?.data,
      delete: (seq: number): Promise<void> => deleteAt(photosStream, seq),
      /** How much is in it, and how much may be. */
      async fill(): Promise<{ bytes: number; bytesMax: number }> {
        const info = await attempt(() => jsm.streams.info(photosStream), 'look at the photos');
        return { bytes: info?.state.bytes ?? 0, bytesMax: info?.config.max_bytes ?? 0 };
      },
    },

    /** How full the job stream is, 0 to 1. */
    async fill(): Promise<number> {
      const { state, config } = await jsm.streams.info(jobsStream);
      return config.max_bytes > 0 ? state.bytes / config.max_bytes : 0;
    },

    /** Creates or updates a step's durable consumer and gives a function that pulls one message (or none in 2 s). */
    openStep: (name: StepName) => openPull(jobsStream, consumerConfigOf(name)),

    /** Calls `on` with every event stored on a subject from now on, in this process alone, until `stop`. */
    async follow(subject: Subject | '>', on: (event: StoredEvent) => void): Promise<{ stop(): Promise<void> }> {
      const consumer = await js.consumers.get(jobsStream, {
        filterSubjects: subject === '>' ? `${subjectPrefix}.>` : subjectOf(subject, '*'),
        deliver_policy: DeliverPolicy.New,
      });
      const messages = await consumer.consume({
        max_messages: 500,
        callback: (message) => {
          try {
            on({ ...parseEvent(message.data), seq: message.seq });
          } catch (error) {
            log.warn({ error, subject: message.subject }, 'a followed event cannot be read');
          }
        },
      });
      return {
        stop: async () =>
          void (await Promise.race([messages.close(), sleep(requestTimeoutMs, undefined, { ref: false })])),
      };
    },

    /** Gives `on` all that the stream holds by now, in its order, in batches; returns how many events that were. */
    async replay(on: (events: StoredEvent[]) => Promise<void>, batchMax: number): Promise<number> {
      const { state } = await jsm.streams.info(jobsStream);
      if (state.messages === 0) return 0;
      const readFrom = (seq: number) =>
        js.consumers.get(jobsStream, {
          filterSubjects: `${subjectPrefix}.>`,
          deliver_policy: DeliverPolicy.StartSequence,
          opt_start_seq: seq,
        });
      let consumer = await readFrom(1);
      let [count, reached, emptyPages] = [0, 0, 0];
      let lost: NatsError | undefined;
      // Page by page: what is consumed without end comes as fast as the server sends it, however slowly it is dealt with.
      while (emptyPages < emptyPagesMax) {
        const batch: StoredEvent[] = [];
        let last = false;
        lost = undefined;
        try {
          const page = await answered(consumer.fetch({ max_messages: batchMax, expires: requestTimeoutMs }), 'replay');
          for await (const message of page) {
            reached = message.seq;
            try {
              batch.push({ ...parseEvent(message.data), seq: message.seq });
            } catch (error) {
              log.warn({ error, subject: message.subject }, 'an event cannot be replayed');
            }
            last = message.info.pending === 0 || message.seq >= state.last_seq;
            if (last) break;
          }
        } catch (error) {
          // So a newer server says that a reader is no longer there; an older one says nothing.
          if (!(error instanceof NatsError)) throw error;
          lost = error;
        }
        await on(batch);
        count += batch.length;
        if (last) return count;
        if (batch.length > 0 && !lost) continue;
        // Lost on the way, or deleted meanwhile: a reader that has had a gap would begin from the start.
        if (batch.length === 0) emptyPages++;
        consumer = await readFrom(reached + 1);
        if ((await answered(consumer.info(), 'replay')).num_pending === 0) return count;
      }
      throw new BrokerUnavailable('NATS: replay: the server gives no more events', { cause: lost });
    },

    /** A round trip to the server's JetStream; throws when it does not answer in 2 s. */
    async check(): Promise<void> {
      await jsm.streams.info(jobsStream);
    },

    /** Flushes what is on its way, within 2 s, and closes. */
    async close(): Promise<void> {
      closing = true;
      if (nc.isClosed()) return;
      // While the server is away a flush would wait for it; what matters has its acknowledgement already.
      await Promise.race([nc.drain(), sleep(requestTimeoutMs, undefined, { ref: false })]);
      await nc.close();
    },
  };
}

/** Connects once and leaves again, with nothing made there; says what the server is. Throws the client's error. */
export async function askServer(
  options: Pick<BrokerOptions, 'url' | 'name' | 'user' | 'password' | 'tls'> & { readonly timeoutMs: number },
): Promise<{ readonly version: string; readonly jetstream: boolean }> {
  const nc = await connect({ ...loginOf(options), timeout: options.timeoutMs, reconnect: false });
  const { version = 'of unknown version', jetstream = false } = nc.info ?? {};
  await nc.close();
  return { version, jetstream };
}

/** Where to, as whom, and how; the same for every connection. */
function loginOf({
  url,
  name,
  user,
  password,
  tls,
}: Pick<BrokerOptions, 'url' | 'name' | 'user' | 'password' | 'tls'>) {
  return {
    servers: url.split(',').map((server) => server.trim()),
    name,
    ...(tls === undefined ? {} : { tls }),
    ...(user === undefined ? {} : { user, pass: password ?? '', inboxPrefix: inboxPrefixOf(user) }),
  };
}

async function connectWithin(options: BrokerOptions): Promise<NatsConnection> {
  const { user, log } = options;
  const until = Date.now() + options.connectTimeoutMs;
  let told = '';
  for (;;) {
    let nc: NatsConnection | undefined;
    try {
      nc = await connect({
        ...loginOf(options),
        maxReconnectAttempts: -1,
        // Two refused logins, weeks apart, would otherwise close the connection for good.
        ignoreAuthErrorAbort: true,
        reconnectTimeWait: 250,
        reconnectJitter: 100,
        timeout: requestTimeoutMs,
        pingInterval: 10_000,
        maxPingOut: 2,
      });
      await ensureStreams(nc, options);
      return nc;
    } catch (error) {
      await nc?.close();
      const reason = reasonOf(error, { name: 'NATS', user, connectsByTls: options.tls !== undefined });
      if (Date.now() >= until) throw new BrokerUnavailable(`NATS: connect: ${reason}`, { cause: error });
      if (reason !== told) log.info({ reason }, 'waiting for NATS with JetStream');
      told = reason;
      await sleep(reconnectTriesEveryMs);
    }
  }
}

/** The stream definitions; every service creates what is missing, with the same content. */
function streamConfigs(options: Pick<BrokerOptions, 'replicas' | 'jobTtlMs' | 'streamBytesMax' | 'photos'>) {
  const common = {
    retention: RetentionPolicy.Limits,
    storage: StorageType.File,
    discard: DiscardPolicy.New,
    num_replicas: options.replicas,
    max_age: nanos(options.jobTtlMs + dayMs),
    duplicate_window: nanos(120_000),
  };
  const jobs: Partial<StreamConfig> = {
    ...common,
    name: jobsStream,
    subjects: [`${subjectPrefix}.>`],
    max_bytes: options.streamBytesMax,
    max_msg_size: eventBytesMax + 4_096,
  };
  const dead: Partial<StreamConfig> = {
    ...common,
    name: deadStream,
    subjects: [`${deadSubjectPrefix}.>`, advisoriesFilter],
    max_bytes: Math.ceil(options.streamBytesMax / 4),
    // The oldest letters make room: what is given up on now must be seen.
    discard: DiscardPolicy.Old,
  };
  const photos: Partial<StreamConfig> = {
    ...common,
    name: photosStream,
    subjects: ['C', 'M'].map((kind) => `$O.${photosBucket}.${kind}.>`),
    max_bytes: options.photos?.bytesMax ?? 0,
    max_age: nanos(options.photos?.maxAgeMs ?? 0),
    max_msg_size: photoPieceBytesMax + 4_096,
    allow_rollup_hdrs: true,
  };
  return [jobs, dead, ...(options.photos === undefined ? [] : [photos])];
}

/**
 * Creates what is missing; gives what is there the limits of now where that is this connection's business. Throws
 * where they are missing and somebody else's to make.
 */
async function ensureStreams(nc: NatsConnection, options: BrokerOptions): Promise<void> {
  const jsm = await nc.jetstreamManager({ timeout: requestTimeoutMs, checkAPI: false });
  if (!mayMakeStreams(options.user)) {
    await jsm.streams.info(jobsStream).catch((cause: unknown) => {
      if (!(cause instanceof NatsError) || cause.api_error?.err_code !== streamNotFound) throw cause;
      throw new BrokerUnavailable(`the stream ${jobsStream} is not there yet; the gateway makes it`, { cause });
    });
    return;
  }
  for (const config of streamConfigs(options)) {
    await ensureStream(jsm, config, options).catch((error: unknown) => {
      // Jobs go on without uploads; what is uploaded finds no room.
      if (config.name !== photosStream || !isFull(error)) throw error;
      options.log.error({ error, bytes: config.max_bytes }, 'NATS has no room for PHOTO_STORE_BYTES_MAX');
    });
  }
}

async function ensureStream(
  jsm: JetStreamManager,
  config: Partial<StreamConfig>,
  { setsLimits, log }: BrokerOptions,
): Promise<void> {
  const name = config.name as string;
  const { config: present, state } = await jsm.streams.info(name).catch(async (error: unknown) => {
    if (!isApiError(error, streamNotFound)) throw error;
    return jsm.streams.add(config);
  });
  const limits = ['max_bytes', 'max_age', 'max_msg_size', 'num_replicas', 'discard'] as const;
  const changed = limits.some((limit) => present[limit] !== config[limit]);
  if (!changed || !setsLimits) return;
  // nats-server 2.9 would drop the oldest events at once, whatever `discard` says.
  if ((config.max_bytes ?? 0) < state.bytes) {
    const variable = name === photosStream ? 'PHOTO_STORE_BYTES_MAX' : 'STREAM_BYTES_MAX';
    log.error(
      { stream: name, bytes: state.bytes, max_bytes: config.max_bytes },
      `${variable} is below what is stored; the limits are left as they are`,
    );
  } else await jsm.streams.update(name, config);
}

/** A step's consumer, derived from the contract. `max_deliver` is above the step's own limit: a margin for crashes. */
function consumerConfigOf(name: StepName): Partial<ConsumerConfig> {
  const step: Step = steps[name];
  const crashMargin = 3;
  return {
    durable_name: durableOf(name),
    ack_policy: AckPolicy.Explicit,
    deliver_policy: DeliverPolicy.All,
    filter_subject: filterOf(name),
    ack_wait: nanos(step.ackWaitMs),
    max_deliver: Number.isFinite(step.attemptsMax) ? step.attemptsMax + crashMargin : -1,
    max_ack_pending: step.ackPendingMax,
  };
}

function deliveryOf(message: JsMsg): Delivery {
  return {
    seq: message.seq,
    subject: message.subject,
    data: message.data,
    storedAt: new Date(message.info.timestampNanos / 1_000_000),
    deliveries: message.info.deliveryCount,
    redelivered: message.redelivered,
    ack: () => message.ack(),
    nak: (delayMs) => message.nak(delayMs),
    term: (reason) => message.term(reason),
    working: () => message.working(),
  };
}

function isApiError(error: unknown, number: number): boolean {
  return error instanceof NatsError && error.api_error?.err_code === number;
}

/** What is asked for, or `BrokerUnavailable` after `pageTimeoutMs`: the client would ask again for ever. */
async function answered<T>(asking: Promise<T>, what: string): Promise<T> {
  const ended = new AbortController();
  const overdue = sleep(pageTimeoutMs, undefined, { ref: false, signal: ended.signal }).then((): never => {
    throw new BrokerUnavailable(`NATS: ${what}: no answer within ${pageTimeoutMs} ms`);
  });
  try {
    return await Promise.race([asking, overdue]);
  } finally {
    ended.abort();
  }
}

/** Whether the server refused a message because the stream or the disk is full. */
function isFull(error: unknown): boolean {
  return error instanceof NatsError && streamFullCodes.includes(error.api_error?.err_code ?? 0);
}

/** Whether the same call may succeed a moment later: time-outs, no responders, a lost connection, a leader change. */
function isPassing(error: unknown): boolean {
  if (!(error instanceof NatsError)) return false;
  if (error.api_error) return error.api_error.code === 503;
  return ['TIMEOUT', '503', 'DISCONNECT', 'CONNECTION_REFUSED'].includes(error.code);
}

/** As above, or what a cluster says while it is still agreeing on a consumer: that it is not there, or an inner error. */
function isUnsettled(error: unknown): boolean {
  return isPassing(error) || (error instanceof NatsError && [404, 500].includes(error.api_error?.code ?? 0));
}

function unavailableTo(user: string | undefined) {
  return (what: string, cause: unknown): Error =>
    new BrokerUnavailable(`NATS: ${what}: ${reasonOf(cause, { name: 'NATS', user })}`, { cause });
}

/** Tells of what happens to the connection, and once each of what its user is refused: a pull says nothing of that. */
function watchStatus(nc: NatsConnection, { log, user }: BrokerOptions): void {
  const told = new Set<string>();
  const tellOnce = (what: string, fields: object, message: string): void => {
    if (told.has(what) || told.size >= refusalsToldMax) return;
    told.add(what);
    log.error({ user, ...fields }, message);
  };
  (async () => {
    for await (const { type, data, permissionContext } of nc.status()) {
      if (type === 'disconnect') log.warn('NATS: disconnected, reconnecting');
      if (type === 'reconnect') log.info('NATS: connected again');
      if (type === 'reconnect') told.delete('login');
      if (data === 'AUTHORIZATION_VIOLATION') {
        tellOnce('login', {}, `NATS: ${reasonOf({ code: data, message: '' }, { name: 'NATS', user })}`);
      }
      if (permissionContext) {
        const { operation, subject } = permissionContext;
        // Of the subjects of one event the jobs differ.
        const pattern = subject.startsWith(`${subjectPrefix}.`) ? subject.replace(/[^.]*$/, '*') : subject;
        tellOnce(`${operation} ${pattern}`, { operation, subject }, `NATS: ${notPermitted(user, operation, pattern)}`);
      }
    }
  })().catch((error) => log.error({ error }, 'NATS: the status watch ended'));
}
