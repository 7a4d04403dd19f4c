/** A model with its way of reading: a scaled picture to what it shows. */
import { type OnnxModel, openOnnxModel } from './adapters/onnx-model.ts';
import { insidePhoto } from './core/decide.ts';
import { type Candidate, decoders, petLabels, toyLabel } from './core/decode-boxes.ts';
import { type Letterbox, type PhotoBox, packTensor } from './core/letterbox.ts';
import type { PhotoSize, View } from './core/looks.ts';
import { suppress } from './core/suppress.ts';
import type { ModelEntry } from './model-manifest.ts';

/** Candidates below this are noise; it only bounds how low a reported `best_score` can be before it reads 0. */
const scoreFloor = 0.01;

/** A model and its file, from `resolveModelFile`. */
export type ModelChoice = { readonly entry: ModelEntry; readonly path: string };
/** Scaled for the model: RGB, row by row, three bytes a pixel. */
export type Picture = { readonly rgb: Uint8Array; readonly letterbox: Letterbox };
export type Eye = {
  readonly name: string;
  readonly entry: ModelEntry;
  /** Boxes in the photo's pixels, wherever in it the pictured part lies. Pictures are looked at one after the other. */
  readonly look: (picture: Picture, photo: PhotoSize, part?: PhotoBox) => Promise<View>;
  /** Waits for the looks that have been asked for. */
  readonly close: OnnxModel['close'];
};

/** Computes on the calling thread, as `openOnnxModel`. @throws Error when the file does not fit its manifest entry. */
export async function openEye({ entry, path }: ModelChoice, threads: number): Promise<Eye> {
  const model = await openOnnxModel({ path, entry, threads });
  const decode = decoders[entry.family];
  const tensor = new Float32Array(3 * entry.inputSize ** 2);
  let last: Promise<unknown> = Promise.resolve();

  async function look({ rgb, letterbox }: Picture, photo: PhotoSize, part?: PhotoBox): Promise<View> {
    const output = await model.infer(packTensor(rgb, letterbox, entry.preprocess, tensor));
    const found = (labels: readonly string[]) => decode(output, entry, letterbox, scoreFloor, labels);
    const boxes = suppress(found(petLabels)).map((box) => moved(box, part));
    const toy = found([toyLabel]).reduce((best, { score }) => Math.max(best, score), 0);
    return { boxes: insidePhoto(boxes, photo), toy };
  }

  return {
    name: entry.name,
    entry,
    close: async () => {
      await last;
      await model.close();
    },
    look: (...picture) => {
      const turn = last.then(() => look(...picture));
      last = turn.catch(() => {});
      return turn;
    },
  };
}

function moved(box: Candidate, part: PhotoBox | undefined): Candidate {
  return part === undefined ? box : { ...box, x: box.x + part.x, y: box.y + part.y };
}
