/**
 * The two failure words of every stage, and the one catalogue of error codes.
 *
 * A handler that throws `RetryLater` is tried again within its stage's bounds; one that throws `Permanent` ends the
 * job with that code at once. Anything else that is thrown counts as `RetryLater` with the code `internal`.
 */

/** How an error code reads to the caller: `http` is used where the code is answered by the gateway or the bridge. */
export type ErrorEntry = { readonly http: number; readonly message: string; readonly suggestion: string };

/** Every code that a caller, a webhook or an operator can meet. `docs/errors.md` is generated from it. */
export const errorCatalogue = {
  // The request itself
  bad_request: entry(400, 'The request could not be read.', 'Send JSON as the API reference shows.'),
  unsupported_media_type: entry(415, 'The body is not JSON.', 'Send `content-type: application/json`.'),
  body_too_large: entry(413, 'The body is larger than this service accepts.', 'Send a shorter text and an image URL.'),
  invalid_field: entry(422, 'A field is missing or not valid.', 'Correct the named field and send it again.'),
  unauthorized: entry(
    401,
    'The key or token is missing or not valid.',
    'Send your API key as `Authorization: Bearer` or `X-API-Key`, an operator’s token as `Authorization: Bearer`.',
  ),
  request_too_slow: entry(
    408,
    'The request did not arrive in time.',
    'Send it again; over a slow line send a smaller photo, or the address of one.',
  ),
  rate_limited: entry(429, 'These are too many requests.', 'Try again after the seconds given in Retry-After.'),
  too_many_jobs: entry(
    429,
    'Too many of your jobs are not over yet.',
    'Try again after the seconds given in Retry-After, when some of them are over.',
  ),
  not_found: entry(404, 'There is nothing at this address.', 'Check the path against the API reference.'),
  job_not_found: entry(
    404,
    'There is no job with this id.',
    'Check the id; jobs are forgotten after their retention, and when they are erased.',
  ),
  result_not_ready: entry(409, 'The video is not ready yet.', 'Wait for the webhook or ask again in five seconds.'),
  job_not_over: entry(409, 'The job is not over yet.', 'Cancel it first, or wait until it is over.'),
  job_erased: entry(410, 'The job of this Idempotency-Key was erased.', 'Use a new key for a new request.'),
  job_already_over: entry(409, 'The job is already over.', 'Read its status for how it ended.'),
  idempotency_key_reused: entry(
    422,
    'This Idempotency-Key was used with a different body.',
    'Use a new key for a new request, or repeat the same body.',
  ),
  idempotency_key_invalid: entry(422, 'The Idempotency-Key is not valid.', 'Send 1 to 255 visible ASCII characters.'),
  overloaded: entry(503, 'The service is busy.', 'Try again after the seconds given in Retry-After.'),
  unavailable: entry(
    503,
    'The service cannot accept jobs right now.',
    'Try again in a few seconds, with an Idempotency-Key: then a repeat is never a second job.',
  ),
  letter_not_found: entry(404, 'There is no dead letter with this id.', 'List the dead letters; it may be replayed.'),
  not_replayable: entry(409, 'This dead letter cannot be replayed.', 'Read the message for why.'),
  second_payment_possible: entry(
    409,
    'The vendor may have been paid for this job already.',
    'Look the job up at the vendor; to pay again, replay it with allow_second_payment: true.',
  ),
  internal: entry(500, 'Something went wrong on our side.', 'Try again; if it stays, report the request id.'),

  // The photo
  no_pets_detected: entry(
    400,
    'No pets were found in the photo.',
    'Please upload a clear photo of your pet: a dog, cat, bird, horse, sheep, cow, elephant, bear, zebra or giraffe.',
  ),
  image_unreachable: entry(
    422,
    'The image could not be downloaded.',
    'Check that image_url is public and answers with the image itself.',
  ),
  image_not_an_image: entry(
    422,
    'The photo is not an image that can be read.',
    'Use a JPEG, PNG, WebP, GIF or AVIF image; HEIC, which some phones make, cannot be read.',
  ),
  image_too_large: entry(422, 'The image is too large.', 'Use an image of at most 20 MB and 50 megapixels (AVIF: 16).'),
  image_address_refused: entry(
    422,
    'The image address is not allowed.',
    'Use a public http(s) address without credentials.',
  ),
  image_gone: entry(
    410,
    'The uploaded photo is no longer kept.',
    'Send the photo again, in a new request with a new Idempotency-Key: photos are deleted when their job is over.',
  ),
  uploads_not_configured: entry(
    501,
    'Photos cannot be uploaded to this service.',
    'Send the address of the photo as `image_url`, in JSON.',
  ),
  detection_failed: entry(502, 'The photo could not be checked.', 'Send the request again.'),

  // The way to the video
  translation_failed: entry(502, 'The text could not be translated.', 'Send the request again, or send it in English.'),
  language_not_supported: entry(
    422,
    'This language pair is not supported.',
    'Use one of the languages in the API reference.',
  ),
  render_refused: entry(502, 'The video service refused the job.', 'Change the text or the photo and send it again.'),
  render_account_refused: entry(
    502,
    'The video service refused our account.',
    'The operator has to check the key, plan and credits; then replay the job.',
  ),
  render_unreachable: entry(502, 'The video service could not be reached.', 'Send the request again later.'),
  render_failed: entry(502, 'The video could not be made.', 'Send the request again, perhaps with another photo.'),
  render_timed_out: entry(502, 'The video did not become ready in time.', 'Send the request again later.'),
  render_outcome_unknown: entry(
    502,
    'It is not known whether the video was made.',
    'The operator can look the render up; nothing is submitted twice by itself.',
  ),
  deadline_exceeded: entry(502, 'The job took longer than allowed.', 'Send the request again.'),
  attempts_exhausted: entry(502, 'A step of the job kept failing.', 'The operator finds it among the dead letters.'),
  cancelled: entry(409, 'The job was cancelled.', 'Send a new request if the video is wanted after all.'),
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof errorCatalogue;

/** Whether a string is one of the catalogue's codes. */
export function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(errorCatalogue, code);
}

type FailureOptions = {
  /** For operators and logs; never shown to a caller. */
  readonly detail?: string;
  readonly cause?: unknown;
};

/** This attempt failed for a reason that may pass. `retryAfterMs` is the other side's own wish, if it gave one. */
export class RetryLater extends Error {
  override readonly name = 'RetryLater';
  readonly code: ErrorCode;
  readonly retryAfterMs: number | undefined;

  constructor(code: ErrorCode, options: FailureOptions & { readonly retryAfterMs?: number | undefined } = {}) {
    super(options.detail ?? errorCatalogue[code].message, { cause: options.cause });
    this.code = code;
    this.retryAfterMs = options.retryAfterMs;
  }
}

/** No further attempt can help: the job ends with this code. */
export class Permanent extends Error {
  override readonly name = 'Permanent';
  readonly code: ErrorCode;

  constructor(code: ErrorCode, options: FailureOptions = {}) {
    super(options.detail ?? errorCatalogue[code].message, { cause: options.cause });
    this.code = code;
  }
}

function entry(http: number, message: string, suggestion: string): ErrorEntry {
  return { http, message, suggestion };
}
