/**
 * What goes over the wire, under the names it has there, so that the API's documentation, an error's `field` and this
 * package use one vocabulary.
 */

/** A photo and a roast: the photo's address, or the photo itself. */
export type GenerateVideoInput = Roast & (PhotoAddress | Photo);

type PhotoAddress = {
  /** Public http(s) address of the photo, at most 2,048 characters. */
  readonly image_url: string;
  readonly image?: undefined;
};

type Photo = {
  /** A JPEG, PNG, WebP, GIF or AVIF file of at most 20 MB. A Buffer is a Uint8Array. */
  readonly image: Blob | Uint8Array;
  readonly image_url?: undefined;
};

type Roast = {
  /** The roast, 1 to 5,000 characters, in any supported language. */
  readonly text: string;
  /** ISO 639 code of the text, such as `hi`; told from its script where it is not given. */
  readonly source_language?: string | undefined;
  /** ISO 639 code of the video's language. */
  readonly target_language?: string | undefined;
  /** Anything of yours, at most 4,096 bytes of JSON; kept with the job. */
  readonly metadata?: Readonly<Record<string, unknown>> | undefined;
};

/** A job that was accepted. */
export type StartedJob = {
  readonly job_id: string;
  readonly status: 'queued';
  /** `detected`: there is a pet in the photo; `received`: that is not known yet, and "no pets" may come as a failure. */
  readonly stage: string;
  /** Whether the service had this request, under this Idempotency-Key, before. */
  readonly replayed: boolean;
};

/** Why a job has no video. */
export type JobError = { readonly error: string; readonly message: string; readonly suggestion: string };

/** One animal in the photo; the box is in the photo's own pixels. */
export type Pet = {
  readonly label: string;
  readonly score: number;
  readonly box: { readonly x: number; readonly y: number; readonly width: number; readonly height: number };
};

export type Detection = { readonly pets: readonly Pet[]; readonly skipped?: string; readonly model?: string };
export type Translation = { readonly text: string; readonly source_language: string; readonly translated: boolean };

type AnyJob = {
  readonly job_id: string;
  /** Where the job is, finer than `status`; new ones may come. */
  readonly stage: string;
  /** One sentence for people. */
  readonly detail: string;
  readonly detection: Detection | null;
  readonly translation: Translation | null;
  /** ISO 8601. */
  readonly created_at: string;
  /** ISO 8601. */
  readonly updated_at: string;
};

/** Where a job is; `status` tells which of the five it is. */
export type JobStatus =
  | (AnyJob & { readonly status: 'queued'; readonly video_url: null; readonly error: null })
  | (AnyJob & { readonly status: 'processing'; readonly video_url: null; readonly error: null })
  | (AnyJob & { readonly status: 'completed'; readonly video_url: string; readonly error: null })
  | (AnyJob & { readonly status: 'failed'; readonly video_url: null; readonly error: JobError })
  | (AnyJob & { readonly status: 'cancelled'; readonly video_url: null; readonly error: null });

/** The finished video. */
export type VideoResult = {
  readonly job_id: string;
  readonly status: 'completed';
  readonly video_url: string;
  readonly detail: string;
};

export type CancelledJob = { readonly job_id: string; readonly status: 'cancelled'; readonly stage: string };

/** What came of a test webhook that Pet Roast sent to the backend. */
export type ConnectionReport = {
  readonly status: 'not_configured' | 'success' | 'timeout' | 'failed';
  readonly message: string;
  readonly backend_url?: string | null;
  readonly response_code?: number | null;
  readonly response_time_ms?: number | null;
  readonly response_body?: string | null;
  readonly error?: string | null;
};

type AnyEvent = {
  /** The same for every delivery of one outcome: drop what you have seen. */
  readonly webhook_id: string;
  readonly job_id: string;
};

/** A verified webhook: how a job ended, or (`test`) that somebody tries the connection. */
export type WebhookEvent =
  | (AnyEvent & Ended & { readonly status: 'completed'; readonly video_url: string } & NoFailure)
  | (AnyEvent & Ended & { readonly status: 'failed'; readonly video_url: null } & Failure)
  | (AnyEvent & Ended & { readonly status: 'cancelled'; readonly video_url: null } & NoFailure)
  | (AnyEvent & { readonly status: 'test'; readonly message: string });

/** When the job ended, ISO 8601. */
type Ended = { readonly timestamp: string };
type NoFailure = { readonly error: null; readonly error_code: null };
/** `error` is a sentence for people, `error_code` a code for programs. */
type Failure = { readonly error: string; readonly error_code: string };

export type SignalOptions = {
  /** Ends the call; it then throws the signal's reason, as `fetch` does. */
  readonly signal?: AbortSignal | undefined;
};

export type GenerateVideoOptions = SignalOptions & {
  /**
   * 1 to 255 visible ASCII characters; the id of your own row is a good one. A repeat with the same key and input is the
   * same job, also from another process. Without it one is made for this call, and errors carry it as `idempotencyKey`.
   */
  readonly idempotencyKey?: string | undefined;
};

export type WaitOptions = SignalOptions & {
  /** For how long; 15 minutes unless told. The job goes on when it is over. */
  readonly timeoutMs?: number | undefined;
  /** Time between polls where the service does not hold them open; 5 s unless told. */
  readonly pollEveryMs?: number | undefined;
  /** Called with every status that is news, the last one included. */
  readonly onStatus?: ((status: JobStatus) => void) | undefined;
};
