/** What a photo may cost. */
export type ImageBounds = {
  readonly bytesMax?: number;
  readonly pixelsMax?: number;
  /** For formats that are decoded as a whole; `pixelsMax` holds for them too. */
  readonly wholePixelsMax?: number;
  readonly decodeTimeoutMs?: number;
};

export const imageBytesMaxDefault = 20_000_000;
/** sharp's own default is 268 megapixels. */
export const imagePixelsMaxDefault = 50_000_000;
/**
 * The longer side. libvips works in rows: a PNG of 6 kB that is 50,000,000 pixels wide takes 0.4 GB of memory, and one that is as
 * high takes longer than any time-out. Panoramas of phones have 16,384.
 */
export const sidePixelsMax = 32_768;
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

/** Why so many bytes are refused, if they are. */
export function tooManyBytes(bytes: Uint8Array, { bytesMax = imageBytesMaxDefault }: ImageBounds): string | undefined {
  return bytes.length > bytesMax ? `${bytes.length} bytes, at most ${bytesMax} are accepted` : undefined;
}

/** The bounds alone, with the defaults where none are named. */
export function boundsOf({
  bytesMax = imageBytesMaxDefault,
  pixelsMax = imagePixelsMaxDefault,
  wholePixelsMax = wholePixelsMaxDefault,
  decodeTimeoutMs = decodeTimeoutMsDefault,
}: ImageBounds): Required<ImageBounds> {
  return { bytesMax, pixelsMax, wholePixelsMax, decodeTimeoutMs };
}
