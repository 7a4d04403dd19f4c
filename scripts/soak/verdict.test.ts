import { expect, test } from 'vitest';
import type { Sample } from './probe.ts';
import { judge } from './verdict.ts';

test('a run whose processes hold the same at the end as in the middle is flat', () => {
  expect(notFlat({})).toEqual([]);
});

test('warm-up in the first third is no leak', () => {
  expect(notFlat({ rss: (i) => (i < 6 ? 50e6 + i * 10e6 : 110e6) })).toEqual([]);
});

test('a heap that grows by 10 KB a job is found in ten minutes at one job a second', () => {
  expect(notFlat({ count: 61, heap: (i) => 30e6 + i * 10 * 10_000 })).toEqual([]);
  expect(notFlat({ count: 61, heap: (i) => 30e6 + i * 10 * 14_000 })).toEqual(['gateway heap']);
});

test('memory outside the heap is found by the RSS', () => {
  expect(notFlat({ rss: (i) => 100e6 + i * 4e6 })).toEqual(['gateway RSS']);
});

test('six file descriptors more are too many', () => {
  expect(notFlat({ fds: (i) => (i < 13 ? 30 : 35) })).toEqual([]);
  expect(notFlat({ fds: (i) => (i < 13 ? 30 : 36) })).toEqual(['gateway file descriptors']);
});

test('a figure that cannot be read is never flat', () => {
  expect(notFlat({ fds: () => undefined })).toEqual(['gateway file descriptors']);
});

test('stores may grow with the jobs, and not faster than they', () => {
  expect(notFlat({ jobsBytes: (i) => i * 45_000, redisBytes: (i) => i * 38_000 })).toEqual([]);
  expect(notFlat({ jobsBytes: (i) => i * i * 5_000 })).toEqual(['job stream']);
});

test('one dead letter is one too many', () => {
  expect(notFlat({ dead: (i) => (i === 18 ? 1 : 0) })).toEqual(['dead letters']);
});

test('too few samples are refused rather than judged', () => {
  expect(() => notFlat({ count: 5 })).toThrow('too few');
});

type Series<T = number> = (index: number) => T;

/** What is not flat in a run of one service, ten jobs a sample, that is flat but for what is given. */
function notFlat(given: {
  count?: number;
  rss?: Series;
  heap?: Series;
  fds?: Series<number | undefined>;
  jobsBytes?: Series;
  redisBytes?: Series;
  dead?: Series;
}): string[] {
  const { count = 19, rss, heap, fds, jobsBytes, redisBytes, dead } = given;
  const samples = Array.from({ length: count }, (_, index): Sample => {
    const figures = {
      rssBytes: rss?.(index) ?? 100e6,
      heapBytes: heap?.(index) ?? 30e6,
      fds: fds ? fds(index) : 30,
      handles: 5,
      lagP99Ms: 12,
      clients: undefined,
    };
    return {
      atMs: index * 10_000,
      jobs: { sent: index * 10 + 5, completed: index * 10, otherwise: [] },
      services: new Map([['gateway', figures]]),
      servers: new Map([['redis', { ...figures, clients: 2 }]]),
      stores: {
        jobsBytes: jobsBytes?.(index) ?? index * 45_000,
        jobsMessages: index * 80,
        deadBytes: 0,
        deadMessages: dead?.(index) ?? 0,
        redisBytes: redisBytes?.(index) ?? 1e6 + index * 38_000,
        redisKeys: index * 10,
      },
    };
  });
  return judge(samples)
    .filter((line) => !line.flat)
    .map((line) => line.what);
}
