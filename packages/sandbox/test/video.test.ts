import { mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createVideoMaker, findFfmpeg, type MadeVideo, probeVideo } from '../src/index.ts';
import { captionBand } from '../src/video/caption-images.ts';
import { runFfmpeg } from '../src/video/ffmpeg.ts';
import { makePhoto } from './helpers/photo.ts';

const roast =
  'My dog barks at the doorbell & hides behind the <sofa>. The moment he hears food, he sprints like an Olympian!';
const ffmpeg = (await findFfmpeg()) ?? 'no ffmpeg with libx264 runs on this machine, so no MP4 can be tested';
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'video-test-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('the MP4 of the sandbox', () => {
  let video: MadeVideo;
  let elapsedMs: number;
  beforeAll(async () => {
    const maker = await createVideoMaker({ workDir: folder });
    expect(maker.kind).toBe('mp4');
    const startMs = performance.now();
    video = await maker.make({ image: await makePhoto(), text: roast });
    elapsedMs = performance.now() - startMs;
  });

  it('plays from its first frame to its last: 9:16, 25 frames a second, as long as it says', async () => {
    expect(video.contentType).toBe('video/mp4');
    const probed = await probeVideo(video.path);
    const bytes = (await readFile(video.path)).length;
    process.stdout.write(`one video: ${Math.round(elapsedMs)} ms, ${bytes} bytes, ${JSON.stringify(probed)}\n`);
    expect(probed).toMatchObject({ width: 540, height: 960, frames: video.durationSeconds * 25 });
    expect(Math.abs(probed.durationSeconds - video.durationSeconds)).toBeLessThan(0.1);
    expect(video.durationSeconds).toBe(6);
  });

  it('is H.264 in yuv420p with a sound track, and can be played while it still loads', async () => {
    const { stderr } = await runFfmpeg(ffmpeg, ['-i', video.path, '-f', 'null', '-'], 10_000);
    expect(stderr).toMatch(/Video: h264 \(Main\).*yuv420p/);
    expect(stderr).toMatch(/Audio: aac/);
    const bytes = await readFile(video.path);
    expect(bytes.indexOf('moov')).toBeLessThan(bytes.indexOf('mdat'));
  });

  it('shows one caption page after the other, white on dark, and none of them at the frame’s edge', async () => {
    const first = await whitePixels(video.path, 0.5);
    const stillFirst = await whitePixels(video.path, 1.5);
    const second = await whitePixels(video.path, 5.5);
    expect(first.size).toBeGreaterThan(1_500);
    expect(second.size).toBeGreaterThan(1_500);
    expect(shared(first, stillFirst)).toBeGreaterThan(0.9);
    expect(shared(first, second)).toBeLessThan(0.5);
    for (const page of [first, second]) {
      const columns = [...page].map((index) => index % 540);
      expect(Math.min(...columns)).toBeGreaterThan(20);
      expect(Math.max(...columns)).toBeLessThan(519);
    }
  });

  it('has no caption where there is no text', async () => {
    const maker = await createVideoMaker({ workDir: folder });
    const silent = await maker.make({ image: await makePhoto(), text: ' ' });
    expect((await whitePixels(silent.path, 3)).size).toBe(0);
  });

  it('moves: the photo grows slowly and is still whole at the end', async () => {
    const discs = [
      await greenWidth(video.path, 0.1),
      await greenWidth(video.path, 3),
      await greenWidth(video.path, 5.9),
    ];
    const [start = 0, middle = 0, end = 0] = discs;
    expect(middle).toBeGreaterThan(start);
    expect(end).toBeGreaterThan(middle);
    expect(end / start).toBeGreaterThan(1.08);
    expect(end / start).toBeLessThan(1.15);
  });

  it('is made once for the same photo and text', async () => {
    const maker = await createVideoMaker({ workDir: folder, ffmpegPath: null });
    const image = await makePhoto(64, 64);
    const [one, two] = await Promise.all([maker.make({ image, text: 'Same.' }), maker.make({ image, text: 'Same.' })]);
    expect(two).toBe(one);
    expect((await maker.make({ image, text: 'Other.' })).path).not.toBe(one.path);
  });

  it('is refused for bytes that are no picture', async () => {
    const maker = await createVideoMaker({ workDir: folder });
    await expect(maker.make({ image: Buffer.from('<html>'), text: 'x' })).rejects.toThrow(/unsupported image/i);
  });

  it('is not taken for playable when it is cut off, damaged or no video', async () => {
    const cut = join(folder, 'cut.mp4');
    const bytes = await readFile(video.path);
    await writeFile(cut, bytes);
    await truncate(cut, Math.floor(bytes.length * 0.7));
    await expect(probeVideo(cut)).rejects.toThrow();
    const damaged = join(folder, 'damaged.mp4');
    let seen = 0;
    for (let tenth = 0; tenth < 10; tenth += 1) {
      const at = bytes.indexOf('mdat') + 100 + Math.floor(((bytes.length - bytes.indexOf('mdat')) * tenth) / 11);
      await writeFile(damaged, Buffer.from(bytes).fill(0x5a, at, at + 8));
      await probeVideo(damaged).catch(() => {
        seen += 1;
      });
    }
    // Eight bytes can fall where they change nothing that a decoder could miss.
    expect(seen).toBeGreaterThanOrEqual(8);
    const picture = join(folder, 'picture.mp4');
    await writeFile(picture, 'this is no video');
    await expect(probeVideo(picture)).rejects.toThrow(/ffmpeg ended with 1/);
  });

  it('ends with ffmpeg’s own words when ffmpeg fails, and in time when it hangs', async () => {
    await expect(runFfmpeg(ffmpeg, ['-i', '/nowhere.png'], 5_000)).rejects.toThrow(/No such file/);
    const endless = ['-re', '-f', 'lavfi', '-i', 'testsrc', '-f', 'null', '-'];
    await expect(runFfmpeg(ffmpeg, endless, 300)).rejects.toThrow(/may take 300 ms/);
  });
});

describe('the WebP of the sandbox, where there is no ffmpeg', () => {
  it('is an animation of the same length, with captions that change', async () => {
    const maker = await createVideoMaker({ workDir: folder, ffmpegPath: null });
    expect(maker.kind).toBe('webp');
    const video = await maker.make({ image: await makePhoto(), text: roast });
    expect(video).toMatchObject({ contentType: 'image/webp', durationSeconds: 6 });
    const { pages, delay, width, pageHeight } = await sharp(video.path, { animated: true }).metadata();
    expect({ pages, width, pageHeight }).toEqual({ pages: 36, width: 360, pageHeight: 640 });
    expect(delay?.reduce((sum, ms) => sum + ms, 0)).toBeGreaterThan(5_900);
    const first = await sharp(video.path, { page: 3 }).raw().toBuffer();
    const last = await sharp(video.path, { page: 33 }).raw().toBuffer();
    const band = (pixels: Buffer): Set<number> => whiteIn(pixels, 360, 640, pixels.length / (360 * 640));
    expect(band(first).size).toBeGreaterThan(500);
    expect(shared(band(first), band(last))).toBeLessThan(0.5);
  });
});

/** One frame as RGB. */
async function frameAt(path: string, seconds: number): Promise<Buffer> {
  const png = join(folder, `frame-${seconds}.png`);
  await runFfmpeg(ffmpeg, ['-v', 'error', '-y', '-ss', String(seconds), '-i', path, '-frames:v', '1', png], 10_000);
  return sharp(png).removeAlpha().raw().toBuffer();
}

async function whitePixels(path: string, seconds: number): Promise<Set<number>> {
  return whiteIn(await frameAt(path, seconds), 540, 960, 3);
}

/** Indices of the nearly white pixels in the caption band: the letters. */
function whiteIn(pixels: Buffer, width: number, height: number, channels: number): Set<number> {
  const white = new Set<number>();
  for (
    let index = Math.floor(captionBand.top * height) * width;
    index < captionBand.bottom * height * width;
    index += 1
  ) {
    const at = index * channels;
    if (Math.min(pixels[at] ?? 0, pixels[at + 1] ?? 0, pixels[at + 2] ?? 0) > 225) white.add(index);
  }
  return white;
}

/** The share of the smaller set that is in both. */
function shared(one: Set<number>, other: Set<number>): number {
  return [...one].filter((index) => other.has(index)).length / Math.min(one.size, other.size);
}

/** The width of the photo's green disc in its widest row. */
async function greenWidth(path: string, seconds: number): Promise<number> {
  const pixels = await frameAt(path, seconds);
  const rows = new Array<number>(960).fill(0);
  for (let index = 0; index < 540 * 700; index += 1) {
    const [red = 0, green = 0, blue = 0] = pixels.subarray(index * 3, index * 3 + 3);
    if (green > 130 && red < 90 && blue < 90) rows[Math.floor(index / 540)] = (rows[Math.floor(index / 540)] ?? 0) + 1;
  }
  return Math.max(...rows);
}
