/**
 * `npm run bench -- detector [--photos DIR] [--images 120] [--rounds 5] [--latency-seconds 20]`: what the detector adds to the bare work, on
 * the same photos in one run:
 *
 *   a  onnxruntime's `session.run` on a prepared tensor
 *   b  a bare loop: sharp decodes and resizes, the pixels are packed, `session.run`
 *   c  the detector's own function, in this process: bounds, formats, letterbox, decision
 *   d  the detector as a service: events through JetStream, photos over HTTP, verdicts back
 *
 * b and c run one photo at a time and two at a time (the service's own number), so that like is compared with like. The
 * variants take turns, so that whatever else the machine does hits all of them; of the rounds' ratios the median counts.
 * Only photos that the first look decides are taken: a second look is more work, not overhead.
 */
import { availableParallelism, cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { choosePhotos } from './detector/photos.ts';
import { startService } from './detector/service.ts';
import { median, percentile } from './detector/statistics.ts';
import { openVariants } from './detector/variants.ts';

const atOnce = 2;

export async function run(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      photos: { type: 'string', default: process.env['PET_PHOTOS'] ?? '' },
      images: { type: 'string', default: '120' },
      rounds: { type: 'string', default: '5' },
      'latency-seconds': { type: 'string', default: '20' },
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
  say(
    `${cpus()[0]?.model}, ${availableParallelism()} cores, Node ${process.versions.node}; ${variants.detector.model}`,
  );
  say(
    `${photos.length} photos that one look decides, ${megapixels.toFixed(1)} megapixels on average; ${images} a round, ${rounds} rounds`,
  );

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
  const rates = Object.fromEntries(Object.keys(measured).map((name) => [name, [] as number[]]));
  for (const work of Object.values(measured)) await work();
  for (let round = 1; round <= rounds; round++) {
    for (const [name, work] of Object.entries(measured)) rates[name]?.push(await work());
  }
  for (const [name, found] of Object.entries(rates)) say(`${name.padEnd(32)} ${median(found).toFixed(1)} images/s`);
  const ratio = (name: string, to: string) =>
    median((rates[name] ?? []).map((rate, round) => rate / (rates[to]?.[round] ?? Number.NaN)));
  say('\nratios, the median of the rounds');
  const told: [string, string, string, string][] = [
    ['c / b, one at a time', 'c  own function, one at a time', 'b  bare loop, one at a time', 'at least 0.95'],
    ['c / b, two at a time', 'c  own function, two at a time', 'b  bare loop, two at a time', 'at least 0.95'],
    ['d / b, two at a time', 'd  service, saturated', 'b  bare loop, two at a time', 'at least 0.85'],
  ];
  for (const [title, of, to, goal] of told) say(`  ${title.padEnd(30)} ${ratio(of, to).toFixed(2)}   (goal: ${goal})`);

  const saturated = median(rates['d  service, saturated'] ?? []);
  const bareMs = 1_000 / median(rates['b  bare loop, one at a time'] ?? []);
  const latencies = await service.latencies(saturated / 2, Number(values['latency-seconds']) * 1_000);
  const p99 = percentile(latencies, 0.99);
  say(
    `\nat half that load (${(saturated / 2).toFixed(1)} images/s, ${latencies.length} photos), from event to verdict:`,
  );
  say(
    `  p50 ${percentile(latencies, 0.5).toFixed(1)} ms, p99 ${p99.toFixed(1)} ms; the bare loop takes ${bareMs.toFixed(1)} ms`,
  );
  say(`  p99 / bare ${(p99 / bareMs).toFixed(2)}   (goal: below 3)`);
  return 0;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
