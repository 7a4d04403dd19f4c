/**
 * Bytes of anybody's making to the model's input tensor, within bounds.
 *
 * The order is the defence: size in bytes, then the format by its magic bytes (so that no SVG, PDF or TIFF reaches a
 * decoder), then the size in pixels from the header, and only then the pixels, under a time-out. `limitSharp` also
 * switches off every libvips loader but the five needed.
 *
 * What the model sees is defined so that scores can be reproduced: EXIF orientation applied, embedded colour profiles
 * and CMYK converted to sRGB, 16 bits to 8, alpha on white, the first frame of an animation, Lanczos to the letterbox's
 * size (a JPEG is shrunk while it loads, which moves scores by up to 0.01).
 */
import { Permanent } from '@pet-roast/shared';
import sharp, { type Sharp } from 'sharp';
import { type Letterbox, type PhotoBox, packTensor, planLetterbox } from '../core/letterbox.ts';
import type { ModelEntry } from '../model-manifest.ts';
import { type ImageFormat, sniffFormat } from './image-format.ts';

export const imageBytesMaxDefault = 20_000_000;
/** sharp's own default is 268 megapixels. */
export const imagePixelsMaxDefault = 50_000_000;
/**
 * AVIF and HEIC are decoded as a whole before a pixel can be had: 49 megapixels of one colour, 0.1 MB as a file, take
 * 1 GB of memory. 16 take a third of that; phones have 12.
 */
export const wholePixelsMaxDefault = 16_000_000;
/**
 * Rounded up to whole seconds. 50 megapixels take 0.1 s as JPEG, 0.5 s as PNG and 1 s as WebP on one core; the stage's
 * attempt has 20 s, and a photo is decoded at most twice.
 */
export const decodeTimeoutMsDefault = 8_000;
/** The longer side of the copy that later looks are cut from: two and a half times what a model sees of it. */
const copySideMaxPixels = 1_280;

export type ImageBounds = {
  readonly bytesMax?: number;
  readonly pixelsMax?: number;
  /** For formats that are decoded as a whole; `pixelsMax` holds for them too. */
  readonly wholePixelsMax?: number;
  readonly decodeTimeoutMs?: number;
};
type InputOf = Pick<ModelEntry, 'inputSize' | 'preprocess'>;
export type PreparedImage = {
  readonly tensor: Float32Array;
  readonly letterbox: Letterbox;
  /** The photo's size as a viewer shows it, EXIF orientation applied. */
  readonly width: number;
  readonly height: number;
  readonly format: ImageFormat;
};
/** A part of a photo for a model; its boxes are in the photo's pixels counted from the part's corner. */
export type PreparedPart = { readonly tensor: Float32Array; readonly letterbox: Letterbox };
export type ImageCopy = {
  /** `part` in the photo's own whole pixels; unset: the whole photo. */
  readonly prepare: (entry: InputOf, part?: PhotoBox) => Promise<PreparedPart>;
};

/**
 * Decodes a JPEG, PNG, WebP, GIF or AVIF photo (HEIC too where this build of sharp decodes it) and packs it for the model.
 * @throws Permanent `image_not_an_image` for anything else, and for a damaged or truncated one.
 * @throws Permanent `image_too_large` beyond `bytesMax`, `pixelsMax` or `wholePixelsMax`, or when decoding exceeds
 * `decodeTimeoutMs`.
 */
export async function prepareImage(
  bytes: Uint8Array,
  entry: InputOf,
  bounds: ImageBounds = {},
): Promise<PreparedImage> {
  return await orPermanent(bounds, async () => {
    const { width, height, format } = await measure(bytes, bounds);
    const letterbox = planLetterbox(width, height, entry.inputSize, entry.preprocess.layout);
    const rgb = await pixels(scaleTo(letterbox, decode(bytes, bounds)));
    return { tensor: packTensor(rgb, letterbox, entry.preprocess), letterbox, width, height, format };
  });
}

/**
 * Decodes a photo once more, into a copy of at most 1,280 pixels a side (4.9 MB), from which any part can be had.
 * @throws Permanent as `prepareImage` does.
 */
export async function copyImage(bytes: Uint8Array, bounds: ImageBounds = {}): Promise<ImageCopy> {
  return await orPermanent(bounds, async () => {
    const photo = await measure(bytes, bounds);
    const small = decode(bytes, bounds).resize(copySideMaxPixels, copySideMaxPixels, {
      fit: 'inside',
      withoutEnlargement: true,
      kernel: 'lanczos3',
    });
    const { data, info } = await small
      .toColourspace('srgb')
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true });
    const raw = { width: info.width, height: info.height, channels: 3 as const };
    return {
      prepare: async (entry, part = { x: 0, y: 0, width: photo.width, height: photo.height }) => {
        const letterbox = planLetterbox(part.width, part.height, entry.inputSize, entry.preprocess.layout);
        const rgb = await pixels(scaleTo(letterbox, sharp(data, { raw }).extract(inCopy(part, photo, raw))));
        return { tensor: packTensor(rgb, letterbox, entry.preprocess), letterbox };
      },
    };
  });
}

/** Format and size from the header, within bounds; no pixel is decoded. */
async function measure(bytes: Uint8Array, bounds: ImageBounds) {
  const { bytesMax = imageBytesMaxDefault, pixelsMax = imagePixelsMaxDefault } = bounds;
  if (bytes.length > bytesMax) throw tooLarge(`${bytes.length} bytes, at most ${bytesMax} are accepted`);
  const format = sniffFormat(bytes);
  if (format === undefined) throw notAnImage('the first bytes are of no accepted image format');
  const metadata = await opened(bytes, bounds).metadata();
  const found = metadata.format === 'heif' ? heifFormat(format) : metadata.format;
  if (found !== format) throw notAnImage(`the bytes of a ${format} were opened as ${metadata.format}`);
  const { width, height } = metadata.autoOrient;
  const isWhole = heifFormat(format) !== undefined;
  const limit = isWhole ? Math.min(pixelsMax, bounds.wholePixelsMax ?? wholePixelsMaxDefault) : pixelsMax;
  if (width * height > limit) {
    throw tooLarge(`${width} x ${height} pixels, at most ${limit} are accepted of ${isWhole ? `an ${format}` : 'any'}`);
  }
  return { width, height, format };
}

function opened(bytes: Uint8Array, { pixelsMax = imagePixelsMaxDefault }: ImageBounds): Sharp {
  return sharp(bytes, { limitInputPixels: pixelsMax, failOn: 'error', pages: 1 });
}

/** Upright and on white. */
function decode(bytes: Uint8Array, bounds: ImageBounds): Sharp {
  const timeoutMs = bounds.decodeTimeoutMs ?? decodeTimeoutMsDefault;
  return opened(bytes, bounds)
    .autoOrient()
    .timeout({ seconds: Math.max(1, Math.ceil(timeoutMs / 1_000)) })
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

async function orPermanent<Result>(bounds: ImageBounds, run: () => Promise<Result>): Promise<Result> {
  try {
    return await run();
  } catch (error) {
    throw toPermanent(error, bounds.pixelsMax ?? imagePixelsMaxDefault);
  }
}

function toPermanent(error: unknown, pixelsMax: number): Permanent {
  if (error instanceof Permanent) return error;
  const message = error instanceof Error ? error.message : String(error);
  if (message.includes('exceeds pixel limit')) return tooLarge(`more than ${pixelsMax} pixels`, error);
  if (message.includes('timeout:')) return tooLarge(`decoding took too long (${message})`, error);
  return notAnImage(`it cannot be decoded: ${message}`, error);
}

function notAnImage(detail: string, cause?: unknown): Permanent {
  return new Permanent('image_not_an_image', { detail, cause });
}

function tooLarge(detail: string, cause?: unknown): Permanent {
  return new Permanent('image_too_large', { detail, cause });
}
