import { describe, expect, it } from 'vitest';
import { examples } from '../test/examples.ts';
import { JobErased } from './envelope.ts';
import { Permanent, RetryLater } from './errors.ts';
import { nakDelayMsMax, nakDelayMsMin, settle } from './settle.ts';

const step = { attemptsMax: 3, backoffMs: [1_000, 5_000], waits: false };

describe('the settlement of a delivery', () => {
  it('acknowledges what is done', () => {
    expect(settle(step, 1, { handled: undefined })).toEqual({ do: 'ack' });
    expect(settle(step, 99, { handled: undefined })).toEqual({ do: 'ack' });
  });

  it('acknowledges what is of a job that is erased, however often it was tried', () => {
    const error = new JobErased({ ...examples.erased, seq: 9 });
    expect(settle(step, 1, { error })).toEqual({ do: 'ack' });
    expect(settle(step, 99, { error })).toEqual({ do: 'ack' });
  });

  it('waits longer with each attempt, and the last wait repeats', () => {
    const error = new Error('passing');
    expect(settle({ ...step, attemptsMax: 9 }, 1, { error })).toEqual({ do: 'nak', delayMs: 1_000 });
    expect(settle({ ...step, attemptsMax: 9 }, 2, { error })).toEqual({ do: 'nak', delayMs: 5_000 });
    expect(settle({ ...step, attemptsMax: 9 }, 7, { error })).toEqual({ do: 'nak', delayMs: 5_000 });
  });

  it('obeys the other side’s wish to wait, within bounds', () => {
    const wish = (retryAfterMs: number) => ({ error: new RetryLater('translation_failed', { retryAfterMs }) });
    expect(settle(step, 1, wish(7_000))).toEqual({ do: 'nak', delayMs: 7_000 });
    expect(settle(step, 1, wish(0))).toEqual(settle(step, 1, { error: new Error('passing') }));
    expect(settle(step, 1, { handled: { comeBackInMs: 0 } })).toEqual({ do: 'nak', delayMs: nakDelayMsMin });
    expect(settle(step, 1, wish(9e9))).toEqual({ do: 'nak', delayMs: nakDelayMsMax });
  });

  it('fails at once what no attempt can help', () => {
    const error = new Permanent('language_not_supported');
    expect(settle(step, 1, { error })).toEqual({ do: 'fail', code: 'language_not_supported', why: 'permanent' });
  });

  it('fails the last attempt with its own code, or says that attempts are exhausted', () => {
    const later = new RetryLater('translation_failed');
    expect(settle(step, 3, { error: later })).toEqual({ do: 'fail', code: 'translation_failed', why: 'exhausted' });
    expect(settle(step, 3, { error: new Error('?') })).toEqual({
      do: 'fail',
      code: 'attempts_exhausted',
      why: 'exhausted',
    });
    expect(settle(step, 3, { handled: { comeBackInMs: 10 } })).toMatchObject({ do: 'fail', why: 'exhausted' });
  });

  it('never counts where waiting is the step’s business: a time ends it', () => {
    const waiting = { ...step, waits: true };
    expect(settle(waiting, 1_000, { handled: { comeBackInMs: 500 } })).toEqual({ do: 'nak', delayMs: 500 });
    expect(settle(waiting, 1_000, { error: new Error('passing') })).toEqual({ do: 'nak', delayMs: 5_000 });
    expect(settle(waiting, 1, { error: new Permanent('render_failed') })).toMatchObject({ do: 'fail' });
  });
});
