/**
 * Waiting for a job's events: one follower of the stream for the whole process, and a waiter for each open request.
 * Should the follower miss one (a reconnect), whoever waits looks again by itself.
 */
import type { Broker, StoredEvent } from '@pet-roast/shared';

export type JobEvents = {
  /** The job's next event that fits, from now on; undefined after `timeoutMs`. */
  next(jobId: string, fits: (event: StoredEvent) => boolean, timeoutMs: number): Promise<StoredEvent | undefined>;
  /** As `next` for any event, for those who may be sent away: undefined at once when the process stops. */
  nextChange(jobId: string, timeoutMs: number): Promise<StoredEvent | undefined>;
  /** Sends those away: long polls and streams are answered with what is known. */
  endWaiting(): void;
  /** Whether `endWaiting` was called. */
  ended(): boolean;
  stop(): Promise<void>;
};

type Waiter = {
  readonly fits: (event: StoredEvent) => boolean;
  readonly resolve: (event: StoredEvent | undefined) => void;
};

export async function openJobEvents(broker: Pick<Broker, 'follow'>): Promise<JobEvents> {
  const waiters = new Map<string, Set<Waiter>>();
  const ending = new AbortController();
  const follower = await broker.follow('>', (event) => {
    for (const waiter of waiters.get(event.job_id) ?? []) if (waiter.fits(event)) waiter.resolve(event);
  });

  async function wait(jobId: string, fits: Waiter['fits'], timeoutMs: number, end?: AbortSignal) {
    if (end?.aborted) return undefined;
    const { promise, resolve } = Promise.withResolvers<StoredEvent | undefined>();
    const overdue = setTimeout(resolve, timeoutMs, undefined);
    const sendAway = () => resolve(undefined);
    end?.addEventListener('abort', sendAway);
    const waiter = { fits, resolve };
    const waiting = waiters.get(jobId) ?? new Set();
    waiters.set(jobId, waiting.add(waiter));
    try {
      return await promise;
    } finally {
      clearTimeout(overdue);
      end?.removeEventListener('abort', sendAway);
      waiting.delete(waiter);
      if (waiting.size === 0) waiters.delete(jobId);
    }
  }

  return {
    next: wait,
    nextChange: (jobId, timeoutMs) => wait(jobId, () => true, timeoutMs, ending.signal),
    endWaiting: () => ending.abort(),
    ended: () => ending.signal.aborted,
    stop: () => follower.stop(),
  };
}
