/**
 * How good is the detector? `npm run eval -- --photos DIR [--labels FILE]` judges a labelled folder through the service's
 * own code, prints the figures and draws a contact sheet.
 *
 *   --photos DIR      the photos
 *   --labels FILE     CSV with the columns file, expected_pet and species; unset: DIR/labels.csv
 *   --model NAME      first look; unset: the manifest's default
 *   --second NAME     further looks; unset: the manifest's for the first model; none: the first look alone
 *   --threshold N     score from which an animal counts
 *   --sweep           also takes every look at every photo: thresholds compared, cross-validated
 *   --out DIR         where the contact sheet and the results as JSON are written; unset: out/eval
 *
 * MODEL_PATH, MODEL_SECOND_PATH, MODEL_MIRROR and MODEL_CACHE_DIR say where the models are, as for the detector.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { scoreMinDefault } from '../services/detector/src/core/decide.ts';
import { createDetector, type Detector } from '../services/detector/src/detect.ts';
import { resolveModels } from '../services/detector/src/models.ts';
import { contactSheet } from './eval/contact-sheet.ts';
import { type Judged, quantile } from './eval/figures.ts';
import { type LabelledPhoto, readLabels } from './eval/labels.ts';
import { report } from './eval/report.ts';

/** No photo's score reaches it: every look is taken. */
const unreachable = 0.9999;

const { values: options } = parseArgs({
  options: {
    photos: { type: 'string' },
    labels: { type: 'string' },
    model: { type: 'string' },
    second: { type: 'string' },
    threshold: { type: 'string', default: String(scoreMinDefault) },
    sweep: { type: 'boolean', default: false },
    out: { type: 'string', default: 'out/eval' },
  },
});
if (options.photos === undefined) {
  console.error('usage: npm run eval -- --photos DIR [--labels FILE] [--model NAME] [--second NAME|none] [--sweep]');
  process.exit(2);
}
const folder = resolve(options.photos);
const labels = readLabels(resolve(options.labels ?? join(folder, 'labels.csv')));
const models = await resolveModels({
  ...process.env,
  ...(options.model === undefined ? {} : { MODEL_NAME: options.model }),
  ...(options.second === undefined ? {} : { MODEL_SECOND_NAME: options.second }),
});
if (models.secondMissing !== undefined) console.error(models.secondMissing);

const detector = await createDetector({ ...models, scoreMin: Number(options.threshold) });
const { judged, ms } = await judge(detector, labels);
await detector.close();
const all = options.sweep ? await withFullScores(judged) : judged;

const summary = report({ model: detector.model, threshold: options.threshold, photos: all, ms });
console.log(summary);
const out = resolve(options.out);
await mkdir(out, { recursive: true });
await writeFile(join(out, 'results.json'), `${JSON.stringify(all, undefined, 1)}\n`);
await writeFile(join(out, 'contact-sheet.html'), await contactSheet('What the detector sees', summary, folder, all));
console.log(`\nContact sheet: ${join(out, 'contact-sheet.html')}`);

async function judge(one: Detector, photos: readonly LabelledPhoto[]) {
  const judged: Judged[] = [];
  const times: number[] = [];
  for (const photo of photos) {
    const bytes = await readFile(join(folder, photo.file));
    const startedAt = performance.now();
    judged.push({ ...photo, found: await one.detect(bytes) });
    times.push(performance.now() - startedAt);
  }
  return { judged, ms: { median: quantile(times, 0.5), p95: quantile(times, 0.95) } };
}

async function withFullScores(photos: readonly Judged[]): Promise<Judged[]> {
  const thorough = await createDetector({ ...models, scoreMin: unreachable });
  const judged: Judged[] = [];
  for (const photo of photos) {
    const { best_score } = await thorough.detect(await readFile(join(folder, photo.file)));
    judged.push({ ...photo, fullScore: best_score });
  }
  await thorough.close();
  return judged;
}
