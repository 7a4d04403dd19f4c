/** What is said of one route, once: the document, the page and the reference are made from it, and answers are checked against it. */
import { type ErrorCode, errorCatalogue } from '@pet-roast/shared';
import type { z } from 'zod';

export type Operation = {
  readonly method: 'get' | 'post' | 'delete';
  /** As OpenAPI writes it: `/api/jobs/{id}/cancel`. */
  readonly path: string;
  readonly id: string;
  readonly tag: string;
  readonly summary: string;
  readonly description?: string;
  readonly parameters?: readonly Parameter[];
  readonly body?: Body;
  /** The same as a form (`multipart/form-data`), where that is taken too. */
  readonly form?: Omit<Body, 'required'>;
  readonly answers: readonly Answer[];
  readonly errors: readonly Failure[];
  /** Whose key or token it takes; absent where it is open to everybody. */
  readonly access?: Access;
};

export type Access = 'caller' | 'operator' | 'metrics';

export type Parameter = {
  readonly in: 'path' | 'query' | 'header';
  readonly name: string;
  readonly about: string;
  readonly schema: z.ZodType;
  readonly required?: true;
  readonly example?: unknown;
};

export type Body = {
  readonly schema: z.ZodType;
  readonly required: boolean;
  /** By name; the first is the one shown. */
  readonly examples: Readonly<Record<string, unknown>>;
};

export type Answer = {
  readonly status: number;
  readonly means: string;
  /** JSON where it is not named. */
  readonly contentType?: string;
  /** Absent where the answer has no body. */
  readonly schema?: z.ZodType;
  readonly examples?: Readonly<Record<string, unknown>>;
  readonly headers?: readonly HeaderName[];
};

/** A code of the catalogue, under its status there or, where the route answers it under another one, under that. */
export type Failure = ErrorCode | { readonly code: ErrorCode; readonly status: number };

/** The headers of answers that mean something, with what they mean. */
export const answerHeaders = {
  location: 'Where the job’s status is.',
  'idempotency-replayed': '`true` where an earlier request with this Idempotency-Key made the job.',
  'retry-after': 'Seconds after which to try again.',
  'www-authenticate': 'Always `Bearer`.',
  'ratelimit-limit': 'Requests that you may make a minute; these three are absent where nothing is limited.',
  'ratelimit-remaining': 'How many of them are left.',
  'ratelimit-reset': 'Seconds until they are all there again.',
} as const;
export type HeaderName = keyof typeof answerHeaders;
export const limitHeaders = ['ratelimit-limit', 'ratelimit-remaining', 'ratelimit-reset'] as const;

/** What every route that takes a caller's key can answer before its own code runs. */
export const callerFailures = ['unauthorized', 'rate_limited'] as const satisfies ErrorCode[];

/** What every route with a JSON body can answer before its own code runs. */
export const bodyFailures = [
  'bad_request',
  'request_too_slow',
  'body_too_large',
  'unsupported_media_type',
] as const satisfies ErrorCode[];

/** The status and code of a failure. */
export function failureOf(failure: Failure): { readonly code: ErrorCode; readonly status: number } {
  return typeof failure === 'string' ? { code: failure, status: errorCatalogue[failure].http } : failure;
}
