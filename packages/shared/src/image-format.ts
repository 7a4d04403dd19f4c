/** Which image format some bytes are of, by their magic bytes alone: before any decoder sees them, and before they are kept. */

export type ImageFormat = 'jpeg' | 'png' | 'webp' | 'gif' | 'avif' | 'heic';

/** Bytes from the beginning of a file that are enough to tell. */
export const sniffedBytesMax = 144;

/** The format of an image, from its first bytes; undefined for none of these. Which of them are accepted is asked elsewhere. */
export function sniffFormat(bytes: Uint8Array): ImageFormat | undefined {
  const text = (start: number, end: number) => String.fromCharCode(...bytes.subarray(start, end));
  if (text(0, 3) === '\xff\xd8\xff') return 'jpeg';
  if (text(0, 8) === '\x89PNG\r\n\x1a\n') return 'png';
  if (text(0, 4) === 'RIFF' && text(8, 12) === 'WEBP') return 'webp';
  if (text(0, 6) === 'GIF87a' || text(0, 6) === 'GIF89a') return 'gif';
  if (text(4, 8) !== 'ftyp') return undefined;
  const brands = ftypBrands(bytes, text);
  if (brands.includes('avif')) return 'avif';
  return brands.some((brand) => heicBrands.includes(brand)) ? 'heic' : undefined;
}

/** The brands of HEIC still pictures and bursts (ISO/IEC 23008-12 annex B): HEVC inside, which sharp's builds do not decode. */
const heicBrands: readonly string[] = ['heic', 'heix', 'heim', 'heis', 'hevc', 'hevx', 'hevm', 'hevs'];
const brandsMax = 32;

/** Major and compatible brands of an ISO media file; an animated AVIF is `avis` with `avif` among the compatible. */
function ftypBrands(bytes: Uint8Array, text: (start: number, end: number) => string): string[] {
  const boxBytes = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(0);
  const end = Math.min(boxBytes, bytes.length, 16 + 4 * brandsMax);
  const brands = [text(8, 12)];
  for (let at = 16; at + 4 <= end; at += 4) brands.push(text(at, at + 4));
  return brands;
}
