/** What one webhook attempt's result means: delivered, try again, or give up. 1.x's rule, and Standard Webhooks'. */

/** What came of one attempt: an answer, or none. */
export type AttemptResult =
  | { readonly kind: 'answer'; readonly status: number; readonly retryAfterMs?: number | undefined }
  | { readonly kind: 'timeout' }
  | { readonly kind: 'network'; readonly code: string };

export type RetryPolicy = {
  /** Attempts in all, the first one included. */
  readonly attemptsMax: number;
  /** Waits after attempt 1, 2, …; the last one repeats. Three attempts have two waits. */
  readonly waitsMs: readonly number[];
};

export type NextStep =
  | { readonly do: 'delivered'; readonly status: number }
  | { readonly do: 'retry'; readonly delayMs: number; readonly reason: string; readonly status?: number }
  | { readonly do: 'give_up'; readonly reason: string; readonly status?: number };

/** A `Retry-After` is obeyed up to here. */
export const retryAfterMsMax = 15 * 60_000;

/**
 * Chooses the next step after attempt number `attempt` (from 1). Time-outs, network errors and 5xx are tried again,
 * 408 and 429 too; every other 4xx is final, and so is a redirect. `Retry-After` is obeyed where it is longer.
 */
export function nextStep(result: AttemptResult, attempt: number, policy: RetryPolicy): NextStep {
  const status = result.kind === 'answer' ? { status: result.status } : {};
  if (result.kind === 'answer' && result.status >= 200 && result.status < 300) {
    return { do: 'delivered', status: result.status };
  }
  const reason = reasonOf(result);
  if (!isPassing(result) || attempt >= policy.attemptsMax) return { do: 'give_up', reason, ...status };
  const scheduledMs = policy.waitsMs[Math.min(attempt, policy.waitsMs.length) - 1] ?? 0;
  const wishMs = result.kind === 'answer' ? Math.min(result.retryAfterMs ?? 0, retryAfterMsMax) : 0;
  return { do: 'retry', delayMs: Math.max(scheduledMs, wishMs), reason, ...status };
}

/** Whether the result says that the backend as a whole is in trouble, rather than that it dislikes this webhook. */
export function isBackendDown(result: AttemptResult): boolean {
  return result.kind !== 'answer' || result.status >= 500;
}

function isPassing(result: AttemptResult): boolean {
  if (result.kind !== 'answer') return true;
  return result.status >= 500 || result.status === 408 || result.status === 429;
}

function reasonOf(result: AttemptResult): string {
  if (result.kind === 'timeout') return 'timeout';
  if (result.kind === 'network') return `network error ${result.code}`;
  if (result.status >= 300 && result.status < 400) return `redirect ${result.status} refused`;
  return `HTTP ${result.status}`;
}
