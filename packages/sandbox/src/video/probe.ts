/** Says whether a decoder really plays a video, by decoding every frame of it. */
import { z } from 'zod';
import { FfmpegFailed, findFfmpeg, runFfmpeg } from './ffmpeg.ts';

const decodeMsMax = 60_000;

export type ProbedVideo = {
  readonly durationSeconds: number;
  readonly width: number;
  readonly height: number;
  readonly frames: number;
};

/**
 * Decodes the whole file. Throws `FfmpegFailed` where it has no video, any frame is broken, or decoding is not done
 * after a minute; throws an Error where there is no ffmpeg.
 */
export async function probeVideo(path: string): Promise<ProbedVideo> {
  const ffmpeg = await findFfmpeg();
  if (ffmpeg === undefined) throw new Error('no ffmpeg runs on this machine, so the video cannot be checked');
  const strict = ['-v', 'info', '-nostats', '-xerror', '-err_detect', 'explode'];
  const what = ['-i', path, '-map', '0:v:0', '-map', '0:a?', '-progress', 'pipe:1', '-f', 'null', '-'];
  const { stdout, stderr } = await runFfmpeg(ffmpeg, [...strict, ...what], decodeMsMax);
  // More than half of small damages are papered over by the decoder: it says so, and exits with 0 all the same.
  const complaint = /^\[.*(?:concealing|error while decoding|partial file).*$/imu.exec(stderr)?.[0];
  if (complaint !== undefined) throw new FfmpegFailed(`the video is broken: ${complaint.trim()}`);
  const size = /Video: .*?,\s(\d{2,5})x(\d{2,5})/u.exec(stderr);
  const probed = probedSchema.safeParse({
    durationSeconds: Number(lastValue(stdout, 'out_time_ms')) / 1_000_000,
    width: Number(size?.[1]),
    height: Number(size?.[2]),
    frames: Number(lastValue(stdout, 'frame')),
  });
  if (!probed.success) throw new FfmpegFailed(`the file has no video that plays: ${stderr.trim()}`);
  return probed.data;
}

const probedSchema = z.object({
  durationSeconds: z.number().positive(),
  width: z.number().int().positive(),
  height: z.number().int().positive(),
  frames: z.number().int().positive(),
});

/** ffmpeg repeats `key=value` lines as it goes on; `out_time_ms` is in microseconds, whatever its name says. */
function lastValue(progress: string, key: string): string | undefined {
  return progress
    .split('\n')
    .findLast((line) => line.startsWith(`${key}=`))
    ?.slice(key.length + 1);
}
