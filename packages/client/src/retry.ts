/** When to try again: only what may pass (`retryable`), a bounded number of times, within a bounded time. */
import { sleep } from './deadline.ts';
import { PetRoastError } from './errors.ts';

export type RetryOptions = {
  readonly retriesMax: number;
  /** Attempts and the waits between them together. */
  readonly totalMs: number;
  readonly signal: AbortSignal | undefined;
};

const firstWaitMs = 250;
const waitMsMax = 8_000;

/**
 * Tries until an attempt succeeds, and throws the last one's error when it is final, when the retries are used up, or when
 * the next wait would not leave time for another attempt. Each attempt is told how much time is left.
 */
export async function withRetries<T>(
  options: RetryOptions,
  attempt: (leftMs: number) => Promise<T>,
  now: () => number = () => performance.now(),
): Promise<T> {
  const endsAt = now() + options.totalMs;
  for (let retries = 0; ; retries++) {
    try {
      return await attempt(Math.max(endsAt - now(), 0));
    } catch (error) {
      if (options.signal?.aborted || !isRetryable(error) || retries >= options.retriesMax) throw error;
      const waitMs = waitBeforeMs(retries, error.retryAfterMs);
      if (now() + waitMs >= endsAt) throw error;
      await sleep(waitMs, options.signal);
    }
  }
}

/** Whether the same call may succeed later. */
export function isRetryable(error: unknown): error is PetRoastError {
  return error instanceof PetRoastError && error.retryable;
}

/**
 * 250 ms, doubled for each retry, up to 8 s; half of it is chance, so that callers that failed together do not come back
 * together. Never earlier than the service asks for.
 */
export function waitBeforeMs(
  retries: number,
  retryAfterMs: number | undefined,
  random: () => number = Math.random,
): number {
  const backoffMs = Math.min(firstWaitMs * 2 ** retries, waitMsMax);
  const chosenMs = backoffMs * (0.5 + random() / 2);
  return retryAfterMs === undefined ? chosenMs : retryAfterMs + chosenMs / 2;
}
