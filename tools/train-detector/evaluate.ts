/**
 * Compares our model with YOLOX-nano on the same photos, through the product's own code from bytes to score:
 *
 *   node evaluate.ts --ours OURS.onnx --yolox yolox_nano.onnx --photos FOLDER [--photos FOLDER …]
 *
 * A folder holds photos and a labels.csv with at least the columns file, expected_pet and species. A photo's score is its
 * largest animal score: of the first look, and for ours also of all looks, with the closer ones by the same model. Prints
 * Markdown tables; `--misses` also lists what our model gets wrong at the default threshold.
 */
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { scoreMinDefault } from '../../services/detector/src/core/decide.ts';
import { createDetector } from '../../services/detector/src/detect.ts';
import { type ModelEntry, modelEntry } from '../../services/detector/src/model-manifest.ts';
import { inputSizeDefault, petNanoEntry } from './entry.ts';
import { complain, type Judged, markdownTable, median, print, share, thresholdFor } from './figures.ts';

type Photo = { readonly file: string; readonly path: string; readonly species: string; readonly pet: boolean };

const thresholds = [0.1, 0.2, 0.25, 0.3, 0.4, 0.5];
const falseShares = [0, 0.02, 0.05];
/** No photo's score reaches it: every look is taken. */
const unreachable = 0.9999;

const { values: options } = parseArgs({
  options: {
    ours: { type: 'string' },
    yolox: { type: 'string' },
    photos: { type: 'string', multiple: true },
    size: { type: 'string', default: String(inputSizeDefault) },
    misses: { type: 'boolean', default: false },
  },
});
if (options.ours === undefined || options.photos === undefined) {
  complain('usage: node evaluate.ts --ours OURS.onnx [--yolox yolox_nano.onnx] --photos FOLDER…');
  process.exit(2);
}
type Model = { readonly entry: ModelEntry; readonly path: string; readonly allLooks?: true };
const ours: Model = { entry: petNanoEntry(Number(options.size)), path: options.ours };
const models: Model[] = [
  ours,
  { ...ours, allLooks: true },
  ...(options.yolox === undefined ? [] : [{ entry: modelEntry('yolox-nano'), path: options.yolox }]),
];

for (const folder of options.photos) {
  const photos = readLabels(folder);
  const pets = photos.filter((photo) => photo.pet).length;
  print(`\n## ${basename(folder)}: ${pets} photos with an animal, ${photos.length - pets} without\n`);
  const runs = [];
  for (const model of models) {
    const name = `${model.entry.name}${model.allLooks ? ', all looks' : ''}`;
    runs.push({ name, ...(await judge(model, photos)) });
  }
  print('Recall at the lowest threshold that lets no more than this share of photos without an animal through:\n');
  print(
    markdownTable(
      ['model', 'at most false', 'threshold', 'false', 'all', 'dogs', 'cats', 'others', 'right species'],
      runs.flatMap(({ name, judged }) => falseShares.map((limit) => atFalseShare(name, judged, limit))),
    ),
  );
  print('\nAt fixed thresholds (found / falsely accepted):\n');
  print(
    markdownTable(
      ['model', ...thresholds.map(String), 'inference ms'],
      runs.map(({ name, judged, inferenceMs }) => [
        name,
        ...thresholds.map((t) => `${count(judged, true, t)} / ${count(judged, false, t)}`),
        inferenceMs.toFixed(1),
      ]),
    ),
  );
  if (options.misses) for (const { name, judged } of runs.slice(0, 2)) printMisses(name, judged);
}

async function judge({ allLooks, ...model }: Model, photos: readonly Photo[]) {
  const detector = await createDetector({
    ...model,
    second: allLooks && model,
    threads: 1,
    scoreMin: allLooks ? unreachable : 0,
  });
  const judged: Judged[] = [];
  const times: number[] = [];
  for (const photo of photos) {
    // Threshold 0: every candidate is reported, so that the best one's species is known whatever its score.
    const { best_score, pets, inference_ms } = await detector.detect(readFileSync(photo.path));
    judged.push({ ...photo, score: best_score, label: pets[0]?.label ?? '' });
    times.push(inference_ms);
  }
  await detector.close();
  return { judged, inferenceMs: median(times) };
}

function atFalseShare(name: string, judged: readonly Judged[], limit: number): string[] {
  const threshold = thresholdFor(judged, limit);
  const found = judged.filter((photo) => photo.pet && photo.score > threshold);
  const of = (belongs: (species: string) => boolean) => {
    const all = judged.filter((photo) => photo.pet && belongs(photo.species));
    return share(all.filter((photo) => photo.score > threshold).length, all.length);
  };
  const negatives = judged.filter((photo) => !photo.pet);
  const named = found.filter((photo) => photo.label === photo.species).length;
  return [
    name,
    `${limit * 100} %`,
    threshold.toFixed(3),
    `${negatives.filter((photo) => photo.score > threshold).length} of ${negatives.length}`,
    of(() => true),
    of((species) => species === 'dog'),
    of((species) => species === 'cat'),
    of((species) => species !== 'dog' && species !== 'cat'),
    found.some((photo) => photo.label !== '') ? `${named} of ${found.length}` : '–',
  ];
}

function count(judged: readonly Judged[], pet: boolean, threshold: number): number {
  return judged.filter((photo) => photo.pet === pet && photo.score >= threshold).length;
}

function printMisses(name: string, judged: readonly Judged[]): void {
  const wrong = judged.filter((photo) => photo.pet !== photo.score >= scoreMinDefault);
  print(`\n${name}, wrong at ${scoreMinDefault}:\n`);
  for (const { file, pet, species, score, label } of wrong.toSorted((a, b) => b.score - a.score)) {
    print(`- ${file}: ${pet ? `missed ${species}` : `taken for ${label || 'an animal'}`}, ${score}`);
  }
}

function readLabels(folder: string): Photo[] {
  const [header = '', ...lines] = readFileSync(join(folder, 'labels.csv'), 'utf8').trim().split('\n');
  const columns = header.split(',');
  return lines.map((line) => {
    // The three columns come first and hold no comma; later ones may.
    const fields = line.split(',');
    const at = (name: string) => fields[columns.indexOf(name)] ?? '';
    const file = at('file');
    return { file, path: join(folder, file), species: at('species'), pet: at('expected_pet') === 'true' };
  });
}
