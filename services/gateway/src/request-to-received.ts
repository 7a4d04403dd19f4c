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
  HttpError,
  isKind,
  metadataBytesMax,
  type StoredEvent,
  textLengthMax,
  urlLengthMax,
} from '@pet-roast/shared';
import { z } from 'zod';

const abandonTriesMax = 60;
const abandonEveryMs = 1_000;

/** The body of `POST /api/generate-video`. */
export const requestSchema = z.strictObject({
  text: z
    .string()
    .trim()
    .min(1, 'must not be empty')
    .max(textLengthMax, `must have at most ${textLengthMax} characters`)
    .describe('The roast, in any supported language'),
  image_url: z
    .string()
    .trim()
    .max(urlLengthMax, `must have at most ${urlLengthMax} characters`)
    .refine(isHttpUrl, 'must be an http or https address')
    .describe('Where the photo of the pet can be downloaded'),
  source_language: language().optional().describe('ISO code of the text; told from its script where it is not given'),
  target_language: language()
    .optional()
    .describe('ISO code of the video’s language; `TARGET_LANGUAGE` where it is not given'),
  metadata: z
    .record(z.string().max(100), z.unknown())
    .refine((value) => JSON.stringify(value).length <= metadataBytesMax, `must have at most ${metadataBytesMax} bytes`)
    .optional()
    .describe(`Anything of yours, at most ${metadataBytesMax} bytes as JSON; kept with the job`),
});
export type GenerateRequest = z.infer<typeof requestSchema>;

export type Accepted = { readonly jobId: string; readonly stage: 'detected' | 'received'; readonly replayed: boolean };

export type Caller = { readonly requestId: string; readonly idempotencyKey: string | undefined };

export type ReceiveDeps = {
  readonly broker: Broker;
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
 * Throws `HttpError`: the verdict's code when the photo cannot be used, `idempotency_key_reused`, or what the broker's
 * state means for the caller.
 */
export async function receive(request: GenerateRequest, caller: Caller, deps: ReceiveDeps): Promise<Accepted> {
  const jobId = jobIdOf(caller.idempotencyKey);
  try {
    return await receiveAs(jobId, request, caller, deps);
  } catch (error) {
    // The job may be there all the same, and a caller without a key will never ask for it again.
    if (caller.idempotencyKey === undefined && isUncertain(error)) void abandon(jobId, deps);
    throw error;
  }
}

async function receiveAs(
  jobId: string,
  request: GenerateRequest,
  caller: Caller,
  deps: ReceiveDeps,
): Promise<Accepted> {
  const sha256 = contentHashOf(request);
  const received = createEvent('received', jobId, {
    ...request,
    target_language: request.target_language ?? deps.targetLanguage,
    request_id: caller.requestId,
    request_sha256: sha256,
    deadline_at: new Date(Date.now() + deps.jobDeadlineMs).toISOString(),
  });
  const stored = await deps.broker.publish(received, 0);
  if (!isKind(stored.event, 'received')) throw new HttpError('internal');
  if (stored.event.data.request_sha256 !== sha256) throw new HttpError('idempotency_key_reused');
  const replayed = stored.event.data.request_id !== caller.requestId;

  const verdict = (await deps.verdictOf(jobId, deps.detectWaitMs)) ?? (await decideLate(jobId, deps));
  return { jobId, replayed, stage: answerTo(verdict) };
}

/** What the caller is told, given the verdict subject's event. Throws the error of a photo that cannot be used. */
export function answerTo(verdict: StoredEvent): 'detected' | 'received' {
  if (isKind(verdict, 'answered')) return 'received';
  if (isKind(verdict, 'detected')) return verdict.data.late ? 'received' : 'detected';
  if (isKind(verdict, 'rejected')) {
    // A late rejection goes out by webhook: this caller was, or the first caller of its key was, told 202.
    if (verdict.data.late) return 'received';
    throw new HttpError(verdict.data.code as ErrorCode, { field: 'image_url' });
  }
  throw new Error(`${verdict.kind} is no verdict`);
}

/** The key decides the job's id, so that the server decides which of two equal requests made the job. */
export function jobIdOf(key: string | undefined): string {
  if (key === undefined) return crypto.randomUUID();
  const hex = createHash('sha256').update(`idempotency-key:${key}`).digest('hex');
  // The form of a UUID version 8 (RFC 9562 section 5.8: the bits are ours).
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

function isUncertain(error: unknown): boolean {
  return error instanceof BrokerUnavailable && !error.full;
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
  const { text, image_url, source_language, target_language, metadata } = request;
  const content = JSON.stringify([text, image_url, source_language, target_language, metadata]);
  return createHash('sha256').update(content).digest('hex');
}

function language() {
  return z.string().regex(/^[a-z]{2,3}$/, 'must be an ISO 639 code such as `hi`');
}

function isHttpUrl(value: string): boolean {
  const url = URL.parse(value);
  return url !== null && (url.protocol === 'http:' || url.protocol === 'https:') && url.hostname !== '';
}
