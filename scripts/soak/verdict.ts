/**
 * Whether a run was flat. The samples are cut into thirds; the first is warm-up (compiled code, pools, caches), and the
 * last is held against the second:
 *
 * - a service's memory, taken after a collection of its garbage: the median RSS of the last third is at most 10 % and 10 MB
 *   above the second's, and that of its used heap at most 5 % and 1 MB;
 * - its file descriptors, and a server's client connections: the medians differ by at most 5;
 * - dead letters: none;
 * - the job stream and Redis keep every job for `JOB_TTL_MS`, so they grow by nature: the bytes that each job adds are the
 *   same in both thirds, within 10 % in the stream and 25 % in Redis (whose tables double now and then).
 *
 * NATS and Redis hold an index of what they store, so the RSS of those two is shown and not judged.
 */
import type { ProcessFigures, Sample } from './probe.ts';

export type Line = {
  readonly what: string;
  readonly second: number;
  readonly last: number;
  readonly unit: 'bytes' | 'bytes a job' | 'count';
  readonly flat: boolean;
};

const rssShareMax = 0.1;
const rssBytesMax = 10_000_000;
const heapShareMax = 0.05;
const heapBytesMax = 1_000_000;
const countDifferenceMax = 5;
const streamShareMax = 0.1;
const redisShareMax = 0.25;

/** One line for each thing that is judged. Throws where there are too few samples for three thirds. */
export function judge(samples: readonly Sample[]): Line[] {
  const third = Math.floor((samples.length - 1) / 3);
  if (third < 2) throw new Error(`${samples.length} samples are too few to judge`);
  const last = samples.slice(-third);
  const second = samples.slice(-2 * third, -third);
  const before = samples.slice(-2 * third - 1);

  const lines: Line[] = [];
  const add = (line: Omit<Line, 'flat'>, flat: boolean) => lines.push({ ...line, flat });
  for (const name of samples[0]?.services.keys() ?? []) {
    const median = (of: readonly Sample[], figure: (figures: ProcessFigures) => number | undefined) =>
      medianOf(of.map((sample) => figureOf(sample.services.get(name), figure)));
    const rss = { second: median(second, (f) => f.rssBytes), last: median(last, (f) => f.rssBytes) };
    add({ what: `${name} RSS`, ...rss, unit: 'bytes' }, rss.last <= rss.second * (1 + rssShareMax) + rssBytesMax);
    const heap = { second: median(second, (f) => f.heapBytes), last: median(last, (f) => f.heapBytes) };
    add({ what: `${name} heap`, ...heap, unit: 'bytes' }, heap.last <= heap.second * (1 + heapShareMax) + heapBytesMax);
    const fds = { second: median(second, (f) => f.fds), last: median(last, (f) => f.fds) };
    add({ what: `${name} file descriptors`, ...fds, unit: 'count' }, areNear(fds));
  }
  for (const name of samples[0]?.servers.keys() ?? []) {
    const median = (of: readonly Sample[]) =>
      medianOf(of.map((sample) => figureOf(sample.servers.get(name), (f) => f.clients)));
    const clients = { second: median(second), last: median(last) };
    add({ what: `${name} client connections`, ...clients, unit: 'count' }, areNear(clients));
  }
  const dead = samples.at(-1)?.stores.deadMessages ?? Number.NaN;
  add(
    { what: 'dead letters', second: second.at(-1)?.stores.deadMessages ?? Number.NaN, last: dead, unit: 'count' },
    dead === 0,
  );
  for (const [what, store, shareMax] of [
    ['job stream', 'jobsBytes', streamShareMax],
    ['Redis', 'redisBytes', redisShareMax],
  ] as const) {
    const perJob = {
      second: bytesPerJob(before.slice(0, third + 1), store),
      last: bytesPerJob(before.slice(third), store),
    };
    const isConstant = Math.abs(perJob.last - perJob.second) <= perJob.second * shareMax;
    add({ what, ...perJob, unit: 'bytes a job' }, isConstant);
  }
  return lines;
}

/** What each job that was completed meanwhile has added to a store. */
export function bytesPerJob(samples: readonly Sample[], store: 'jobsBytes' | 'redisBytes'): number {
  const [first, last] = [samples[0], samples.at(-1)];
  if (first === undefined || last === undefined) return Number.NaN;
  return (last.stores[store] - first.stores[store]) / (last.jobs.completed - first.jobs.completed);
}

export function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** What cannot be read is not a number, and nothing that is not a number is ever flat. */
function figureOf(
  figures: ProcessFigures | undefined,
  figure: (figures: ProcessFigures) => number | undefined,
): number {
  return (figures && figure(figures)) ?? Number.NaN;
}

function areNear({ second, last }: { readonly second: number; readonly last: number }): boolean {
  return Math.abs(last - second) <= countDifferenceMax;
}
