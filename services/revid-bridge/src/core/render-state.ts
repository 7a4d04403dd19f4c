/**
 * The vendor's words to ours: what an answer to a submission proves, and what a status says.
 *
 * A submission is paid, and there is no idempotency key: so the question is never "did it fail?" but "is it certain
 * that nothing was started?". Only a `later` or a `refused` is; whatever may have been started is `uncertain`.
 */
import { type ErrorCode, videoUrlLengthMax } from '@pet-roast/shared';
import { z } from 'zod';

export type Submitted =
  | { readonly kind: 'started'; readonly pid: string }
  /** Nothing was started, and trying again may help. */
  | { readonly kind: 'later'; readonly code: ErrorCode; readonly why: string; readonly retryAfterMs?: number }
  /** Nothing was started, and trying again cannot help. */
  | { readonly kind: 'refused'; readonly code: ErrorCode; readonly why: string }
  | { readonly kind: 'uncertain'; readonly why: string };

export type RenderStatus =
  | { readonly kind: 'running'; readonly word: string }
  /** The vendor does not know the pid, or not yet: no verdict. */
  | { readonly kind: 'unknown'; readonly word: string }
  | { readonly kind: 'ready'; readonly videoUrl: string }
  | { readonly kind: 'failed'; readonly why: string };

/** What a pid may look like; the vendor's are texts, and a number is taken for one. */
export const pidSchema = z.union([z.string().min(1).max(200), z.number().transform(String)]);

const submitAnswer = z.looseObject({
  success: z.unknown(),
  // An odd pid must not hide what the rest says.
  pid: pidSchema.optional().catch(undefined),
  error: z.unknown().optional(),
});

const statusAnswer = z.looseObject({
  status: z.string(),
  videoUrl: z.string().nullish(),
  error: z.unknown().optional(),
});

/**
 * Reads the answer to `POST /render`. Success is `success: 1` with a pid, whatever the HTTP status says. `why` is all that
 * the vendor says: what it quotes of the job is for the caller to hide, and only then to cut.
 */
export function readSubmitted(httpStatus: number, body: unknown, retryAfterMs?: number): Submitted {
  const answer = submitAnswer.safeParse(body);
  if (answer.success && answer.data.pid !== undefined && saysStarted(httpStatus, answer.data.success)) {
    return { kind: 'started', pid: answer.data.pid };
  }
  const why = `HTTP ${httpStatus}${answer.success && answer.data.error !== undefined ? `: ${textOf(answer.data.error, Number.POSITIVE_INFINITY)}` : ''}`;
  if (httpStatus === 429) {
    return { kind: 'later', code: 'render_unreachable', why, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
  }
  if (httpStatus === 408 || httpStatus === 409 || httpStatus >= 500) return { kind: 'uncertain', why };
  if (httpStatus >= 400) return { kind: 'refused', code: refusalOf(httpStatus, why), why };
  if (answer.success && answer.data.success === 0) return { kind: 'refused', code: refusalOf(httpStatus, why), why };
  return { kind: 'uncertain', why: `${why}: neither success 1 with a pid nor success 0` };
}

/** `success: 1` is the documented word; in a 2xx with a pid, anything but a plain no is taken for it. */
function saysStarted(httpStatus: number, success: unknown): boolean {
  if (success === 1) return true;
  return httpStatus >= 200 && httpStatus < 300 && ![0, '0', false, 'false'].includes(success as string);
}

/** Socket errors that come before a byte of the request is sent: nothing can have been started. */
const beforeSending = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
  // A certificate that does not hold ends the handshake (Node.js' documentation of tls, "X509 certificate error codes").
  'CERT_HAS_EXPIRED',
  'CERT_NOT_YET_VALID',
  'CERT_REVOKED',
  'CERT_UNTRUSTED',
  'CERT_REJECTED',
  'CERT_SIGNATURE_FAILURE',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'ERR_TLS_CERT_ALTNAME_INVALID',
  'HOSTNAME_MISMATCH',
  'INVALID_CA',
  'INVALID_PURPOSE',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
]);
/** The client's own word for a request that cannot be made at all, whatever the vendor would say. */
const neverMade = 'UND_ERR_INVALID_ARG';

/** Reads the error of a submission that got no answer. */
export function readSubmitError(error: unknown): Submitted {
  const why = textOf(error);
  if (codeOf(error) === neverMade) return { kind: 'refused', code: 'render_refused', why };
  return beforeSending.has(codeOf(error)) && !isOnOpenConnection(error)
    ? { kind: 'later', code: 'render_unreachable', why }
    : { kind: 'uncertain', why };
}

/**
 * Reads a status payload, a callback's or a poll's. Words that only some clients know count too; an unknown word is
 * not an end, and the deadline is its bound. `ready` without an address that an event may have is not ready.
 */
export function readStatus(body: unknown): RenderStatus {
  const answer = statusAnswer.safeParse(body);
  if (!answer.success) return { kind: 'running', word: 'unreadable' };
  const word = answer.data.status.toLowerCase();
  if (['ready', 'completed', 'complete', 'done', 'success'].includes(word)) {
    const videoUrl = answer.data.videoUrl ?? undefined;
    return isVideoUrl(videoUrl) ? { kind: 'ready', videoUrl } : { kind: 'running', word };
  }
  if (['failed', 'failure', 'error', 'canceled', 'cancelled'].includes(word)) {
    return { kind: 'failed', why: answer.data.error === undefined ? word : `${word}: ${textOf(answer.data.error)}` };
  }
  return { kind: 'running', word };
}

function refusalOf(httpStatus: number, why: string): ErrorCode {
  const account = [401, 402, 403].includes(httpStatus) || /credit|plan|api.?key|unauthori[sz]ed/i.test(why);
  return account ? 'render_account_refused' : 'render_refused';
}

/** Hosts and networks can become unreachable in the middle of a connection too: then something was sent. */
function isOnOpenConnection(error: unknown): boolean {
  const { syscall } = error as { syscall?: string };
  return syscall === 'read' || syscall === 'write';
}

/** The code of a socket error, also of the first of several (one for each address that was tried). */
function codeOf(error: unknown): string {
  const { code, errors, cause } = error as { code?: string; errors?: unknown[]; cause?: unknown };
  if (typeof code === 'string' && code !== '') return code;
  if (errors?.[0] !== undefined) return codeOf(errors[0]);
  return cause === undefined ? '' : codeOf(cause);
}

function textOf(error: unknown, lengthMax = 300): string {
  const text =
    error instanceof Error
      ? `${error.name} ${error.message}`
      : typeof error === 'string'
        ? error
        : JSON.stringify(error);
  return text.slice(0, lengthMax);
}

function isVideoUrl(value: string | undefined): value is string {
  if (value === undefined || value.length > videoUrlLengthMax) return false;
  const url = URL.parse(value);
  return url?.protocol === 'https:' || url?.protocol === 'http:';
}
