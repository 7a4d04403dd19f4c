/** The same video as an animated WebP, for machines without ffmpeg: smaller, and fewer frames a second. */
import { writeFile } from 'node:fs/promises';
import sharp from 'sharp';
import { drawCanvas, zoomEnd } from './canvas.ts';
import { drawCaptions, type Overlay } from './caption-images.ts';
import type { CaptionPlan } from './captions.ts';

const frame = { width: 360, height: 640 } as const;
const framesPerSecond = 6;
const channels = 3;
const quality = 80;
/** 0 is the fastest, 6 the smallest. */
const effort = 1;

/** Writes the animation to `path`. Throws where the photo is no image. */
export async function makeWebp(photo: Buffer, plan: CaptionPlan, path: string): Promise<void> {
  const overlays = await drawCaptions(
    plan.pages.map(({ text }) => text),
    frame,
  );
  const canvas = await drawCanvas(photo, frame);
  const count = plan.durationSeconds * framesPerSecond;
  const frames: Buffer[] = [];
  for (let index = 0; index < count; index += 1) {
    frames.push(await drawFrame(canvas, index / count, overlayAt(plan, overlays, index / framesPerSecond)));
  }
  const raw = { width: frame.width, height: frame.height * count, channels, pageHeight: frame.height } as const;
  const delay = new Array<number>(count).fill(Math.round(1000 / framesPerSecond));
  const bytes = await sharp(Buffer.concat(frames), { raw }).webp({ loop: 0, delay, quality, effort }).toBuffer();
  await writeFile(path, bytes);
}

async function drawFrame(canvas: Buffer, progress: number, overlay: Overlay | undefined): Promise<Buffer> {
  const share = 1 / (1 + (zoomEnd - 1) * progress);
  const width = Math.round(frame.width * share);
  const height = Math.round(frame.height * share);
  const left = Math.round((frame.width - width) / 2);
  const top = Math.round((frame.height - height) / 2);
  const zoomed = await sharp(canvas)
    .extract({ left, top, width, height })
    .resize({ ...frame, fit: 'fill' })
    .raw()
    .toBuffer();
  if (overlay === undefined) return zoomed;
  return sharp(zoomed, { raw: { ...frame, channels } })
    .composite([{ input: overlay.png, left: overlay.left, top: overlay.top }])
    .removeAlpha()
    .raw()
    .toBuffer();
}

function overlayAt(plan: CaptionPlan, overlays: readonly Overlay[], seconds: number): Overlay | undefined {
  return overlays[plan.pages.findIndex((page) => seconds >= page.fromSeconds && seconds < page.toSeconds)];
}
