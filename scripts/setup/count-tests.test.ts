import { expect, test } from 'vitest';
import { countTests } from './count-tests.ts';

const good = { numPassedTests: 5, numFailedTests: 0, numTotalTests: 6, testResults: [file('passed', 6)] };

test('passed, failed and skipped tests are counted', () => {
  expect(countTests(JSON.stringify(good), 0)).toEqual({ passed: 5, failed: 0, skipped: 1, failures: [] });
  const bad = { ...good, numPassedTests: 3, numFailedTests: 2, testResults: [file('failed', 2, 'failed')] };
  expect(countTests(JSON.stringify(bad), 1)).toMatchObject({ passed: 3, failed: 2, skipped: 1 });
});

test('each failure is named in one line, with the first line of its reason', () => {
  const bad = { ...good, numPassedTests: 4, numFailedTests: 1, testResults: [file('failed', 1, 'failed')] };
  expect(countTests(JSON.stringify(bad), 1).failures).toEqual([
    '/a.test.ts: a job is kept: AssertionError: expected 1 to be 2',
  ]);
});

test('a file that could not be loaded, or whose preparation failed, is a failure', () => {
  const unloaded = { ...good, testResults: [file('passed', 6), file('failed', 0)] };
  expect(countTests(JSON.stringify(unloaded), 1)).toMatchObject({
    passed: 5,
    failed: 1,
    failures: ['/a.test.ts: could not be loaded or prepared: SyntaxError: no'],
  });
  const unprepared = {
    ...good,
    numPassedTests: 0,
    testResults: [file('failed', 6, 'skipped'), file('failed', 2, 'skipped')],
  };
  expect(countTests(JSON.stringify(unprepared), 1)).toMatchObject({ passed: 0, failed: 2, skipped: 6 });
});

test('a run that failed for no reason that the report knows is a failure', () => {
  expect(countTests(JSON.stringify(good), 1)).toMatchObject({ failed: 1, failures: [expect.stringMatching(/code 1/)] });
  expect(countTests(JSON.stringify(good), null)).toMatchObject({ failed: 1 });
  expect(countTests(undefined, 1)).toMatchObject({ passed: 0, failed: 1, skipped: 0 });
});

function file(status: string, tests: number, each = 'passed') {
  const failureMessages = ['AssertionError: expected 1 to be 2\n    at file:///a.test.ts:3:1'];
  const assertionResults = Array.from({ length: tests }, () => ({
    status: each,
    fullName: 'a job is kept',
    failureMessages,
  }));
  return { name: '/a.test.ts', status, message: 'SyntaxError: no\n  at line 1', assertionResults };
}
