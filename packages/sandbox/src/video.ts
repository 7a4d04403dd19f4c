/** Makes the sandbox's videos: real ones, of the pet's own photo and its own roast. */
import { createHash } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { planCaptions } from './video/captions.ts';
import { findFfmpeg } from './video/ffmpeg.ts';
import { makeMp4 } from './video/mp4.ts';
import { makeWebp } from './video/webp.ts';

export { FfmpegFailed, findFfmpeg } from './video/ffmpeg.ts';
export { type ProbedVideo, probeVideo } from './video/probe.ts';

/** Videos waiting to be made; one more is refused. */
const queueLengthMax = 1_000;
/** Videos remembered by their photo and text. */
const rememberedMax = 200;

export type VideoRequest = { readonly image: Buffer; readonly text: string; readonly language?: string | undefined };
export type MadeVideo = { readonly path: string; readonly contentType: string; readonly durationSeconds: number };

export type VideoMaker = {
  readonly kind: 'mp4' | 'webp';
  /** Makes a video, or gives the one made before of the same photo and text. Throws where the photo is no image. */
  make(request: VideoRequest): Promise<MadeVideo>;
};

export type VideoMakerOptions = {
  /** Where the videos lie; made if it is not there. */
  readonly workDir: string;
  /** An ffmpeg to use, or null for none; found as `findFfmpeg` says unless given. */
  readonly ffmpegPath?: string | null;
  /** Ends what is being made and refuses what waits. */
  readonly signal?: AbortSignal;
};

/**
 * A maker of MP4s (H.264 and silent AAC, 540x960, 25 frames a second, 6 to 12 s), or of animated WebPs where no
 * ffmpeg runs. It makes one video at a time, with at most 1,000 waiting.
 */
export async function createVideoMaker(options: VideoMakerOptions): Promise<VideoMaker> {
  await mkdir(options.workDir, { recursive: true });
  const ffmpeg = options.ffmpegPath === undefined ? await findFfmpeg() : (options.ffmpegPath ?? undefined);
  const kind = ffmpeg === undefined ? 'webp' : 'mp4';
  const oneAtATime = createQueue();
  const remembered = new Map<string, Promise<MadeVideo>>();

  const makeNew = async ({ image, text }: VideoRequest, path: string): Promise<MadeVideo> => {
    options.signal?.throwIfAborted();
    const plan = planCaptions(text);
    await (ffmpeg === undefined ? makeWebp(image, plan, path) : makeMp4(ffmpeg, image, plan, path, options.signal));
    return { path, contentType: kind === 'mp4' ? 'video/mp4' : 'image/webp', durationSeconds: plan.durationSeconds };
  };
  const make = (request: VideoRequest): Promise<MadeVideo> => {
    const key = createHash('sha256').update(request.image).update(request.text).digest('hex').slice(0, 32);
    const before = remembered.get(key);
    if (before !== undefined) return before;
    const made = oneAtATime(() => makeNew(request, join(options.workDir, `${key}.${kind}`)));
    remembered.set(key, made);
    made.catch(() => remembered.delete(key));
    const oldest = remembered.keys().next().value;
    if (remembered.size > rememberedMax && oldest !== undefined) remembered.delete(oldest);
    return made;
  };
  return { kind, make };
}

function createQueue(): <T>(work: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  let waiting = 0;
  return (work) => {
    if (waiting >= queueLengthMax) return Promise.reject(new Error(`${queueLengthMax} videos are waiting already`));
    waiting += 1;
    const done = last.then(work).finally(() => {
      waiting -= 1;
    });
    last = done.catch(() => undefined);
    return done;
  };
}
