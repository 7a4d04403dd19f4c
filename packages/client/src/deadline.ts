/** A time limit and a caller's signal as one signal. `AbortSignal.any` would do it, from Node 18.17 on. */

/** A longer timer fires at once. */
const timerMsMax = 2_147_483_647;

export type DeadlineOptions = {
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
  /** What is thrown when the time is up. */
  readonly timedOut: () => Error;
};

/**
 * Runs work that ends, even if it does not listen to its signal, when the time is up or the caller's signal fires.
 * Throws `timedOut()` or the signal's reason then.
 */
export async function withDeadline<T>(options: DeadlineOptions, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const { timeoutMs, signal, timedOut } = options;
  signal?.throwIfAborted();
  const controller = new AbortController();
  const forward = () => controller.abort(signal?.reason);
  signal?.addEventListener('abort', forward, { once: true });
  const timer = setTimeout(() => controller.abort(timedOut()), Math.min(timeoutMs, timerMsMax));
  try {
    return await Promise.race([work(controller.signal), abortOf(controller.signal)]);
  } catch (error) {
    // Some versions of fetch wrap the reason once the body is being read.
    throw controller.signal.aborted ? controller.signal.reason : error;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', forward);
  }
}

/** Waits; throws the signal's reason when it fires first. */
export async function sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted();
  let timer: NodeJS.Timeout | undefined;
  let wake = () => {};
  try {
    await new Promise<void>((resolve) => {
      wake = resolve;
      signal?.addEventListener('abort', wake, { once: true });
      timer = setTimeout(resolve, ms);
    });
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', wake);
  }
  signal?.throwIfAborted();
}

function abortOf(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}
