/** What an answer is: parsed, checked for what its caller relies on, or the error that it means. */
import { createError, type PetRoastError } from './errors.ts';

/** An HTTP answer whose body has been read. */
export type Answer = { readonly status: number; readonly headers: Headers; readonly text: string };

type Fields = Readonly<Record<string, unknown>>;

/** Statuses of a service, or a proxy before it, that will work again. */
const passing: readonly number[] = [429, 502, 503, 504];
const retryAfterMsMax = 3_600_000;

/**
 * The body of a success, which must have text in each of the named fields. Throws the error that the service answered,
 * or `unexpected_answer` for what cannot have come from the service.
 */
export function read<T>(answer: Answer, required: readonly (keyof T & string)[]): T {
  const body = parseObject(answer.text);
  if (answer.status < 200 || answer.status > 299) throw errorOf(answer, body);
  if (body === undefined || required.some((name) => typeof body[name] !== 'string')) {
    throw unexpected(answer, 'an answer that is not the one documented');
  }
  return body as T;
}

/** Checks that an answer is a success without a body (204). Throws as `read` does. */
export function readEmpty(answer: Answer): void {
  if (answer.status === 204) return;
  if (answer.status < 200 || answer.status > 299) throw errorOf(answer, parseObject(answer.text));
  throw unexpected(answer, 'an answer that is not the one documented');
}

/** An object out of JSON; undefined for anything else. */
export function parseObject(text: string): Fields | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : undefined;
  } catch {
    return undefined;
  }
}

function errorOf(answer: Answer, body: Fields | undefined): PetRoastError {
  const detail = body?.['detail'] as Fields | null | undefined;
  const code = textOf(detail?.['error']);
  const retryAfterMs = retryAfterMsOf(answer.headers.get('retry-after'));
  if (code === undefined) return foreignError(answer, retryAfterMs);
  return createError(code, {
    message: textOf(detail?.['message']) ?? code,
    suggestion: textOf(detail?.['suggestion']),
    status: answer.status,
    requestId: textOf(body?.['request_id']),
    field: textOf(detail?.['field']),
    retryAfterMs,
    // The service's own 502s are a job's end and final; only their codes tell.
    ...(answer.status === 429 ? { retryable: true } : {}),
  });
}

/** Not the service's error shape, so a proxy's, or another server's altogether. */
function foreignError(answer: Answer, retryAfterMs: number | undefined): PetRoastError {
  if (!passing.includes(answer.status)) return unexpected(answer, `HTTP ${answer.status} without one of its errors`);
  return createError(answer.status === 429 ? 'rate_limited' : 'unavailable', {
    message: `The service answered HTTP ${answer.status}.`,
    suggestion: 'Try again in a few seconds.',
    status: answer.status,
    retryAfterMs,
  });
}

function unexpected(answer: Answer, what: string): PetRoastError {
  const location = answer.headers.get('location');
  const redirect = location !== null && answer.status > 299 && answer.status < 400;
  return createError('unexpected_answer', {
    message: `Pet Roast gave ${what}${redirect ? `, a redirect to ${withoutQuery(location)}` : ''}.`,
    suggestion:
      'Check that baseUrl is the address of the Pet Roast gateway itself, with https where it redirects to it.',
    status: answer.status,
  });
}

/** Seconds or an HTTP date (RFC 9110 section 10.2.3), 0 to an hour. */
function retryAfterMsOf(header: string | null): number | undefined {
  if (header === null) return undefined;
  const isSeconds = /^\d+$/.test(header);
  // Date.parse alone reads nearly anything as a date; HTTP's dates end in GMT.
  if (!isSeconds && !header.endsWith(' GMT')) return undefined;
  const waitMs = isSeconds ? Number(header) * 1_000 : Date.parse(header) - Date.now();
  return Number.isNaN(waitMs) ? undefined : Math.min(Math.max(waitMs, 0), retryAfterMsMax);
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function withoutQuery(location: string): string {
  return location.replace(/[?#].*$/s, '');
}
