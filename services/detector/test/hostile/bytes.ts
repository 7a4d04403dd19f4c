/** Image files by hand, where no encoder would write what is wanted. */
import { crc32, deflateSync } from 'node:zlib';

export type PngKind = { readonly bitDepth: number; readonly colourType: number };
export type Segment = readonly [marker: number, data: Buffer];
export type ExifEntry = readonly [tag: number, type: number, count: number, value: number];
export type Chunk = readonly [type: string, data: Buffer];

/** A PNG with that header, whatever pixels (filter byte and row, row by row) are behind it, and chunks before them. */
export function pngOf(
  width: number,
  height: number,
  kind: PngKind,
  rows: Buffer,
  chunks: readonly Chunk[] = [],
): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([kind.bitDepth, kind.colourType], 8);
  const all: readonly Chunk[] = [['IHDR', header], ...chunks, ['IDAT', deflateSync(rows)], ['IEND', Buffer.alloc(0)]];
  return Buffer.concat([pngSignature, ...all.map(([type, data]) => pngChunk(type, data))]);
}

export const pngSignature = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1');

export function pngChunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  return Buffer.concat([uint32(data.length), body, uint32(crc32(body))]);
}

/** An ISO media file's first box alone. */
export function ftyp(major: string, ...compatible: readonly string[]): Buffer {
  return box('ftyp', Buffer.from(`${major}\0\0\0\0${compatible.join('')}`, 'latin1'));
}

export function box(type: string, ...parts: readonly Buffer[]): Buffer {
  const data = Buffer.concat(parts);
  return Buffer.concat([uint32(data.length + 8), Buffer.from(type, 'latin1'), data]);
}

/** A JPEG with segments put in behind its first two bytes. */
export function withSegments(jpeg: Buffer, ...segments: readonly Segment[]): Buffer {
  const written = segments.flatMap(([marker, data]) => [Buffer.of(0xff, marker), uint16(data.length + 2), data]);
  return Buffer.concat([jpeg.subarray(0, 2), ...written, jpeg.subarray(2)]);
}

/** A JPEG whose header claims another size. */
export function claiming(jpeg: Buffer, width: number, height: number): Buffer {
  const claimed = Buffer.from(jpeg);
  for (let at = 2; at < claimed.length; at += 2 + claimed.readUInt16BE(at + 2)) {
    const marker = claimed[at + 1] ?? 0;
    if (marker < 0xc0 || marker > 0xc2) continue;
    claimed.writeUInt16BE(height, at + 5);
    claimed.writeUInt16BE(width, at + 7);
    return claimed;
  }
  throw new Error('there is no frame header in this JPEG');
}

/** A GIF of a screen and one frame of a pixel; the screen's size is a claim. */
export function gifOf(screenWidth: number, screenHeight: number, frames = 1): Buffer {
  const size = (value: number) => Buffer.of(value & 0xff, value >> 8);
  const frame = Buffer.concat([
    Buffer.from([0x21, 0xf9, 4, 0, 1, 0, 0, 0]),
    Buffer.from([0x2c, 0, 0, 0, 0, 1, 0, 1, 0, 0]),
    Buffer.from([2, 2, 0x44, 0x01, 0]),
  ]);
  return Buffer.concat([
    Buffer.from('GIF89a', 'latin1'),
    size(screenWidth),
    size(screenHeight),
    Buffer.from([0x80, 0, 0, 255, 0, 0, 0, 0, 255]),
    ...Array.from({ length: frames }, () => frame),
    Buffer.of(0x3b),
  ]);
}

/** A WebP's extended header with a canvas of that size, before whatever chunks follow. */
export function webpOf(width: number, height: number, ...chunks: readonly Buffer[]): Buffer {
  const canvas = Buffer.alloc(10);
  canvas.writeUIntLE(width - 1, 4, 3);
  canvas.writeUIntLE(height - 1, 7, 3);
  const body = Buffer.concat([Buffer.from('WEBP', 'latin1'), riffChunk('VP8X', canvas), ...chunks]);
  return riffChunk('RIFF', body);
}

export function riffChunk(type: string, data: Buffer): Buffer {
  const size = Buffer.alloc(4);
  size.writeUInt32LE(data.length);
  return Buffer.concat([Buffer.from(type, 'latin1'), size, data, Buffer.alloc(data.length % 2)]);
}

/** EXIF as JPEG carries it: a TIFF header and one directory; an entry's value may be an offset. */
export function exifOf(...entries: readonly ExifEntry[]): Buffer {
  const directory = entries.map(([tag, type, count, value]) => {
    const entry = Buffer.alloc(12);
    entry.writeUInt16LE(tag, 0);
    entry.writeUInt16LE(type, 2);
    entry.writeUInt32LE(count, 4);
    entry.writeUInt32LE(value, 8);
    return entry;
  });
  const count = Buffer.of(entries.length & 0xff, entries.length >> 8);
  // The next directory is the first one again: a loop.
  const next = Buffer.of(8, 0, 0, 0);
  return Buffer.concat([Buffer.from('Exif\0\0II*\0\x08\0\0\0', 'latin1'), count, ...directory, next]);
}

export function uint16(value: number): Buffer {
  return Buffer.of(value >> 8, value & 0xff);
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
