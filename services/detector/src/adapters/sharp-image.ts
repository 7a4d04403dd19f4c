/**
 * Bytes of anybody's making to pixels, within bounds. Runs in the decoder's own process (`decode-child.ts`), which is
 * why nothing is imported here that a decoder does not need.
 *
 * The order is the defence: size in bytes, then the format by its magic bytes (so that no SVG, PDF or TIFF reaches a
 * decoder), then the size in pixels from the header, and only then the pixels, under a time-out. `limitSharp` also
 * switches off every libvips loader but the five needed.
 *
 * What the model sees is defined so that scores can be reproduced: EXIF orientation applied, embedded colour profiles
 * and CMYK converted to sRGB, 16 bits to 8, alpha on white, the first frame of an animation, Lanczos to the letterbox's
 * size (a JPEG is shrunk while it loads, which moves scores by up to 0.01).
 */
import sharp, { type Sharp } from 'sharp';
import { type Letterbox, type PhotoBox, planLetterbox } from '../core/letterbox.ts';
import type { Preprocess } from '../model-manifest.ts';
import { boundsOf, type ImageBounds, sidePixelsMax, tooManyBytes } from './image-bounds.ts';
import { type ImageFormat, sniffFormat } from './image-format.ts';

/** The longer side of the copy that later looks are cut from: two and a half times what a model sees of it. */
const copySideMaxPixels = 1_280;
/** From here on decodings take turns: 8 megapixels of a progressive JPEG or a WebP, which other JPEGs and PNGs never take. */
const largeMemoryBytes = 32_000_000;

/** The square that a model takes, and how a photo lies in it. */
export type InputSquare = { readonly size: number; readonly layout: Preprocess['layout'] };
/** Scaled for a model: RGB, row by row, three bytes a pixel. */
export type WholePhoto = {
  /** The photo's size as a viewer shows it, EXIF orientation applied. */
  readonly width: number;
  readonly height: number;
  readonly format: ImageFormat;
  readonly rgb: Uint8Array;
};
/** A photo in small, from which any part can be cut. */
export type PhotoCopy = {
  readonly photo: { readonly width: number; readonly height: number };
  readonly raw: { readonly width: number; readonly height: number; readonly channels: 3 };
  readonly data: Buffer;
};

/** Why a photo is not decoded; the message is for operators. */
export class ImageRefused extends Error {
  override readonly name = 'ImageRefused';
  readonly code: 'image_not_an_image' | 'image_too_large';
  /** It took too long: the photo's fault, or a machine's that had too much to do or stood still. */
  readonly isOverdue: boolean;

  constructor(code: ImageRefused['code'], message: string, cause?: unknown, isOverdue = false) {
    super(message, { cause });
    this.code = code;
    this.isOverdue = isOverdue;
  }
}

/**
 * Decodes a JPEG, PNG, WebP, GIF or AVIF photo (HEIC too where this build of sharp decodes it) to the size that it has
 * in a model's input.
 * @throws ImageRefused `image_not_an_image` for anything else, and for a damaged or truncated one.
 * @throws ImageRefused `image_too_large` beyond `bytesMax`, `pixelsMax` or `wholePixelsMax`, or when decoding exceeds
 * `decodeTimeoutMs`. That begins, for a photo that takes much memory, when its turn comes, which `onTurn` is told.
 */
export async function decodeWhole(
  bytes: Uint8Array,
  input: InputSquare,
  bounds: ImageBounds = {},
  onTurn?: () => void,
): Promise<WholePhoto> {
  return await orRefused(bounds, async () => {
    const { width, height, format, memoryBytes } = await measure(bytes, bounds);
    const letterbox = planLetterbox(width, height, input.size, input.layout);
    const rgb = await inTurn(memoryBytes, onTurn, () => pixels(scaleTo(letterbox, decode(bytes, bounds))));
    return { width, height, format, rgb };
  });
}

/**
 * Decodes a photo into a copy of at most 1,280 pixels a side (4.9 MB).
 * @throws ImageRefused as `decodeWhole` does.
 */
export async function decodeCopy(bytes: Uint8Array, bounds: ImageBounds = {}, onTurn?: () => void): Promise<PhotoCopy> {
  return await orRefused(bounds, async () => {
    const { width, height, memoryBytes } = await measure(bytes, bounds);
    const small = decode(bytes, bounds)
      .resize(copySideMaxPixels, copySideMaxPixels, { fit: 'inside', withoutEnlargement: true, kernel: 'lanczos3' })
      .toColourspace('srgb')
      .raw({ depth: 'uchar' });
    const { data, info } = await inTurn(memoryBytes, onTurn, () => small.toBuffer({ resolveWithObject: true }));
    return { photo: { width, height }, raw: { width: info.width, height: info.height, channels: 3 }, data };
  });
}

/** A part, given in the photo's own whole pixels, scaled for a model as the whole photo is. */
export async function cutPart(
  { photo, raw, data }: PhotoCopy,
  part: PhotoBox,
  input: InputSquare,
): Promise<Uint8Array> {
  const letterbox = planLetterbox(part.width, part.height, input.size, input.layout);
  return await pixels(scaleTo(letterbox, sharp(data, { raw }).extract(inCopy(part, photo, raw))));
}

/** Format and size from the header, within bounds; no pixel is decoded. */
async function measure(bytes: Uint8Array, bounds: ImageBounds) {
  const { pixelsMax, wholePixelsMax } = boundsOf(bounds);
  const tooMany = tooManyBytes(bytes, bounds);
  if (tooMany !== undefined) throw tooLarge(tooMany);
  const format = sniffFormat(bytes);
  if (format === undefined) throw notAnImage('the first bytes are of no accepted image format');
  const metadata = await opened(bytes, bounds).metadata();
  const found = metadata.format === 'heif' ? heifFormat(format) : metadata.format;
  if (found !== format) throw notAnImage(`the bytes of a ${format} were opened as ${metadata.format}`);
  const { width, height } = metadata.autoOrient;
  if (Math.max(width, height) > sidePixelsMax) {
    throw tooLarge(`${width} x ${height} pixels, at most ${sidePixelsMax} are accepted of a side`);
  }
  const isWhole = heifFormat(format) !== undefined;
  const limit = isWhole ? Math.min(pixelsMax, wholePixelsMax) : pixelsMax;
  if (width * height > limit) {
    throw tooLarge(`${width} x ${height} pixels, at most ${limit} are accepted of ${isWhole ? `an ${format}` : 'any'}`);
  }
  const memoryBytes = width * height * bytesPerPixel(format, metadata.isProgressive);
  return { width, height, format, memoryBytes };
}

/** Memory for each pixel of the photo; formats and encodings that are decoded row by row take next to none. */
function bytesPerPixel(format: ImageFormat, isProgressive = false): number {
  if (heifFormat(format) !== undefined) return 20;
  if (format === 'gif') return 7;
  return isProgressive ? 4 : format === 'webp' ? 4 : 0;
}

let lastLarge: Promise<unknown> = Promise.resolve();

/** Decodings that take much memory take turns: two of the largest at once would need 0.8 GB. */
async function inTurn<Result>(
  memoryBytes: number,
  onTurn: (() => void) | undefined,
  run: () => Promise<Result>,
): Promise<Result> {
  if (memoryBytes <= largeMemoryBytes) return await run();
  const turn = lastLarge.then(() => {
    onTurn?.();
    return run();
  });
  lastLarge = turn.catch(() => {});
  return await turn;
}

function opened(bytes: Uint8Array, bounds: ImageBounds): Sharp {
  return sharp(bytes, { limitInputPixels: boundsOf(bounds).pixelsMax, failOn: 'error', pages: 1 });
}

/** Upright and on white. */
function decode(bytes: Uint8Array, bounds: ImageBounds): Sharp {
  return opened(bytes, bounds)
    .autoOrient()
    .timeout({ seconds: Math.max(1, Math.ceil(boundsOf(bounds).decodeTimeoutMs / 1_000)) })
    .flatten({ background: '#ffffff' });
}

function scaleTo({ scaledWidth, scaledHeight }: Letterbox, image: Sharp): Sharp {
  return image.resize(scaledWidth, scaledHeight, { fit: 'fill', kernel: 'lanczos3' });
}

async function pixels(image: Sharp): Promise<Buffer> {
  return await image.toColourspace('srgb').raw({ depth: 'uchar' }).toBuffer();
}

/** The part's place in the copy, in whole pixels and at least one. */
function inCopy(part: PhotoBox, photo: { width: number; height: number }, copy: { width: number; height: number }) {
  const [left, width] = axisInCopy(part.x, part.width, copy.width / photo.width, copy.width);
  const [top, height] = axisInCopy(part.y, part.height, copy.height / photo.height, copy.height);
  return { left, top, width, height };
}

function axisInCopy(start: number, length: number, scale: number, limit: number): [start: number, length: number] {
  const from = Math.max(0, Math.min(limit - 1, Math.round(start * scale)));
  return [from, Math.max(1, Math.min(limit - from, Math.round(length * scale)))];
}

/**
 * Process-wide settings of sharp: no cache (every photo is seen once), `threads` a picture, and no loader that an
 * accepted format does not need. This also keeps Ultra HDR JPEGs on the plain JPEG loader.
 */
export function limitSharp(threads: number): void {
  sharp.cache(false);
  sharp.concurrency(threads);
  sharp.block({ operation: ['VipsForeignLoad'] });
  sharp.unblock({
    operation: ['Jpeg', 'Png', 'Webp', 'Nsgif', 'Heif'].map((loader) => `VipsForeignLoad${loader}Buffer`),
  });
}

function heifFormat(sniffed: ImageFormat): ImageFormat | undefined {
  return sniffed === 'avif' || sniffed === 'heic' ? sniffed : undefined;
}

async function orRefused<Result>(bounds: ImageBounds, run: () => Promise<Result>): Promise<Result> {
  try {
    return await run();
  } catch (error) {
    throw toRefused(error, boundsOf(bounds).pixelsMax);
  }
}

function toRefused(error: unknown, pixelsMax: number): ImageRefused {
  if (error instanceof ImageRefused) return error;
  const message = error instanceof Error ? error.message : String(error);
  if (message.includes('exceeds pixel limit')) return tooLarge(`more than ${pixelsMax} pixels`, error);
  if (message.includes('timeout:')) {
    return new ImageRefused('image_too_large', `decoding took too long (${message})`, error, true);
  }
  return notAnImage(`it cannot be decoded: ${message}`, error);
}

function notAnImage(message: string, cause?: unknown): ImageRefused {
  return new ImageRefused('image_not_an_image', message, cause);
}

function tooLarge(message: string, cause?: unknown): ImageRefused {
  return new ImageRefused('image_too_large', message, cause);
}
