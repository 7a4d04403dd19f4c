/** Errors by the service's code. HTTP statuses tell less: a code can also come in a job's status, long after its answer. */

export type PetRoastErrorOptions = {
  readonly message: string;
  readonly suggestion?: string | undefined;
  readonly status?: number | undefined;
  readonly requestId?: string | undefined;
  readonly field?: string | undefined;
  readonly retryAfterMs?: number | undefined;
  readonly retryable?: boolean | undefined;
  readonly cause?: unknown;
};

/** Everything that this package throws, a caller's abort and wrong arguments (`TypeError`) aside. */
export class PetRoastError extends Error {
  override readonly name: string = 'PetRoastError';
  /** One of the service's codes, or `network_error`, `timeout`, `unexpected_answer`. New ones may come. */
  readonly code: string;
  /** HTTP status of the answer; undefined where the error is none (no answer, or a job that failed later). */
  readonly status: number | undefined;
  /** What to do, one sentence for people. */
  readonly suggestion: string;
  /** For a question to the operator of the service. */
  readonly requestId: string | undefined;
  /** The part of the request that is wrong. */
  readonly field: string | undefined;
  /** When the service wants to be asked again. */
  readonly retryAfterMs: number | undefined;
  /** Whether the same call may succeed later; the client has then tried its retries already. */
  readonly retryable: boolean;
  /** Of `generateVideo`: the key to repeat the call with, so that it cannot become two jobs. */
  idempotencyKey: string | undefined;

  constructor(code: string, options: PetRoastErrorOptions) {
    super(options.message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.status = options.status;
    this.suggestion = options.suggestion ?? '';
    this.requestId = options.requestId;
    this.field = options.field;
    this.retryAfterMs = options.retryAfterMs;
    this.retryable = options.retryable ?? false;
    this.idempotencyKey = undefined;
  }
}

// Each has a name of its own type, or TypeScript would take one for another after `instanceof`.

/** There is no pet in the photo: ask for another one. `suggestion` can be shown to people. */
export class NoPetsDetectedError extends PetRoastError {
  override readonly name = 'NoPetsDetectedError';
}
/** The request is wrong, the photo included; the same one will never be accepted. */
export class InvalidRequestError extends PetRoastError {
  override readonly name = 'InvalidRequestError';
}
/** There is no job with this id, or no longer; `job_erased`: the job of this Idempotency-Key was erased. */
export class JobNotFoundError extends PetRoastError {
  override readonly name = 'JobNotFoundError';
}
/** The video is not finished yet. */
export class NotReadyError extends PetRoastError {
  override readonly name = 'NotReadyError';
}
/** The job is over without a video; `code` says why. */
export class RenderFailedError extends PetRoastError {
  override readonly name = 'RenderFailedError';
}
/** The job was cancelled. */
export class JobCancelledError extends PetRoastError {
  override readonly name = 'JobCancelledError';
}
/** The service wants a key and got none, or not one of its own: see `apiKey`. */
export class UnauthorizedError extends PetRoastError {
  override readonly name = 'UnauthorizedError';
}
/** Too many requests, or too many jobs that are not over yet (`code` says which): see `retryAfterMs`; retryable. */
export class RateLimitedError extends PetRoastError {
  override readonly name = 'RateLimitedError';
}
/** The service has too much to do; retryable. */
export class OverloadedError extends PetRoastError {
  override readonly name = 'OverloadedError';
}
/** The service, or a proxy in front of it, cannot work right now; retryable. */
export class UnavailableError extends PetRoastError {
  override readonly name = 'UnavailableError';
}
/** No answer came: a name that does not resolve, a refused or broken connection; retryable. */
export class NetworkError extends PetRoastError {
  override readonly name = 'NetworkError';
}
/** No answer in time, or no finished video in the time that `waitForVideo` was given; retryable. */
export class TimeoutError extends PetRoastError {
  override readonly name = 'TimeoutError';
}

type ErrorClass = typeof PetRoastError;

const classes: ReadonlyMap<string, ErrorClass> = new Map([
  ...entries(NoPetsDetectedError, ['no_pets_detected']),
  ...entries(InvalidRequestError, [
    'bad_request',
    'unsupported_media_type',
    'body_too_large',
    'invalid_field',
    'idempotency_key_reused',
    'idempotency_key_invalid',
    'language_not_supported',
    'image_unreachable',
    'image_not_an_image',
    'image_too_large',
    'image_address_refused',
    'image_gone',
    'uploads_not_configured',
  ]),
  ...entries(JobNotFoundError, ['job_not_found', 'job_erased']),
  ...entries(NotReadyError, ['result_not_ready']),
  ...entries(RenderFailedError, [
    'detection_failed',
    'translation_failed',
    'render_refused',
    'render_account_refused',
    'render_unreachable',
    'render_failed',
    'render_timed_out',
    'render_outcome_unknown',
    'deadline_exceeded',
    'attempts_exhausted',
  ]),
  ...entries(JobCancelledError, ['cancelled']),
  ...entries(UnauthorizedError, ['unauthorized']),
  ...entries(RateLimitedError, ['rate_limited', 'too_many_jobs']),
  ...entries(OverloadedError, ['overloaded']),
  ...entries(UnavailableError, ['unavailable']),
  ...entries(NetworkError, ['network_error']),
  ...entries(TimeoutError, ['timeout', 'request_too_slow']),
]);
const retryableClasses: readonly ErrorClass[] = [
  RateLimitedError,
  OverloadedError,
  UnavailableError,
  NetworkError,
  TimeoutError,
];

/** The error of a code, of the class that is its; a code that this version does not know is a plain `PetRoastError`. */
export function createError(code: string, options: PetRoastErrorOptions): PetRoastError {
  const Class = classes.get(code) ?? PetRoastError;
  return new Class(code, { ...options, retryable: options.retryable ?? retryableClasses.includes(Class) });
}

function entries(Class: ErrorClass, codes: readonly string[]): [string, ErrorClass][] {
  return codes.map((code) => [code, Class]);
}
