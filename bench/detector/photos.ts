import { readdir, readFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import type { Detector } from '../../services/detector/src/detect.ts';

export type BenchPhoto = {
  readonly file: string;
  readonly bytes: Buffer;
  readonly width: number;
  readonly height: number;
};

const extensions = ['.jpg', '.jpeg', '.png', '.webp'];

/** The photos of a folder that the detector decides with one look. Throws when there are none. */
export async function choosePhotos(folder: string, detector: Detector): Promise<BenchPhoto[]> {
  const files = (await readdir(folder)).filter((file) => extensions.includes(extname(file).toLowerCase())).sort();
  const photos: BenchPhoto[] = [];
  for (const file of files) {
    const bytes = await readFile(join(folder, file));
    const { looks, width, height } = await detector.detect(bytes);
    if (looks === 1) photos.push({ file, bytes, width, height });
  }
  if (photos.length === 0) throw new Error(`no photo in ${folder} is decided by one look`);
  return photos;
}
