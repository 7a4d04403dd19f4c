/**
 * `npm run bench -- detector-page --photos DIR [--minutes 10]`: measures all that docs/detector.md shows between its marks, on
 * this machine, and writes it there. Takes a quarter of an hour, most of it for the memory.
 */
import { parseArgs } from 'node:util';
import { run as speed } from './detector.ts';
import { run as accuracy } from './detector-accuracy.ts';
import { run as memory } from './detector-memory.ts';
import { run as scale } from './detector-scale.ts';
import { run as sheet } from './detector-sheet.ts';

export async function run(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      photos: { type: 'string', default: process.env['PET_PHOTOS'] ?? '' },
      minutes: { type: 'string', default: '10' },
    },
  });
  const photos = ['--photos', values.photos, '--write'];
  const codes = [
    await accuracy(photos),
    await sheet(['--write']),
    await speed(photos),
    await scale(photos),
    await memory(['--minutes', values.minutes, '--write']),
  ];
  return Math.max(...codes);
}
