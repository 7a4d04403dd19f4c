/** A 9:16 H.264 video with AAC sound that any player takes: the canvas slowly growing, the captions over it. */
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { drawCanvas, zoomEnd } from './canvas.ts';
import { drawCaptions, type Overlay } from './caption-images.ts';
import type { CaptionPage, CaptionPlan } from './captions.ts';
import { runFfmpeg } from './ffmpeg.ts';

const frame = { width: 540, height: 960 } as const;
const framesPerSecond = 25;
const encodeMsMax = 60_000;

/** Writes the video to `path`, whole or not at all. Throws where the photo is no image, ffmpeg fails or `signal` aborts. */
export async function makeMp4(
  ffmpeg: string,
  photo: Buffer,
  plan: CaptionPlan,
  path: string,
  signal?: AbortSignal,
): Promise<void> {
  const folder = await mkdtemp(join(dirname(path), 'making-'));
  try {
    const overlays = await drawCaptions(
      plan.pages.map(({ text }) => text),
      frame,
    );
    await writeFile(join(folder, 'canvas.png'), await drawCanvas(photo, frame));
    await Promise.all(overlays.map(({ png }, index) => writeFile(join(folder, `${index}.png`), png)));
    const stills = ['canvas.png', ...overlays.map((_, index) => `${index}.png`)];
    const made = join(folder, 'made.mp4');
    await runFfmpeg(
      ffmpeg,
      [
        ...['-v', 'error', '-y'],
        ...stills.flatMap((name) => ['-i', join(folder, name)]),
        ...['-f', 'lavfi', '-i', 'anullsrc=r=44100:cl=stereo'],
        ...['-filter_complex', filterGraph(plan, overlays)],
        ...['-map', '[out]', '-map', `${stills.length}:a`, '-t', String(plan.durationSeconds)],
        ...['-c:v', 'libx264', '-preset', 'veryfast', '-crf', '24', '-profile:v', 'main', '-pix_fmt', 'yuv420p'],
        ...['-colorspace', 'bt709', '-color_primaries', 'bt709', '-color_trc', 'bt709', '-threads', '2'],
        ...['-c:a', 'aac', '-b:a', '48k', '-movflags', '+faststart', made],
      ],
      encodeMsMax,
      signal,
    );
    await rename(made, path);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * One decoded still is repeated inside the graph (`-loop` would decode the PNG for every frame). `perspective` does
 * the zoom because it samples between pixels: `zoompan` rounds to whole ones and trembles on frames this small.
 */
function filterGraph(plan: CaptionPlan, overlays: readonly Overlay[]): string {
  const frames = plan.durationSeconds * framesPerSecond;
  const inset = (1 - 1 / zoomEnd) / 2;
  const x = `W*${inset.toFixed(5)}*on/${frames}`;
  const y = `H*${inset.toFixed(5)}*on/${frames}`;
  const corners = `x0=${x}:y0=${y}:x1=W-${x}:y1=${y}:x2=${x}:y2=H-${y}:x3=W-${x}:y3=H-${y}`;
  const steps = [
    `[0:v]scale=out_color_matrix=bt709:out_range=tv,format=yuv420p,loop=loop=${frames - 1}:size=1:start=0,` +
      `setpts=N/${framesPerSecond}/TB,fps=${framesPerSecond},perspective=sense=source:eval=frame:${corners}[v0]`,
  ];
  for (const [index, { left, top }] of overlays.entries()) {
    const shown = shownWhile(plan.pages[index]);
    steps.push(`[v${index}][${index + 1}:v]overlay=x=${left}:y=${top}:enable='${shown}'[v${index + 1}]`);
  }
  return `${steps.join(';')};[v${overlays.length}]null[out]`;
}

function shownWhile(page: CaptionPage | undefined): string {
  const from = page?.fromSeconds.toFixed(3) ?? '0';
  return `gte(t,${from})*lt(t,${page?.toSeconds.toFixed(3) ?? '0'})`;
}
