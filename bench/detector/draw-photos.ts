import { join } from 'node:path';
import sharp, { type Sharp } from 'sharp';
import { root } from '../../scripts/run/machine.ts';
import type { BenchPhoto } from './photos.ts';

const bytesMax = 10_000_000;
const megapixels = [0.3, 1, 2, 4, 8, 12];
const encodings: Readonly<Record<string, (image: Sharp) => Sharp>> = {
  jpg: (image) => image.jpeg({ quality: 95 }),
  'progressive.jpg': (image) => image.jpeg({ quality: 85, progressive: true }),
  'turned.jpg': (image) => image.jpeg({ quality: 85 }).withMetadata({ orientation: 6 }),
  webp: (image) => image.webp({ quality: 80, effort: 0 }),
  png: (image) => image.png({ compressionLevel: 1 }),
};

/** The sandbox's pet and a picture without an animal, in every size and encoding; with grain, as cameras have it. */
export async function drawPhotos(): Promise<BenchPhoto[]> {
  const pet = join(root, 'packages/sandbox/assets/pet.jpg');
  const photos: BenchPhoto[] = [];
  for (const size of megapixels) {
    const [width, height] = [Math.round(Math.sqrt((size * 4e6) / 3)), Math.round(Math.sqrt((size * 3e6) / 4))];
    const grain = { width: 1_000, height: 750, channels: 3 as const, background: '#000' };
    const noise = await sharp({ create: { ...grain, noise: { type: 'gaussian', mean: 128, sigma: 12 } } })
      .resize(width, height)
      .png({ compressionLevel: 0 })
      .toBuffer();
    for (const subject of ['pet', 'none']) {
      const scene = subject === 'pet' ? sharp(pet) : sharp({ create: { ...grain, background: '#a86' } });
      const picture = scene.resize(width, height, { fit: 'cover' }).composite([{ input: noise, blend: 'soft-light' }]);
      for (const [extension, encode] of Object.entries(encodings)) {
        const bytes = await encode(picture.clone()).toBuffer();
        // Nobody sends those: a PNG of 4 megapixels with grain has 15 MB.
        if (bytes.length > bytesMax) continue;
        photos.push({ file: `${subject}-${size}.${extension}`, bytes, width, height });
      }
    }
  }
  return photos;
}
