/**
 * `npm run bench -- detector-memory [--minutes 10] [--write]`: the detector's memory (RSS) at rest and under a load that never
 * ends, with photos of 0.3 to 12 megapixels in five encodings, drawn here from the sandbox's own picture. Half of them show
 * no animal, so that all looks are taken. Nothing is cached.
 *
 * `together` is the sum of both processes' RSS, but counts Node's own program once: there is one copy of it in memory, and
 * that is how a container's limit counts.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { drawPhotos } from './detector/draw-photos.ts';
import { machine, table, writeBlock } from './detector/page.ts';
import { familyOf, memoryMbOf } from './detector/processes.ts';
import { type BenchService, startService } from './detector/service.ts';
import { median } from './detector/statistics.ts';

/** Longer than the decoding process waits for a photo. */
const restMs = 13_000;
const sampleEveryMs = 500;
const jobsAtOnce = 24;

type Sample = {
  readonly atMs: number;
  readonly detector: number;
  readonly decoder: number;
  readonly together: number;
};

export async function run(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: { minutes: { type: 'string', default: '10' }, write: { type: 'boolean', default: false } },
  });
  const loadMs = Number(values.minutes) * 60_000;
  const photos = await drawPhotos();
  const bytesMax = Math.max(...photos.map(({ bytes }) => bytes.length));
  await using service = await startService(photos);
  await sleep(restMs);
  const before = sample(service, 0);
  const { samples, count } = await underLoad(service, loadMs);
  await sleep(restMs);
  const after = sample(service, 0);

  const minute = (from: number, to: number) => samples.filter(({ atMs }) => atMs >= from && atMs < to);
  const second = minute(60_000, 120_000);
  const last = minute(loadMs - 60_000, loadMs);
  const settled = samples.filter(({ atMs }) => atMs >= 60_000);
  const row = (what: string, some: readonly Sample[], pick: (values: readonly number[]) => number) => [
    what,
    mb(pick(some.map(({ detector }) => detector))),
    mb(pick(some.map(({ decoder }) => decoder))),
    mb(pick(some.map(({ together }) => together))),
  ];
  const highest = (numbers: readonly number[]) => Math.max(...numbers);
  const text = [
    `${machine()}; ${photos.length} photos of 0.3 to 12 megapixels and up to ${(bytesMax / 1e6).toFixed(1)} MB, ${count} jobs in ${values.minutes} minutes, ${jobsAtOnce} at once.`,
    '',
    table(
      ['RSS in MB (1,000,000 bytes)', 'detector', 'decoding process', 'together'],
      [
        row('at rest, before', [before], median),
        row('under load, median of the second minute', second, median),
        row('under load, median of the last minute', last, median),
        row('under load, highest', samples, highest),
        row('at rest, after', [after], median),
      ],
    ),
    '',
    `From the second minute on they change by ${slope(settled).toFixed(1)} MB a minute (least squares).`,
  ].join('\n');
  process.stdout.write(`${text}\n`);
  if (values.write) await writeBlock('memory', text);
  return 0;
}

async function underLoad(service: BenchService, forMs: number): Promise<{ samples: Sample[]; count: number }> {
  const started = performance.now();
  const isOver = () => performance.now() - started >= forMs;
  const samples: Sample[] = [];
  let count = 0;
  const watch = async () => {
    for (; !isOver(); await sleep(sampleEveryMs)) samples.push(sample(service, performance.now() - started));
  };
  const send = async () => {
    for (; !isOver(); count++) await service.rate(1);
  };
  await Promise.all([watch(), ...Array.from({ length: jobsAtOnce }, send)]);
  return { samples, count };
}

function sample({ pids }: BenchService, atMs: number): Sample {
  const [pid = 0] = pids;
  const [, ...children] = familyOf(pid);
  const detector = memoryMbOf([pid]).rss;
  const { rss: decoder, program } = memoryMbOf(children);
  return { atMs, detector, decoder, together: detector + decoder - program };
}

/** MB a minute, by least squares. */
function slope(samples: readonly Sample[]): number {
  const points = samples.map(({ atMs, together }) => ({ x: atMs / 60_000, y: together }));
  const mean = (pick: (point: { x: number; y: number }) => number) =>
    points.reduce((sum, point) => sum + pick(point), 0) / points.length;
  const [meanX, meanY] = [mean(({ x }) => x), mean(({ y }) => y)];
  return mean(({ x, y }) => (x - meanX) * (y - meanY)) / mean(({ x }) => (x - meanX) ** 2);
}

function mb(value: number): string {
  return value === 0 ? 'none' : value.toFixed(0);
}
