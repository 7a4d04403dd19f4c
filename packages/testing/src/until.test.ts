import { expect, test } from 'vitest';
import { until } from './until.ts';

test('until gives what the condition gives, once that is truthy', async () => {
  const answers = [undefined, 0, '', false, 'there'];
  expect(await until(() => answers.shift(), { what: 'an answer', everyMs: 1 })).toBe('there');
  expect(answers).toEqual([]);
});

test('a condition that throws is waited for like one that does not hold', async () => {
  let calls = 0;
  const third = async (): Promise<number> => {
    calls += 1;
    if (calls < 3) throw new Error('not yet');
    return calls;
  };
  expect(await until(third, { what: 'the third call', everyMs: 1 })).toBe(3);
});

test('at the deadline it tells what was waited for and what the condition last gave', async () => {
  const job = { job: { status: 'queued' } };
  const waiting = until(() => (job.job.status === 'completed' ? job : undefined), {
    what: 'job 7 to complete',
    timeoutMs: 20,
    everyMs: 1,
  });
  await expect(waiting).rejects.toThrow('waited 20 ms for job 7 to complete; it last gave undefined');
  const failing = until(() => Promise.reject(new Error('no such job')), { what: 'a job', timeoutMs: 20, everyMs: 1 });
  await expect(failing).rejects.toThrow('waited 20 ms for a job; it last threw Error: no such job');
});

test('a condition that never comes back does not hold the test up', async () => {
  const never = new Promise<true>(() => {});
  await expect(until(() => never, { what: 'the end of time', timeoutMs: 20 })).rejects.toThrow(
    'waited 20 ms for the end of time; the condition never came back',
  );
});
