/** The calls, each with its retries. */
import { randomUUID } from 'node:crypto';
import { type Answer, read, readEmpty } from './answers.ts';
import { normalizeBaseUrl } from './base-url.ts';
import { createError, PetRoastError } from './errors.ts';
import { createFollow } from './follow.ts';
import { formOf } from './form.ts';
import { type Call, createRequest } from './request.ts';
import { withRetries } from './retry.ts';
import type {
  CancelledJob,
  ConnectionReport,
  GenerateVideoInput,
  GenerateVideoOptions,
  JobStatus,
  SignalOptions,
  StartedJob,
  VideoResult,
  WaitOptions,
} from './types.ts';
import { waitForVideo } from './wait.ts';

export type ClientOptions = {
  /** The gateway, with or without `/api` and `/` at the end. */
  readonly baseUrl: string;
  /** The secret of one of the service's `API_KEYS`, without its name; sent as `Authorization: Bearer`. */
  readonly apiKey?: string | undefined;
  /** Another `fetch`, for a proxy or for tests. */
  readonly fetch?: typeof fetch | undefined;
  /** For one attempt; 30 s unless told. A call takes at most twice as long, retries and waits included. */
  readonly timeoutMs?: number | undefined;
  /** How often a call is tried again; 3 unless told. */
  readonly retriesMax?: number | undefined;
};

/**
 * Every call throws `PetRoastError`s, `UnauthorizedError` and `RateLimitedError` among them, and the reason of its `signal`
 * when that fires.
 */
export type Client = {
  /**
   * Starts a video and answers when the photo has been looked at, or after 5 seconds. Retries can make no second job.
   * Throws `NoPetsDetectedError`, `InvalidRequestError` (with `field`), `OverloadedError`.
   */
  generateVideo(input: GenerateVideoInput, options?: GenerateVideoOptions): Promise<StartedJob>;
  /** Where a job is; a failed job is an answer, not an error. Throws `JobNotFoundError`. */
  getStatus(jobId: string, options?: SignalOptions): Promise<JobStatus>;
  /** The finished video. Throws `NotReadyError`, `JobNotFoundError`, or why there is none as `waitForVideo` does. */
  getResult(jobId: string, options?: SignalOptions): Promise<VideoResult>;
  /**
   * Waits until the job is over, through outages of the service, and gives its finished status. Throws why there is no video:
   * `RenderFailedError`, `JobCancelledError`, `NoPetsDetectedError` or `InvalidRequestError` (found out late); or
   * `JobNotFoundError`; or `TimeoutError`, and then the job goes on.
   */
  waitForVideo(jobId: string, options?: WaitOptions): Promise<JobStatus & { readonly status: 'completed' }>;
  /** Cancels a job; a repeat is fine. Throws `JobNotFoundError`, or `job_already_over` when there is nothing to cancel. */
  cancel(jobId: string, options?: SignalOptions): Promise<CancelledJob>;
  /**
   * Erases a job that is over: its texts, the address of its photo and all else that the service holds of it. A repeat is
   * fine. Throws `JobNotFoundError`, or `job_not_over`: then cancel it first.
   */
  erase(jobId: string, options?: SignalOptions): Promise<void>;
  /** Has Pet Roast send a test webhook to the backend (an event with status `test`) and tells what came of it. */
  testBackendConnection(options?: SignalOptions): Promise<ConnectionReport>;
};

const timeoutMsDefault = 30_000;
const retriesMaxDefault = 3;
/** What can be the value of a header; a line break from an environment variable cannot. */
const visibleAscii = /^[\x21-\x7e]+$/;
const keyLengthMax = 255;

/** A client of one Pet Roast gateway. Throws `TypeError` for a `baseUrl` or an `apiKey` that cannot be one. */
export function createClient(options: ClientOptions): Client {
  const { apiKey, timeoutMs = timeoutMsDefault, retriesMax = retriesMaxDefault } = options;
  const base = normalizeBaseUrl(options.baseUrl);
  if (apiKey !== undefined && !visibleAscii.test(apiKey))
    throw new TypeError('apiKey must be visible ASCII characters');
  // Looked up at each call, so that a fetch that is put in later (tests, instrumentation) counts.
  const request = createRequest({
    base,
    apiKey,
    fetch: options.fetch ?? ((input, init) => fetch(input, init)),
  });

  /** `holdMs` is how long the service may take on purpose. */
  function call<T>(what: Omit<Call, 'timeoutMs'>, readAnswer: (answer: Answer) => T, { holdMs = 0 } = {}): Promise<T> {
    const attemptMs = timeoutMs + holdMs;
    return withRetries({ retriesMax, totalMs: 2 * attemptMs, signal: what.signal }, async (leftMs) =>
      readAnswer(await request.ask({ ...what, timeoutMs: Math.min(attemptMs, leftMs) })),
    );
  }

  async function getStatus(jobId: string, { signal, waitS = 0 }: SignalOptions & { waitS?: number } = {}) {
    const path = `/api/video-status/${segment(jobId)}${waitS > 0 ? `?wait=${waitS}` : ''}`;
    return call({ path, signal }, readStatus, { holdMs: waitS * 1_000 });
  }

  return {
    async generateVideo(input, { idempotencyKey = randomUUID(), signal } = {}) {
      checkKey(idempotencyKey);
      const headers = { 'idempotency-key': idempotencyKey };
      const body = formOf(input) ?? input;
      try {
        return await call({ method: 'POST', path: '/api/generate-video', headers, body, signal }, (answer) => ({
          ...read<Omit<StartedJob, 'replayed'>>(answer, ['job_id', 'status', 'stage']),
          replayed: answer.headers.get('idempotency-replayed') === 'true',
        }));
      } catch (error) {
        if (error instanceof PetRoastError) error.idempotencyKey = idempotencyKey;
        throw error;
      }
    },
    getStatus: (jobId, { signal } = {}) => getStatus(jobId, { signal }),
    async getResult(jobId, { signal } = {}) {
      return call({ path: `/api/video-result/${segment(jobId)}`, signal }, (answer) =>
        read<VideoResult>(answer, ['job_id', 'status', 'video_url']),
      );
    },
    async waitForVideo(jobId, waitOptions = {}) {
      const path = `/api/jobs/${segment(jobId)}/events`;
      return waitForVideo({ getStatus, follow: createFollow(request, path) }, jobId, waitOptions);
    },
    async cancel(jobId, { signal } = {}) {
      return call({ method: 'POST', path: `/api/jobs/${segment(jobId)}/cancel`, signal }, (answer) =>
        read<CancelledJob>(answer, ['job_id', 'status']),
      );
    },
    async erase(jobId, { signal } = {}) {
      return call({ method: 'DELETE', path: `/api/jobs/${segment(jobId)}`, signal }, readEmpty);
    },
    async testBackendConnection({ signal } = {}) {
      return call({ path: '/api/test-backend-connection', signal }, (answer) =>
        read<ConnectionReport>(answer, ['status', 'message']),
      );
    },
  };
}

function readStatus(answer: Answer): JobStatus {
  return read<JobStatus>(answer, ['job_id', 'status', 'stage']);
}

function checkKey(key: string): void {
  if (visibleAscii.test(key) && key.length <= keyLengthMax) return;
  throw createError('idempotency_key_invalid', {
    message: 'The Idempotency-Key is not valid.',
    suggestion: `Use 1 to ${keyLengthMax} visible ASCII characters.`,
  });
}

/** A job's id as part of an address. These three would lead elsewhere, and are no job's. */
function segment(jobId: string): string {
  if (jobId === '' || jobId === '.' || jobId === '..') {
    throw createError('job_not_found', { message: 'There is no job with this id.', suggestion: 'Check the id.' });
  }
  return encodeURIComponent(jobId);
}
