import { setTimeout as delay } from 'node:timers/promises';

export type PollOptions = {
  readonly timeoutMs: number;
  readonly everyMs: number;
  /** The error to give up with before the deadline, when going on is pointless. */
  readonly hopeless?: () => Error | undefined;
};

/**
 * Calls `attempt` until it gives something other than undefined. An attempt that throws counts as "not yet".
 * Throws what `hopeless` gives, or `late(last error)` at the deadline.
 */
export async function poll<T>(
  attempt: () => Promise<T | undefined> | T | undefined,
  { timeoutMs, everyMs, hopeless }: PollOptions,
  late: (lastError: unknown) => Error,
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  let lastError: unknown;
  for (;;) {
    try {
      const value = await attempt();
      if (value !== undefined) return value;
    } catch (error) {
      lastError = error;
    }
    const over = hopeless?.();
    if (over !== undefined) throw over;
    if (performance.now() + everyMs > deadline) throw late(lastError);
    await delay(everyMs);
  }
}
