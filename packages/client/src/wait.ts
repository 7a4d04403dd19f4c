/**
 * Waiting for a job: a poll that the service holds open, then its event stream, where it has one; over and over until the
 * job is over. A service that neither holds polls open nor has a stream is polled every few seconds.
 */
import { sleep, withDeadline } from './deadline.ts';
import { createError } from './errors.ts';
import type { Follow } from './follow.ts';
import { isCompleted, isOver } from './guards.ts';
import { timeoutError } from './request.ts';
import { isRetryable } from './retry.ts';
import type { JobStatus, WaitOptions } from './types.ts';

export type WaitDeps = {
  readonly getStatus: (
    jobId: string,
    options: { readonly signal: AbortSignal; readonly waitS: number },
  ) => Promise<JobStatus>;
  readonly follow: Follow;
};

type Completed = JobStatus & { readonly status: 'completed' };

/** Longer than a render may take (15 minutes at most, half a minute to five usually). */
const timeoutMsDefault = 900_000;
/** What the service's documentation recommends. */
const pollEveryMsDefault = 5_000;
/** The most that the service holds a poll open for. */
const waitSMax = 30;
/** Whatever a server answers, it is not asked more often than this. */
const pollEveryMsMin = 100;

export function waitForVideo(deps: WaitDeps, jobId: string, options: WaitOptions): Promise<Completed> {
  const { timeoutMs = timeoutMsDefault, pollEveryMs = pollEveryMsDefault, signal, onStatus } = options;
  let latest: JobStatus | undefined;
  let lastError: unknown;

  /** Remembers a status and says whether it is news. */
  function see(status: JobStatus): boolean {
    const isNews = status.status !== latest?.status || status.stage !== latest.stage;
    latest = status;
    if (isNews) onStatus?.(status);
    return isNews;
  }

  async function poll(inner: AbortSignal): Promise<boolean> {
    try {
      // Whoever wants to see each status wants the present one now.
      const waitS = onStatus !== undefined && latest === undefined ? 0 : waitSMax;
      return see(await deps.getStatus(jobId, { signal: inner, waitS }));
    } catch (error) {
      // An outage shorter than the caller's patience is none.
      if (inner.aborted || !isRetryable(error)) throw error;
      lastError = error;
      return false;
    }
  }

  const timedOut = () =>
    timeoutError(`Job ${jobId} is not over after ${timeoutMs} ms (${latest?.status ?? 'unknown'}).`, lastError);

  return withDeadline({ timeoutMs, signal, timedOut }, async (inner) => {
    for (;;) {
      const startedAt = performance.now();
      const isNews = await poll(inner);
      if (latest && isOver(latest)) return resultOf(latest);
      for await (const status of deps.follow(inner)) {
        see(status);
        if (isOver(status)) return resultOf(status);
      }
      // An answer with nothing new in it, sooner than asked for, is one of a service that does not hold polls open.
      const sinceMs = performance.now() - startedAt;
      await sleep(Math.max((isNews ? pollEveryMsMin : pollEveryMs) - sinceMs, 0), inner);
    }
  });
}

function resultOf(status: JobStatus): Completed {
  if (isCompleted(status)) return status;
  if (status.status === 'cancelled') {
    throw createError('cancelled', {
      message: status.detail,
      suggestion: 'Send a new request if the video is wanted after all.',
    });
  }
  throw createError(status.error?.error ?? 'render_failed', {
    message: status.error?.message ?? status.detail,
    suggestion: status.error?.suggestion,
  });
}
