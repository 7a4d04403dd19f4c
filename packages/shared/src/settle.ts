/** Exactly one settlement for each delivery, chosen by one pure function. */
import { JobErased } from './envelope.ts';
import { type ErrorCode, Permanent, RetryLater } from './errors.ts';
import type { Step } from './journey.ts';

/** What a handler may return: done, or "come back later" where waiting is the step's business. */
export type Handled = undefined | { readonly comeBackInMs: number };

export type Settlement =
  | { readonly do: 'ack' }
  | { readonly do: 'nak'; readonly delayMs: number }
  | { readonly do: 'fail'; readonly code: ErrorCode; readonly why: 'permanent' | 'exhausted' };

/** Shortest wait before a redelivery: a bare nak would burn five deliveries in 3 ms. */
export const nakDelayMsMin = 100;
/** A vendor's wish to wait is obeyed up to here. */
export const nakDelayMsMax = 15 * 60_000;

/**
 * Chooses what to do with a delivery whose handler returned or threw.
 * @param deliveries how often the message has been delivered, this time included
 */
export function settle(
  step: Pick<Step, 'attemptsMax' | 'backoffMs' | 'waits'>,
  deliveries: number,
  result: { readonly handled: Handled } | { readonly error: unknown },
): Settlement {
  if ('handled' in result && result.handled === undefined) return { do: 'ack' };
  if ('error' in result && result.error instanceof JobErased) return { do: 'ack' };
  if ('error' in result && result.error instanceof Permanent) {
    return { do: 'fail', code: result.error.code, why: 'permanent' };
  }
  // Where waiting is the step's business a time ends it, never the number of times it looked.
  if (deliveries >= step.attemptsMax && !step.waits) {
    const code = 'error' in result && result.error instanceof RetryLater ? result.error.code : 'attempts_exhausted';
    return { do: 'fail', code, why: 'exhausted' };
  }
  if ('handled' in result) return { do: 'nak', delayMs: bounded(result.handled?.comeBackInMs ?? 0) };
  // A wish only makes it later: "at once", or a date on a clock behind ours, would use up all attempts in a second.
  const wishMs = result.error instanceof RetryLater ? (result.error.retryAfterMs ?? 0) : 0;
  return { do: 'nak', delayMs: bounded(Math.max(wishMs, backoff(step.backoffMs, deliveries))) };
}

function backoff(waitsMs: readonly number[], deliveries: number): number {
  return waitsMs[Math.min(deliveries, waitsMs.length) - 1] ?? nakDelayMsMin;
}

function bounded(delayMs: number): number {
  return Math.round(Math.min(Math.max(delayMs, nakDelayMsMin), nakDelayMsMax));
}
