/**
 * `npm run bench -- detector-sheet [--write]`: a contact sheet in small, of pictures that are this repository's own: the
 * sandbox's drawn cat as people might send it, and two pictures without an animal. `npm run eval` draws the large one, of
 * photos that cannot be published.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import sharp from 'sharp';
import { root } from '../scripts/run/machine.ts';
import { createDetector, type Detection } from '../services/detector/src/detect.ts';
import { resolveModels } from '../services/detector/src/models.ts';
import { table, writeBlock } from './detector/page.ts';

const [tileWidth, tileHeight, columns, frame] = [300, 225, 3, 6];
const [right, none] = ['#1a7f37', '#8a8a8a'];

export async function run(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({ args: [...args], options: { write: { type: 'boolean', default: false } } });
  const detector = await createDetector(await resolveModels(process.env));
  const tiles: { picture: Buffer; what: string; found: Detection }[] = [];
  for (const [what, picture] of Object.entries(await pictures())) {
    tiles.push({ what, picture, found: await detector.detect(picture) });
  }
  await detector.close();

  const rows = tiles.map(({ what, found }, index) => {
    const seen = found.pets.map(({ label, score }) => `${label} ${score.toFixed(2)}`).join(', ');
    return [String(index + 1), what, seen || `no pet (best ${found.best_score.toFixed(2)})`, String(found.looks)];
  });
  const text = [
    '![Six pictures, the animals found in them framed](detector-contact-sheet.jpg)',
    '',
    table(['row by row', 'the picture', 'seen', 'inferences'], rows),
  ].join('\n');
  process.stdout.write(`${text}\n`);
  if (values.write) {
    await writeFile(join(root, 'docs/detector-contact-sheet.jpg'), await sheet(tiles));
    await writeBlock('sheet', text);
  }
  return 0;
}

async function pictures(): Promise<Record<string, Buffer>> {
  const pet = join(root, 'packages/sandbox/assets/pet.jpg');
  const [width, height] = [1_200, 900];
  const wall = sharp({ create: { width, height, channels: 3, background: '#b9a58a' } });
  const whole = () => sharp(pet).resize(width, height, { fit: 'cover' });
  const small = await sharp(pet).resize(260, 195).toBuffer();
  const drawing = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}"><g fill="none" stroke="#333"
    stroke-width="14"><ellipse cx="600" cy="520" rx="250" ry="140"/><circle cx="880" cy="360" r="100"/><path d="M420 640v180M520
    660v160M680 660v160M780 640v180M350 500q-120 -60 -90 -200M830 280l-30 -110 90 70M930 280l50 -100 10 130"/></g></svg>`;
  const encoded = {
    'the sandbox’s cat': whole(),
    'in black and white': whole().greyscale(),
    'the cat small on a wall': wall.clone().composite([{ input: small, left: 760, top: 560 }]),
    'too dark': whole().linear(0.25, 0),
    'a line drawing of a dog': wall.clone().composite([{ input: Buffer.from(drawing) }]),
    'nothing but grain': sharp({
      create: { width, height, channels: 3, background: '#000', noise: { type: 'gaussian', mean: 128, sigma: 40 } },
    }),
  };
  const named = await Promise.all(
    Object.entries(encoded).map(async ([what, image]) => [what, await image.jpeg({ quality: 88 }).toBuffer()] as const),
  );
  return Object.fromEntries(named);
}

async function sheet(tiles: readonly { picture: Buffer; found: Detection }[]): Promise<Buffer> {
  const layers = await Promise.all(
    tiles.map(async ({ picture, found }, index) => ({
      input: await tile(picture, found),
      left: (index % columns) * (tileWidth + frame),
      top: Math.floor(index / columns) * (tileHeight + frame),
    })),
  );
  const lines = Math.ceil(tiles.length / columns);
  const size = { width: columns * (tileWidth + frame) - frame, height: lines * (tileHeight + frame) - frame };
  return sharp({ create: { ...size, channels: 3, background: '#ffffff' } })
    .composite(layers)
    .jpeg({ quality: 80 })
    .toBuffer();
}

async function tile(picture: Buffer, { pets, width, height }: Detection): Promise<Buffer> {
  const stroke = width / 80;
  const boxes = pets.map(({ box }) => {
    const place = `x="${box.x}" y="${box.y}" width="${box.width}" height="${box.height}"`;
    return `<rect ${place} fill="none" stroke="#ffe600" stroke-width="${stroke}"/>`;
  });
  const edge = `<rect width="${width}" height="${height}" fill="none" stroke="${pets.length > 0 ? right : none}" stroke-width="${2 * stroke}"/>`;
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${tileWidth}" height="${tileHeight}" viewBox="0 0 ${width} ${height}">${boxes.join('')}${edge}</svg>`;
  return sharp(picture)
    .resize(tileWidth, tileHeight)
    .composite([{ input: Buffer.from(svg) }])
    .png()
    .toBuffer();
}
