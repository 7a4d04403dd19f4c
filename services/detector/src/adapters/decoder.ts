/**
 * Photos to model inputs, decoded in a process of its own: native code on strangers' bytes can crash, hang or eat memory
 * there, and takes down neither this process nor another photo.
 *
 *   one process decodes for all, started with the first photo and ended after ten seconds without one;
 *   when it dies, the photos that it had in hand are decoded again, one by one, each in a process for it alone;
 *   the photo that kills that one too is to blame, and gets a clear failure.
 */
import { Permanent, RetryLater } from '@pet-roast/shared';
import { type Letterbox, type PhotoBox, planLetterbox } from '../core/letterbox.ts';
import type { PhotoSize } from '../core/looks.ts';
import type { ModelEntry } from '../model-manifest.ts';
import type { Done, Work } from './decode-child.ts';
import { type DecodeProcess, DecoderDied, DecodingOverdue, startDecodeProcess } from './decode-process.ts';
import { boundsOf, type ImageBounds, tooManyBytes } from './image-bounds.ts';
import type { ImageFormat } from './image-format.ts';
import type { InputSquare } from './sharp-image.ts';

export type DecoderOptions = ImageBounds & {
  /** For one photo; 1 unless told. */
  readonly threads?: number;
  /** Photos that the process decodes at a time; 2 unless told. The others wait here: each may take 40 MB there. */
  readonly atOnce?: number;
  /** How long the process waits for the next photo; 10 s unless told. */
  readonly idleMs?: number;
  /** Told when no photo has come for that long, whether or not a process was still there to end. */
  readonly onIdle?: () => void;
  /** Told how a decoding process ended that nobody had ended: for the log. */
  readonly onDecoderDied?: (how: string) => void;
  /** The process's program; a test may have one that crashes. */
  readonly program?: string;
};
type InputOf = Pick<ModelEntry, 'inputSize' | 'preprocess'>;
/** A photo, or a part of one, scaled for a model: RGB, row by row, and how it lies in the model's input. */
export type PreparedPart = { readonly rgb: Uint8Array; readonly letterbox: Letterbox };
export type PreparedImage = PreparedPart & {
  /** The photo's size as a viewer shows it, EXIF orientation applied. */
  readonly width: number;
  readonly height: number;
  readonly format: ImageFormat;
};
export type ImageCopy = {
  /** `part` in the photo's own whole pixels; unset: the whole photo. */
  readonly prepare: (entry: InputOf, part?: PhotoBox) => Promise<PreparedPart>;
};
export type Decoder = {
  /** Of the process that decodes now, if there is one. */
  readonly pid: () => number | undefined;
  /**
   * Decodes a JPEG, PNG, WebP, GIF or AVIF photo (HEIC too where this build of sharp decodes it) and scales it.
   * @throws Permanent `image_not_an_image` for anything else, for a damaged one, and for one that crashes the decoder.
   * @throws Permanent `image_too_large` beyond a bound.
   * @throws RetryLater `image_too_large` when its decoding runs out of time, or hangs: the photo's fault, or a machine with too
   * much to do.
   * @throws RetryLater `detection_failed` when the decoder was killed twice from outside, as for want of memory.
   */
  readonly prepare: (bytes: Uint8Array, entry: InputOf) => Promise<PreparedImage>;
  /** A photo to cut parts from: it is decoded once more, with the first part. Fails as `prepare` does. */
  readonly copy: (bytes: Uint8Array, photo: PhotoSize) => ImageCopy;
  readonly close: () => void;
};

/** A start takes 0.2 s; the 85 MB of a process at rest are not held for ever. */
const idleMsDefault = 10_000;
const atOnceDefault = 2;
/** Beyond the decoding's own time-out, which native code does not obey everywhere: the start, and waiting for a thread. */
const graceMs = 2_000;
/** What a process dies of by its own doing. */
const crashes: readonly string[] = ['SIGSEGV', 'SIGBUS', 'SIGABRT', 'SIGILL', 'SIGFPE', 'SIGTRAP'];

/** @throws Error when no decoding process can be started. */
export async function openDecoder(options: DecoderOptions = {}): Promise<Decoder> {
  const {
    threads = 1,
    atOnce = atOnceDefault,
    idleMs = idleMsDefault,
    onIdle = () => {},
    onDecoderDied = () => {},
    program,
  } = options;
  const bounds = boundsOf(options);
  const timeoutMs = bounds.decodeTimeoutMs + graceMs;
  const start = () => startDecodeProcess({ threads, bounds }, { program, timeoutMs, onDied: onDecoderDied });
  let shared: DecodeProcess | undefined;
  const inTurn = createTurns(atOnce);
  let inHand = 0;
  let photos = 0;
  let lastSuspect: Promise<unknown> = Promise.resolve();
  let idle: NodeJS.Timeout | undefined;

  async function ask(work: Work): Promise<Done> {
    const tooMany = 'bytes' in work && work.bytes && tooManyBytes(work.bytes, bounds);
    if (tooMany) throw new Permanent('image_too_large', { detail: tooMany });
    clearTimeout(idle);
    inHand += 1;
    try {
      return accepted(await inTurn(() => askShared(work)).catch(async (error: unknown) => await again(error, work)));
    } finally {
      inHand -= 1;
      if (inHand === 0) idle = setTimeout(rest, idleMs).unref();
    }
  }

  async function askShared(work: Work): Promise<Done> {
    if (shared === undefined || shared.ended) shared = start();
    return await shared.ask(work);
  }

  function rest(): void {
    shared?.end();
    onIdle();
  }

  /** Who of those in hand killed the decoder is not known; each is tried where it can kill nobody else, in turn. */
  async function again(error: unknown, work: Work): Promise<Done> {
    if (!(error instanceof DecoderDied)) throw failureOf(error);
    const turn = lastSuspect.then(() => askAlone(work));
    lastSuspect = turn.catch(() => {});
    return await turn;
  }

  async function askAlone(work: Work): Promise<Done> {
    const own = start();
    try {
      return await own.ask(work);
    } catch (error) {
      throw failureOf(error);
    } finally {
      own.end();
    }
  }

  await ask({ kind: 'hello' }).catch((cause: Error) => {
    throw new Error(`the decoding process cannot be started (${cause.message}); its own output says why`, { cause });
  });
  return {
    pid: () => (shared?.ended ? undefined : shared?.pid),
    close: () => {
      clearTimeout(idle);
      shared?.end();
    },
    async prepare(bytes, entry) {
      const done = await ask({ kind: 'whole', bytes, input: squareOf(entry) });
      if (done.kind !== 'whole') throw unexpected(done);
      const { width, height, format, rgb } = done;
      return { ...placed(rgb, { width, height }, entry), width, height, format };
    },
    copy(bytes, photo) {
      photos += 1;
      const number = photos;
      let sent = false;
      return {
        async prepare(entry, part = { x: 0, y: 0, ...photo }) {
          const work = { kind: 'part', photo: number, part, input: squareOf(entry) } as const;
          const known = sent ? await ask(work) : undefined;
          sent = true;
          const done = known === undefined || known.kind === 'unknown' ? await ask({ ...work, bytes }) : known;
          if (done.kind !== 'part') throw unexpected(done);
          return placed(done.rgb, part, entry);
        },
      };
    },
  };
}

/** Runs so many at a time, first come first served. */
function createTurns(atOnce: number): <Result>(run: () => Promise<Result>) => Promise<Result> {
  const waiting: (() => void)[] = [];
  let free = atOnce;
  return async (run) => {
    if (free > 0) free -= 1;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await run();
    } finally {
      const next = waiting.shift();
      if (next === undefined) free += 1;
      else next();
    }
  };
}

function squareOf({ inputSize, preprocess }: InputOf): InputSquare {
  return { size: inputSize, layout: preprocess.layout };
}

function placed(rgb: Uint8Array, { width, height }: PhotoSize, { inputSize, preprocess }: InputOf): PreparedPart {
  return { rgb, letterbox: planLetterbox(width, height, inputSize, preprocess.layout) };
}

function accepted(done: Done): Done {
  if (done.kind !== 'refused') return done;
  throw new (done.isOverdue ? RetryLater : Permanent)(done.code, { detail: done.message });
}

function failureOf(error: unknown): unknown {
  if (error instanceof DecodingOverdue) {
    return new RetryLater('image_too_large', { detail: `decoding took too long: ${error.message}`, cause: error });
  }
  if (!(error instanceof DecoderDied)) return error;
  return crashes.includes(error.how)
    ? new Permanent('image_not_an_image', { detail: `decoding it crashes the decoder (${error.how})`, cause: error })
    : new RetryLater('detection_failed', { detail: error.message, cause: error });
}

function unexpected(done: Done): Error {
  return new Error(`the decoder answered ${done.kind}, which was not asked for`);
}
