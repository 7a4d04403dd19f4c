/**
 * `npm run bench -- detector [--photos DIR] [--images 60] [--rounds 9] [--latency-seconds 20] [--write]`: what the detector
 * adds to the bare work, on the same photos in one run:
 *
 *   a  onnxruntime's `session.run` on a prepared tensor
 *   b  a bare loop: sharp decodes and resizes, the pixels are packed, `session.run`
 *   c  the detector's own function, in this process: bounds, formats, letterbox, decision
 *   d  the detector as a service: events through JetStream, photos over HTTP, verdicts back
 *
 * b and c run one photo at a time and two at a time (as many as the service decodes), so that like is compared with like. The
 * variants take turns, so that whatever else the machine does hits all of them; of the rounds' ratios the median counts.
 * Only photos that the first look decides are taken: a second look is more work, not overhead.
 *
 * The cores are shared: NATS, the photos' host and this program work for d, and against it, on the same ones. The time on a
 * core that a photo took is therefore given too: for d that of the detector with its decoding process.
 */
import { parseArgs } from 'node:util';
import { machine, table, writeBlock } from './detector/page.ts';
import { choosePhotos } from './detector/photos.ts';
import { cpuMsOf, familyOf } from './detector/processes.ts';
import { startService } from './detector/service.ts';
import { median, percentile } from './detector/statistics.ts';
import { openVariants } from './detector/variants.ts';

const atOnce = 2;

export async function run(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      photos: { type: 'string', default: process.env['PET_PHOTOS'] ?? '' },
      images: { type: 'string', default: '60' },
      rounds: { type: 'string', default: '9' },
      'latency-seconds': { type: 'string', default: '20' },
      write: { type: 'boolean', default: false },
    },
  });
  if (values.photos === '') {
    say('Name a folder of photos with --photos DIR (or PET_PHOTOS).');
    return 2;
  }
  const [images, rounds] = [Number(values.images), Number(values.rounds)];
  await using stack = new AsyncDisposableStack();
  const variants = stack.use(await openVariants());
  const photos = await choosePhotos(values.photos, variants.detector);
  const megapixels = photos.reduce((sum, photo) => sum + photo.width * photo.height, 0) / photos.length / 1e6;
  const service = stack.use(await startService(photos));
  const bytes = Array.from({ length: images }, (_, index) => photos[index % photos.length]?.bytes ?? Buffer.alloc(0));
  const measured = {
    'a  session.run': () => variants.rate(variants.bareRun, bytes, 1),
    'b  bare loop, one at a time': () => variants.rate(variants.bareLoop, bytes, 1),
    'c  own function, one at a time': () => variants.rate(variants.detector.detect, bytes, 1),
    'b  bare loop, two at a time': () => variants.rate(variants.bareLoop, bytes, atOnce),
    'c  own function, two at a time': () => variants.rate(variants.detector.detect, bytes, atOnce),
    'd  service, saturated': () => service.rate(images),
  };
  const pidOf = (name: string) => (name.startsWith('d') ? (service.pids[0] ?? 0) : process.pid);
  const found = new Map(Object.keys(measured).map((name) => [name, { rates: [] as number[], cpuMs: [] as number[] }]));
  for (const work of Object.values(measured)) await work();
  for (let round = 1; round <= rounds; round++) {
    for (const [name, work] of Object.entries(measured)) {
      const before = new Map(familyOf(pidOf(name)).map((pid) => [pid, cpuMsOf([pid])]));
      found.get(name)?.rates.push(await work());
      const spentMs = familyOf(pidOf(name)).reduce((sum, pid) => sum + cpuMsOf([pid]) - (before.get(pid) ?? 0), 0);
      found.get(name)?.cpuMs.push(spentMs / images);
    }
  }
  const ratesOf = (name: string) => found.get(name)?.rates ?? [];
  const ratio = (name: string, to: string) =>
    median(ratesOf(name).map((rate, round) => rate / (ratesOf(to)[round] ?? Number.NaN))).toFixed(2);

  const [b1, c1] = ['b  bare loop, one at a time', 'c  own function, one at a time'];
  const [b2, c2, d] = ['b  bare loop, two at a time', 'c  own function, two at a time', 'd  service, saturated'];
  const saturated = median(ratesOf(d));
  const bareMs = 1_000 / median(ratesOf(b1));
  const latencies = await service.latencies(saturated / 2, Number(values['latency-seconds']) * 1_000);
  const [p50, p99] = [percentile(latencies, 0.5), percentile(latencies, 0.99)];
  const text = [
    `${machine()}; ${variants.detector.model}, ${photos.length} photos of ${megapixels.toFixed(1)} megapixels that one look decides; ` +
      `median of ${rounds} rounds of ${images} photos.`,
    '',
    table(
      ['', 'images a second', 'ms on a core, a photo'],
      [...found].map(([name, { rates, cpuMs }]) => [name, median(rates).toFixed(1), median(cpuMs).toFixed(0)]),
    ),
    '',
    table(
      ['ratio, median of the rounds', 'measured', 'goal'],
      [
        ['c / b, one at a time', ratio(c1, b1), 'at least 0.95'],
        ['c / b, two at a time', ratio(c2, b2), 'at least 0.95'],
        ['d / b, two at a time', ratio(d, b2), 'at least 0.85'],
        ["p99 at half of d's load / bare loop's time", (p99 / bareMs).toFixed(2), 'below 3'],
      ],
    ),
    '',
    `At half of d's load, ${latencies.length} photos from event to verdict: p50 ${p50.toFixed(0)} ms, p99 ${p99.toFixed(0)} ms; ` +
      `the bare loop takes ${bareMs.toFixed(0)} ms. Ready ${(service.readyMs / 1_000).toFixed(2)} s after the start of its process.`,
  ].join('\n');
  say(text);
  if (values.write) await writeBlock('speed', text);
  return 0;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
