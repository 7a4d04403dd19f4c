import {
  type Broker,
  createEvent,
  type EventData,
  HttpError,
  type StoredEvent,
  type StoredLetter,
} from '@pet-roast/shared';
import { describe, expect, it } from 'vitest';
import { planReplay, replayLetter } from './replay.ts';

const now = new Date().toISOString();
const letter = (step: string, run = 1): StoredLetter => ({
  ...{
    seq: 1,
    cause: 'permanent',
    code: 'render_failed',
    message: '',
    step,
    job_id: 'a',
    run,
    stream_seq: 9,
    time: now,
  },
});
const received: StoredEvent = {
  ...createEvent('received', 'a', {
    ...{ text: 'x', image_url: 'https://x.example', target_language: 'en', request_id: 'r', request_sha256: 's' },
    deadline_at: now,
  }),
  seq: 1,
};
const failed = (code: EventData<'failed'>['code'], notify = true): StoredEvent => ({
  ...createEvent('failed', 'a', { code, at: 'x', notify }),
  seq: 8,
});
const claimed: StoredEvent = { ...createEvent('claimed', 'a', { claim: 'c', attempt: 1, deadline_at: now }), seq: 5 };
const rendering: StoredEvent = { ...createEvent('rendering', 'a', { pid: 'p', deadline_at: now }), seq: 6 };
const plan = (job: StoredEvent[], allow = false, step = 'submit', run = 1) => {
  try {
    return planReplay(letter(step, run), job, allow).kind;
  } catch (error) {
    if (error instanceof HttpError) return error.code;
    throw error;
  }
};

describe('the replay of a dead letter', () => {
  it('is the next run of a job that failed without a render', () => {
    expect(plan([received, failed('translation_failed')])).toBe('next_run');
    expect(plan([received, claimed, failed('render_refused')])).toBe('next_run');
  });

  it.each(['render_outcome_unknown', 'render_timed_out', 'render_failed', 'deadline_exceeded'] as const)(
    'needs an allowance after a claim that ended as %s',
    (code) => {
      expect(plan([received, claimed, failed(code)])).toBe('second_payment_possible');
      expect(plan([received, claimed, failed(code)], true)).toBe('next_run');
    },
  );

  it('needs one whenever the vendor had the job, whatever the failure is called', () => {
    expect(plan([received, rendering, failed('render_unreachable')])).toBe('second_payment_possible');
  });

  it('is refused where the caller was told in the answer, the job is not over, or ended well', () => {
    expect(plan([received, failed('detection_failed', false)])).toBe('not_replayable');
    expect(plan([received])).toBe('not_replayable');
    const rendered = {
      ...createEvent('rendered', 'a', { video_url: 'https://v', told_by: 'poll' }),
      seq: 8,
    } as StoredEvent;
    expect(plan([received, rendered])).toBe('not_replayable');
    expect(plan([failed('render_refused')])).toBe('not_replayable');
  });

  it('is refused while the job runs anew: neither another run, nor the word that it has failed', () => {
    const second = { ...received, run: 2, seq: 10 } as StoredEvent;
    const undeliverable = { ...createEvent('undeliverable', 'a', { attempt: 3, reason: 'x' }), seq: 9 } as StoredEvent;
    expect(plan([received, failed('render_refused'), undeliverable], false, 'notify')).toBe('notify_again');
    expect(plan([second, failed('render_refused'), undeliverable], false, 'notify')).toBe('not_replayable');
    expect(plan([second, failed('render_refused')], false, 'submit', 2)).toBe('not_replayable');
  });

  it('is refused where a newer run has begun since', () => {
    const second = { ...received, run: 2, seq: 10 } as StoredEvent;
    const again = { ...failed('render_refused'), run: 2, seq: 12 } as StoredEvent;
    expect(plan([second, again], false, 'submit', 1)).toBe('not_replayable');
    expect(plan([second, again], false, 'submit', 2)).toBe('next_run');
  });
});

it('counts a render that was read too early, before the outcome behind it', async () => {
  // The subjects of a job are read one by one: here the claim came between two of them.
  const broker = {
    readDead: async () => letter('submit'),
    readJob: async (_id: string, subjects?: readonly string[]) =>
      subjects?.includes('render') ? [rendering] : [received, failed('render_failed')],
  } as unknown as Broker;
  const options = { allowSecondPayment: false, jobDeadlineMs: 1_000 };
  await expect(replayLetter(broker, 1, options)).rejects.toMatchObject({ code: 'second_payment_possible' });
});
