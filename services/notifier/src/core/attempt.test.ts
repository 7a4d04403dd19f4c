import { describe, expect, it } from 'vitest';
import { type AttemptResult, nextStep, retryAfterMsMax } from './attempt.ts';

const policy = { attemptsMax: 3, waitsMs: [1_000, 2_000, 3_000] };
const answer = (status: number, retryAfterMs?: number): AttemptResult => ({ kind: 'answer', status, retryAfterMs });

describe('the next step after a webhook attempt', () => {
  it.each([200, 201, 202, 204])('is done after %i', (status) => {
    expect(nextStep(answer(status), 1, policy)).toEqual({ do: 'delivered', status });
  });

  it.each([500, 502, 503, 599, 408, 429])('is another attempt after %i', (status) => {
    expect(nextStep(answer(status), 1, policy)).toMatchObject({ do: 'retry', delayMs: 1_000, status });
  });

  it.each([400, 401, 404, 410, 422, 301, 302, 307, 304])('is giving up at once after %i', (status) => {
    expect(nextStep(answer(status), 1, policy)).toMatchObject({ do: 'give_up', status });
  });

  it('waits 1 s and 2 s between three attempts, and 3 s only before a fourth', () => {
    expect(nextStep({ kind: 'timeout' }, 1, policy)).toMatchObject({ do: 'retry', delayMs: 1_000 });
    expect(nextStep({ kind: 'timeout' }, 2, policy)).toMatchObject({ do: 'retry', delayMs: 2_000 });
    expect(nextStep({ kind: 'timeout' }, 3, policy)).toEqual({ do: 'give_up', reason: 'timeout' });
    expect(nextStep({ kind: 'timeout' }, 3, { ...policy, attemptsMax: 4 })).toMatchObject({ delayMs: 3_000 });
  });

  it('tries network errors again and names them', () => {
    const result: AttemptResult = { kind: 'network', code: 'ECONNREFUSED' };
    expect(nextStep(result, 1, policy)).toMatchObject({ do: 'retry', reason: 'network error ECONNREFUSED' });
  });

  it('obeys Retry-After where it is longer than the schedule, up to a bound', () => {
    expect(nextStep(answer(429, 9_000), 1, policy)).toMatchObject({ delayMs: 9_000 });
    expect(nextStep(answer(503, 10), 1, policy)).toMatchObject({ delayMs: 1_000 });
    expect(nextStep(answer(503, 9e9), 1, policy)).toMatchObject({ delayMs: retryAfterMsMax });
  });
});
