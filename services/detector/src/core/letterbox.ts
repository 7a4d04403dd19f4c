/**
 * How a photo is put into the model's square input, and back: scaled without distortion, placed, padded. Pure; which way
 * a model family wants it is data (`Preprocess` in the manifest).
 */
import type { Preprocess } from '../model-manifest.ts';

/** Where the scaled photo lies in the input; all in whole pixels. */
export type Letterbox = {
  readonly inputSize: number;
  readonly photoWidth: number;
  readonly photoHeight: number;
  readonly scaledWidth: number;
  readonly scaledHeight: number;
  readonly offsetX: number;
  readonly offsetY: number;
  /** The photo is put in with left and right exchanged; boxes come out as they lie in the photo. */
  readonly mirrored?: boolean;
};

/** A box by its centre and size, in input pixels. */
export type InputBox = { readonly cx: number; readonly cy: number; readonly width: number; readonly height: number };
/** A box by its corner and size, in the photo's own pixels. */
export type PhotoBox = { readonly x: number; readonly y: number; readonly width: number; readonly height: number };

/**
 * Fits a photo of the given size into a square of `inputSize` pixels, enlarging a small one; `stretched` fills it.
 *
 * Sizes are rounded, not floored: one pixel row less moves the scores of photos near the threshold, and the published
 * figures are reproduced with rounding only.
 */
export function planLetterbox(
  photoWidth: number,
  photoHeight: number,
  inputSize: number,
  layout: Preprocess['layout'],
): Letterbox {
  const ratio = Math.min(inputSize / photoWidth, inputSize / photoHeight);
  const stretched = layout === 'stretched';
  const scaledWidth = stretched ? inputSize : Math.max(1, Math.round(photoWidth * ratio));
  const scaledHeight = stretched ? inputSize : Math.max(1, Math.round(photoHeight * ratio));
  const centred = layout === 'centred';
  return {
    inputSize,
    photoWidth,
    photoHeight,
    scaledWidth,
    scaledHeight,
    offsetX: centred ? Math.floor((inputSize - scaledWidth) / 2) : 0,
    offsetY: centred ? Math.floor((inputSize - scaledHeight) / 2) : 0,
  };
}

/**
 * The scaled photo (8-bit RGB, row by row, three bytes a pixel) as the model's planar input `[1,3,size,size]`, in one
 * pass over the pixels. It is written into `tensor`, whatever that held before: touching new memory takes as long as the
 * rest.
 * @throws Error when the pixels are not exactly `scaledWidth * scaledHeight` of three bytes.
 */
export function packTensor(
  rgb: Uint8Array,
  letterbox: Letterbox,
  preprocess: Preprocess,
  tensor = new Float32Array(3 * letterbox.inputSize ** 2),
): Float32Array {
  const { inputSize, scaledWidth, scaledHeight, offsetX, offsetY, mirrored = false } = letterbox;
  if (rgb.length !== scaledWidth * scaledHeight * 3) {
    throw new Error(`${rgb.length} bytes are not ${scaledWidth} x ${scaledHeight} RGB pixels`);
  }
  const { divisor, padding, channels } = preprocess;
  const plane = inputSize * inputSize;
  if (scaledWidth < inputSize || scaledHeight < inputSize) tensor.fill(padding / divisor);
  const valueFor = Float32Array.from({ length: 256 }, (_, byte) => byte / divisor);
  const redPlane = channels === 'rgb' ? 0 : 2 * plane;
  const bluePlane = channels === 'rgb' ? 2 * plane : 0;
  const [start, step] = mirrored ? [offsetX + scaledWidth - 1, -1] : [offsetX, 1];
  let source = 0;
  for (let y = 0; y < scaledHeight; y += 1) {
    let target = (y + offsetY) * inputSize + start;
    for (let x = 0; x < scaledWidth; x += 1, source += 3, target += step) {
      tensor[redPlane + target] = valueFor[rgb[source] as number] as number;
      tensor[plane + target] = valueFor[rgb[source + 1] as number] as number;
      tensor[bluePlane + target] = valueFor[rgb[source + 2] as number] as number;
    }
  }
  return tensor;
}

/**
 * A box of the input in the photo's frame; it may reach outside the photo. Each axis is divided by its own true scale:
 * rounding the scaled size makes it differ from the common ratio, by up to half an input pixel.
 */
export function toPhoto(box: InputBox, letterbox: Letterbox): PhotoBox {
  const perPixelX = letterbox.photoWidth / letterbox.scaledWidth;
  const perPixelY = letterbox.photoHeight / letterbox.scaledHeight;
  const fromLeft = box.cx - letterbox.offsetX;
  const cx = letterbox.mirrored ? letterbox.scaledWidth - fromLeft : fromLeft;
  return {
    x: (cx - box.width / 2) * perPixelX,
    y: (box.cy - box.height / 2 - letterbox.offsetY) * perPixelY,
    width: box.width * perPixelX,
    height: box.height * perPixelY,
  };
}
