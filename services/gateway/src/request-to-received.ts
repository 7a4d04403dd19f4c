/**
 * A request becomes a job: validate, name it, make it durable, wait for the verdict on its photo.
 *
 * Whether the caller reads the verdict in the answer or later by webhook is decided once, on the job's verdict subject:
 * the detector and the gateway's "answered before the verdict" both publish there with expected sequence 0. Whoever
 * loses acts on what the winner said, so that a caller hears of a bad photo exactly once.
 */
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Broker,
  BrokerUnavailable,
  createEvent,
  type ErrorCode,
  type EventData,
  HttpError,
  isKind,
  type JobEvent,
  languageCodes,
  metadataBytesMax,
  type StoredEvent,
  type StoredPhoto,
  subjectOf,
  textLengthMax,
  urlLengthMax,
} from '@pet-roast/shared';
import { z } from 'zod';
import type { OpenJobs } from './open-jobs.ts';
import type { Photos } from './photos.ts';
import type { Upload } from './read-form.ts';

const abandonTriesMax = 60;
const abandonEveryMs = 1_000;

/** The body of `POST /api/generate-video`. */
export const requestSchema = z.strictObject({
  text: z
    .string()
    .trim()
    .min(1, 'must not be empty')
    .max(textLengthMax, `must have at most ${textLengthMax} characters`)
    .describe(`The roast, in English or a language of India: ${[...languageCodes].join(', ')}`),
  image_url: z
    .string()
    .trim()
    .max(urlLengthMax, `must have at most ${urlLengthMax} characters`)
    .refine(isHttpUrl, 'must be an http or https address')
    .describe('Where the photo of the pet can be downloaded'),
  source_language: language()
    .optional()
    .describe(
      'ISO code of the text; told from its script where it is not given. A text in Latin letters is translated only where this says `en`: it may as well be a romanised language of India',
    ),
  target_language: language()
    .optional()
    .describe('ISO code of the video’s language; `TARGET_LANGUAGE` where it is not given'),
  metadata: z
    .record(z.string().max(100), z.unknown())
    .refine((value) => bytesOf(value) <= metadataBytesMax, `must have at most ${metadataBytesMax} bytes`)
    .optional()
    .describe(`Anything of yours, at most ${metadataBytesMax} bytes as JSON; kept with the job`),
});

/** As JSON; what is nested so deep that it cannot be written is larger than anything. */
function bytesOf(value: unknown): number {
  try {
    return Buffer.byteLength(JSON.stringify(value));
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

/** The text fields of the same request as a form, which carries the photo itself. */
export const formSchema = requestSchema.omit({ image_url: true });
export type GenerateRequest = z.infer<typeof formSchema> &
  ({ readonly image_url: string } | { readonly image: Upload });

export type Accepted = { readonly jobId: string; readonly stage: 'detected' | 'received'; readonly replayed: boolean };

export type Caller = {
  /** Whose job it will be; undefined where no key is asked for. */
  readonly name: string | undefined;
  readonly requestId: string;
  readonly idempotencyKey: string | undefined;
};

export type ReceiveDeps = {
  readonly broker: Broker;
  readonly openJobs: OpenJobs;
  /** Undefined where uploads are not configured; requests with a photo then never come here. */
  readonly photos: Photos | undefined;
  /** Resolves with the job's first verdict event, or undefined when `timeoutMs` pass without one. */
  readonly verdictOf: (jobId: string, timeoutMs: number) => Promise<StoredEvent | undefined>;
  /** Why no job can be accepted now; undefined when one can. */
  readonly refusal: () => string | undefined;
  readonly targetLanguage: string;
  readonly detectWaitMs: number;
  readonly jobDeadlineMs: number;
};

/**
 * Makes a valid request a job and waits for the answer its caller gets.
 * Throws `HttpError`: the verdict's code when the photo cannot be used, `idempotency_key_reused`, `job_erased`,
 * `too_many_jobs`, or what the broker's state means for the caller.
 */
export async function receive(request: GenerateRequest, caller: Caller, deps: ReceiveDeps): Promise<Accepted> {
  const jobId = jobIdOf(caller.idempotencyKey, caller.name);
  let isStored = false;
  try {
    return await receiveAs(jobId, request, caller, deps, () => {
      isStored = true;
    });
  } catch (error) {
    // The job is, or may be, there all the same, and a caller without a key will never ask for it again.
    const isThere = error instanceof BrokerUnavailable && (isStored || !error.full);
    if (caller.idempotencyKey === undefined && isThere) void abandon(jobId, deps);
    throw error;
  }
}

async function receiveAs(
  jobId: string,
  request: GenerateRequest,
  caller: Caller,
  deps: ReceiveDeps,
  onStored: () => void,
): Promise<Accepted> {
  const sha256 = contentHashOf(request);
  const deadlineMs = Date.now() + deps.jobDeadlineMs;
  const upload = uploadOf(request);
  const { source_language, metadata } = request;
  const received = createEvent('received', jobId, {
    text: request.text,
    ...photoOf(request, jobId, deadlineMs, deps),
    ...(source_language === undefined ? {} : { source_language }),
    target_language: request.target_language ?? deps.targetLanguage,
    ...(metadata === undefined ? {} : { metadata }),
    request_id: caller.requestId,
    request_sha256: sha256,
    ...(caller.name === undefined ? {} : { owner: caller.name }),
    deadline_at: new Date(deadlineMs).toISOString(),
  });
  const known = upload && caller.idempotencyKey !== undefined ? await readKnown(jobId, deps) : undefined;
  const stored = known ?? (await store(received, upload, deps));
  onStored();
  upload?.drop();
  if (stored.request_sha256 !== sha256) throw new HttpError('idempotency_key_reused');
  const replayed = stored.request_id !== caller.requestId;

  const verdict = (await deps.verdictOf(jobId, deps.detectWaitMs)) ?? (await decideLate(jobId, deps));
  return { jobId, replayed, stage: answerTo(verdict, upload ? 'image' : 'image_url') };
}

/** Where the photo is: at the caller's address or, if it was uploaded, in our store and at an address of ours. */
function photoOf(request: GenerateRequest, jobId: string, deadlineMs: number, { photos }: ReceiveDeps) {
  if ('image_url' in request) return { image_url: request.image_url };
  if (photos === undefined) throw new HttpError('uploads_not_configured');
  return { image_url: photos.urlFor(jobId, deadlineMs), image_id: jobId };
}

/** An earlier request with this key: looked for before a photo is stored, or every repeat would store it anew. */
async function readKnown(jobId: string, { broker }: ReceiveDeps): Promise<EventData<'received'> | undefined> {
  const event = await broker.readLast(subjectOf('received', jobId));
  if (isKind(event, 'erased')) throw new HttpError('job_erased');
  return isKind(event, 'received') ? event.data : undefined;
}

/**
 * Makes the request durable, its photo first, counted to its owner's open jobs, and gives what is stored: an earlier
 * request's with its key. A photo whose request could not be stored is deleted.
 */
async function store(
  received: JobEvent<'received'>,
  upload: Upload | undefined,
  deps: ReceiveDeps,
): Promise<EventData<'received'>> {
  const { job_id, data } = received;
  const isCounted = await deps.openJobs.enter(data.owner, job_id, Date.parse(data.deadline_at));
  let photo: StoredPhoto | undefined;
  try {
    photo = upload && (await deps.photos?.keep({ ...upload, id: job_id }));
    const { event } = await deps.broker.publish(received, 0);
    if (isKind(event, 'erased')) throw new HttpError('job_erased');
    if (!isKind(event, 'received')) throw new HttpError('internal');
    const isRepeat = event.data.request_id !== data.request_id;
    // What is over already has had its outcome: nothing would take it out, or delete its photo, again.
    const isOver = isRepeat && (isCounted || photo !== undefined) && (await hasOutcome(job_id, deps));
    if (isCounted && isOver) await deps.openJobs.leave(data.owner, job_id);
    if (photo && isRepeat && (isOver || event.data.image_id === undefined)) await deps.photos?.discard(photo);
    return event.data;
  } catch (error) {
    // If it was stored all the same, the projection will count it.
    if (isCounted) await deps.openJobs.leave(data.owner, job_id);
    // Where this one had no room, there may still be the job of another request with its key, and with this photo.
    if (photo && error instanceof BrokerUnavailable) void deps.photos?.discardWithoutJob(photo);
    else if (photo) await deps.photos?.discard(photo);
    throw error;
  }
}

async function hasOutcome(jobId: string, { broker }: ReceiveDeps): Promise<boolean> {
  return (await broker.readLast(subjectOf('outcome', jobId))) !== undefined;
}

/**
 * What the caller is told, given the verdict subject's event. Throws the error of a photo that cannot be used, with the
 * `field` that it came in.
 */
export function answerTo(verdict: StoredEvent, field = 'image_url'): 'detected' | 'received' {
  if (isKind(verdict, 'answered')) return 'received';
  if (isKind(verdict, 'detected')) return verdict.data.late ? 'received' : 'detected';
  if (isKind(verdict, 'rejected')) {
    // A late rejection goes out by webhook: this caller was, or the first caller of its key was, told 202.
    if (verdict.data.late) return 'received';
    throw new HttpError(verdict.data.code as ErrorCode, { field });
  }
  throw new Error(`${verdict.kind} is no verdict`);
}

/**
 * The key decides the job's id, so that the server decides which of two equal requests made the job. It is its owner's key:
 * the same one of two owners is two jobs.
 */
export function jobIdOf(key: string | undefined, owner?: string): string {
  if (key === undefined) return crypto.randomUUID();
  // A name has no colon, so that no owner and key together are what another owner's, or a key without one, are.
  const named = owner === undefined ? '' : `owner:${owner}:`;
  const hex = createHash('sha256').update(`${named}idempotency-key:${key}`).digest('hex');
  // The form of a UUID version 8 (RFC 9562 section 5.8: the bits are ours).
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

/** Ends a job whose caller was told 503, without a webhook, as soon as the broker can be told. */
async function abandon(jobId: string, deps: ReceiveDeps): Promise<void> {
  const outcome = createEvent('failed', jobId, { code: 'unavailable', at: 'gateway', notify: false });
  for (let tries = 0; tries < abandonTriesMax; tries++) {
    const done = await deps.broker.decide(outcome).then(
      () => true,
      () => false,
    );
    if (done) return;
    await sleep(abandonEveryMs, undefined, { ref: false });
  }
}

/** Time is up: says so on the verdict subject, unless the detector was faster. */
async function decideLate(jobId: string, deps: ReceiveDeps): Promise<StoredEvent> {
  const answered = createEvent('answered', jobId, { waited_ms: deps.detectWaitMs });
  const decided = await deps.broker.publish(answered, 0);
  return decided.event;
}

function contentHashOf(request: GenerateRequest): string {
  const { text, source_language, target_language, metadata } = request;
  const photo = 'image_url' in request ? request.image_url : { sha256: request.image.sha256 };
  const content = JSON.stringify([text, photo, source_language, target_language, metadata]);
  return createHash('sha256').update(content).digest('hex');
}

function uploadOf(request: GenerateRequest): Upload | undefined {
  return 'image' in request ? request.image : undefined;
}

function language() {
  return z.string().regex(/^[a-z]{2,3}$/, 'must be an ISO 639 code such as `hi`');
}

function isHttpUrl(value: string): boolean {
  const url = URL.parse(value);
  return url !== null && (url.protocol === 'http:' || url.protocol === 'https:') && url.hostname !== '';
}
