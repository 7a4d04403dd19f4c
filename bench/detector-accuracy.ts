/**
 * `npm run bench -- detector-accuracy [--photos DIR] [--labels FILE] [--write]`: how many pets are found and how many photos
 * accepted without one, by the first look alone and by all looks. `npm run eval` has the details.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Judged, type Share, shares, wilson } from '../scripts/eval/figures.ts';
import { type LabelledPhoto, readLabels } from '../scripts/eval/labels.ts';
import { createDetector } from '../services/detector/src/detect.ts';
import { resolveModels } from '../services/detector/src/models.ts';
import { table, writeBlock } from './detector/page.ts';

export async function run(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      photos: { type: 'string', default: process.env['PET_PHOTOS'] ?? '' },
      labels: { type: 'string' },
      write: { type: 'boolean', default: false },
    },
  });
  const labelled = readLabels(values.labels ?? join(values.photos, 'labels.csv'));
  const alone = shares(await judge('none', values.photos, labelled));
  const all = shares(await judge(undefined, values.photos, labelled));
  const text = [
    `${labelled.length} labelled photos; in brackets the 95 % Wilson interval:`,
    '',
    table(
      ['', 'first look alone', 'all looks'],
      [
        ['pets found', tell(alone.found), tell(all.found)],
        ['accepted without a pet', tell(alone.falselyAccepted), tell(all.falselyAccepted)],
        ['dogs and cats called right, of those found', tell(alone.dogsAndCatsRight), tell(all.dogsAndCatsRight)],
      ],
    ),
  ].join('\n');
  process.stdout.write(`${text}\n`);
  if (values.write) await writeBlock('accuracy', text);
  return 0;
}

async function judge(second: string | undefined, folder: string, photos: readonly LabelledPhoto[]): Promise<Judged[]> {
  const settings = second === undefined ? process.env : { ...process.env, MODEL_SECOND_NAME: second };
  const detector = await createDetector(await resolveModels(settings));
  const judged: Judged[] = [];
  for (const photo of photos) {
    judged.push({ ...photo, found: await detector.detect(await readFile(join(folder, photo.file))) });
  }
  await detector.close();
  return judged;
}

/** `16/20, 80 % (58 to 92)` */
function tell(share: Share): string {
  const percent = (part: number) => (100 * part).toFixed(0);
  const [low, high] = wilson(share);
  return `${share.count}/${share.of}, ${percent(share.count / share.of)} % (${percent(low)} to ${percent(high)})`;
}
