/** The detector as one function: a photo's bytes to the pets in it. Composes decoding, inference and decision. */
import { type DecoderOptions, type ImageCopy, openDecoder } from './adapters/decoder.ts';
import { scoreMinDefault, type Verdict } from './core/decide.ts';
import type { PhotoBox } from './core/letterbox.ts';
import { firstVerdict, nextStep, type PhotoSize, type Seen, type View } from './core/looks.ts';
import type { ModelChoice } from './eye.ts';
import { type DistantEye, openEyes } from './eyes.ts';

export type DetectorOptions = ModelChoice &
  Omit<DecoderOptions, 'onIdle'> & {
    /** The model of the further looks; without one the first look decides alone. */
    readonly second?: ModelChoice | undefined;
    readonly scoreMin?: number;
    /** Threads for one inference and for decoding one photo. */
    readonly threads?: number;
  };
export type Detection = Verdict & {
  /** Which models judged, e.g. `yolox-nano` or `yolox-nano+deimv2-femto`. */
  readonly model: string;
  /** The photo's size in pixels, EXIF orientation applied: the frame of the boxes. */
  readonly width: number;
  readonly height: number;
  /** Inferences that the verdict took. */
  readonly looks: number;
  readonly decode_ms: number;
  readonly inference_ms: number;
};
export type Detector = {
  /** The models' names, the first first. */
  readonly model: string;
  readonly detect: (bytes: Uint8Array) => Promise<Detection>;
  readonly close: () => Promise<void>;
};

/**
 * Opens the models and the decoder, and gives a detector.
 *
 * `detect` throws what `Decoder.prepare` does; no animal is an empty `pets`, never an error.
 * @throws Error when a file does not fit its manifest entry, or no decoding process can be started.
 */
export async function createDetector(options: DetectorOptions): Promise<Detector> {
  const { scoreMin = scoreMinDefault, threads = 1 } = options;
  // Started first and waited for last: each takes some tenths of a second, on a core of its own.
  let rest = (): void => {};
  const opening = openDecoder({ ...options, onIdle: () => rest() });
  opening.catch(() => {}); // it is thrown below
  const eyes = await openEyes(options, options.second, threads).catch(async (error: unknown) => {
    await opening.then(({ close }) => close()).catch(() => {});
    throw error;
  });
  const decoder = await opening.catch(async (error: unknown) => {
    await eyes.close();
    throw error;
  });
  const { first, second } = eyes;
  rest = eyes.rest;
  // A model may take the further looks itself.
  const names = [...new Set([first.name, ...(second ? [second.name] : [])])];

  return {
    model: names.join('+'),
    close: async () => {
      decoder.close();
      await eyes.close();
    },
    detect: async (bytes) => {
      const clock = stopwatch();
      const image = await clock.time('decode', decoder.prepare(bytes, options.entry));
      const photo = { width: image.width, height: image.height };
      const view = await clock.time('inference', first.look(image, photo));
      const result = second
        ? await lookAgain({ first, second }, view, photo, scoreMin, clock, decoder.copy(bytes, photo))
        : { verdict: firstVerdict(view, photo, scoreMin), looks: 1 };
      return {
        ...result.verdict,
        ...photo,
        model: names.slice(0, result.looks === 1 ? 1 : 2).join('+'),
        looks: result.looks,
        decode_ms: clock.ms('decode'),
        inference_ms: clock.ms('inference'),
      };
    },
  };
}

/** Takes the looks that the decision asks for, one by one; the photo is decoded once more, if any is needed. */
async function lookAgain(
  eyes: { readonly first: DistantEye; readonly second: DistantEye },
  first: View,
  photo: PhotoSize,
  scoreMin: number,
  clock: Stopwatch,
  copy: ImageCopy,
): Promise<{ readonly verdict: Verdict; readonly looks: number }> {
  let seen: Seen = { first, closer: [] };
  let looks = 1;
  // A model that is its own second sees the photo mirrored then: else it would only say the same again.
  const ownSecond = eyes.second.name === eyes.first.name;
  const look = async (eye: DistantEye, part?: PhotoBox): Promise<View> => {
    looks += 1;
    const { rgb, letterbox } = await clock.time('decode', copy.prepare(eye.entry, part));
    const picture = { rgb, letterbox: { ...letterbox, mirrored: ownSecond && eye === eyes.second } };
    return await clock.time('inference', eye.look(picture, photo, part));
  };
  for (;;) {
    const step = nextStep(seen, photo, scoreMin, ownSecond ? 'tiles' : 'parts');
    if (step.kind === 'verdict') return { verdict: step.verdict, looks };
    if (step.kind === 'second') {
      seen = { ...seen, second: await look(eyes.second) };
      continue;
    }
    const view = { first: await look(eyes.first, step.part), second: await look(eyes.second, step.part) };
    seen = step.kind === 'naming' ? { ...seen, naming: view } : { ...seen, closer: [...seen.closer, view] };
  }
}

type Stopwatch = ReturnType<typeof stopwatch>;

/** Sums up what is spent on each kind of work. */
function stopwatch() {
  const spent = { decode: 0, inference: 0 };
  return {
    time: async <Result>(kind: keyof typeof spent, work: Promise<Result>): Promise<Result> => {
      const startedAt = performance.now();
      try {
        return await work;
      } finally {
        spent[kind] += performance.now() - startedAt;
      }
    },
    ms: (kind: keyof typeof spent) => Math.round(spent[kind] * 10) / 10,
  };
}
