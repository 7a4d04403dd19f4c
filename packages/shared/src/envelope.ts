/** The envelope that every event travels in: encode, parse, and the identity that makes repeats harmless. */
import { z } from 'zod';
import { type EventData, type EventKind, eventKinds, events, subjectOf } from './journey.ts';

/** Bytes of one event on the wire; the stream refuses more. 5,000 characters of text are at most 20 kB of UTF-8. */
export const eventBytesMax = 64 * 1024;

export const envelopeSchema = z.object({
  id: z.string().min(1).max(300),
  job_id: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/),
  kind: z.enum(eventKinds as [EventKind, ...EventKind[]]),
  /** A replay of a failed job is the next run of the same job. */
  run: z.number().int().min(1),
  v: z.literal(1),
  time: z.iso.datetime(),
  trace: z.string().optional(),
  data: z.unknown(),
});

type Envelope<Kind extends EventKind> = {
  readonly id: string;
  readonly job_id: string;
  readonly kind: Kind;
  readonly run: number;
  readonly v: 1;
  readonly time: string;
  readonly trace?: string | undefined;
  readonly data: EventData<Kind>;
};

/** An event of one of the given kinds, discriminated by `kind`. */
export type JobEvent<Kind extends EventKind = EventKind> = { [K in Kind]: Envelope<K> }[Kind];

/** An event as the stream holds it: `seq` is its place, the only order there is. */
export type StoredEvent<Kind extends EventKind = EventKind> = JobEvent<Kind> & { readonly seq: number };

/** Thrown for bytes that are no event of this contract; such a message goes to the dead letters as it is. */
export class UnreadableEvent extends Error {
  override readonly name = 'UnreadableEvent';
}

/**
 * Thrown where a job is read, or moved on, that is erased: there is nothing to do for it and nothing to tell of it. A
 * step ends with it as if it were done, and a caller finds no such job.
 */
export class JobErased extends Error {
  override readonly name = 'JobErased';
  readonly tombstone: StoredEvent<'erased'>;

  constructor(tombstone: StoredEvent<'erased'>) {
    super(`job ${tombstone.job_id} is erased`);
    this.tombstone = tombstone;
  }
}

/**
 * Makes an event. Its id is `<jobId>:<kind>`, with the run from the second on and a `part` where one kind can happen
 * several times to a job; it is the message id that the server drops repeats by.
 */
export function createEvent<Kind extends EventKind>(
  kind: Kind,
  jobId: string,
  data: EventData<Kind>,
  options: {
    readonly run?: number;
    readonly part?: string;
    readonly trace?: string | undefined;
    readonly now?: Date;
  } = {},
): Envelope<Kind> {
  const run = options.run ?? 1;
  const id = [jobId, kind, ...(run > 1 ? [`run${run}`] : []), ...(options.part ? [options.part] : [])].join(':');
  const trace = options.trace === undefined ? {} : { trace: options.trace };
  return { id, job_id: jobId, kind, run, v: 1, time: (options.now ?? new Date()).toISOString(), ...trace, data };
}

/** The subject an event is published on. */
export function subjectOfEvent(event: JobEvent): string {
  return subjectOf(events[event.kind].subject, event.job_id);
}

/**
 * The event's bytes on the wire (JSON, UTF-8). Throws a TypeError for data outside the bounds of its kind, which nobody
 * could read, and a RangeError above `eventBytesMax`.
 */
export function encodeEvent(event: JobEvent): Uint8Array {
  const data = events[event.kind].data.safeParse(event.data);
  if (!data.success) throw new TypeError(`event ${event.id} cannot be written: ${z.prettifyError(data.error)}`);
  const bytes = new TextEncoder().encode(JSON.stringify(event));
  if (bytes.length > eventBytesMax)
    throw new RangeError(`event ${event.id} has ${bytes.length} bytes, over ${eventBytesMax}`);
  return bytes;
}

/** Reads an event; unknown keys are ignored, so that a newer sender is understood. Throws `UnreadableEvent`. */
export function parseEvent(bytes: Uint8Array): JobEvent {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    // Without the cause: a SyntaxError quotes what it could not read.
    throw new UnreadableEvent('the message is not JSON');
  }
  const envelope = envelopeSchema.safeParse(json);
  if (!envelope.success) throw new UnreadableEvent(`not an event: ${z.prettifyError(envelope.error)}`);
  const data = events[envelope.data.kind].data.safeParse(envelope.data.data);
  if (!data.success) throw new UnreadableEvent(`not a ${envelope.data.kind} event: ${z.prettifyError(data.error)}`);
  return { ...envelope.data, data: data.data } as JobEvent;
}

/** The texts of events that are not logged and not in dead letters: what is roasted, in both languages, and where its photo is. */
export function contentOf(...job: readonly JobEvent[]): string[] {
  return job.flatMap((event) => {
    if (isKind(event, 'translated')) return [event.data.text];
    if (!isKind(event, 'received')) return [];
    const { text, image_url } = event.data;
    return [text, image_url, URL.parse(image_url)?.hostname ?? ''];
  });
}

/** A run's events among a job's newest; undefined where a later run has begun, which has nothing to do any more. */
export function eventsOfRun(job: readonly StoredEvent[], run: number): StoredEvent[] | undefined {
  return job.some((event) => event.run > run) ? undefined : job.filter((event) => event.run === run);
}

/** Narrows an event to some kinds. */
export function isKind<Kind extends EventKind, E extends JobEvent>(
  event: E | undefined,
  ...kinds: readonly Kind[]
): event is E & { kind: Kind } & JobEvent<Kind> {
  return event !== undefined && (kinds as readonly string[]).includes(event.kind);
}
