import { describe, expect, it } from 'vitest';
import { createError } from './errors.ts';
import { waitBeforeMs, withRetries } from './retry.ts';

const options = { retriesMax: 3, totalMs: 60_000, signal: undefined };

describe('the wait before a retry', () => {
  it('doubles up to a bound, and half of it is chance', () => {
    const range = [0, 1, 2, 3, 20].map((n) => [
      waitBeforeMs(n, undefined, () => 0),
      waitBeforeMs(n, undefined, () => 1),
    ]);
    expect(range).toEqual([
      [125, 250],
      [250, 500],
      [500, 1_000],
      [1_000, 2_000],
      [4_000, 8_000],
    ]);
  });

  it('is never shorter than the service asks for', () => {
    expect(waitBeforeMs(0, 5_000, () => 0)).toBeGreaterThanOrEqual(5_000);
    expect(waitBeforeMs(0, 5_000, () => 1)).toBeLessThan(5_500);
  });
});

describe('retries', () => {
  it('end at once when the wait that the service asks for is longer than the time that is left', async () => {
    const startedAt = performance.now();
    const busy = createError('overloaded', { message: 'Busy.', retryAfterMs: 3_600_000 });
    let attempts = 0;
    const trying = withRetries(options, async () => {
      attempts += 1;
      throw busy;
    });
    await expect(trying).rejects.toBe(busy);
    expect(attempts).toBe(1);
    expect(performance.now() - startedAt).toBeLessThan(1_000);
  });

  it('end when their time is over, however many are left', async () => {
    let time = 0;
    let attempts = 0;
    const slow = withRetries(
      { ...options, retriesMax: 100, totalMs: 1_300 },
      async (leftMs) => {
        attempts += 1;
        time += 400;
        throw createError('unavailable', { message: `${leftMs} ms left`, retryAfterMs: 0 });
      },
      () => time,
    );
    await expect(slow).rejects.toThrow('500 ms left');
    expect(attempts).toBe(3);
  });

  it('are none for an error that is not the service’s', async () => {
    let attempts = 0;
    const wrong = withRetries(options, async () => {
      attempts += 1;
      throw new TypeError('a cyclic structure');
    });
    await expect(wrong).rejects.toThrow(TypeError);
    expect(attempts).toBe(1);
  });
});
