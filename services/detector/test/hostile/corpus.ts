/**
 * Files that strangers send as photos: each with what it is and what must come of it. Made when the test runs, by sharp or
 * by hand. TIFF is among them, so this is asked for before any limit of sharp's is set in the same process.
 */
import { deflateSync, gzipSync } from 'node:zlib';
import sharp from 'sharp';
import {
  box,
  type Chunk,
  claiming,
  type ExifEntry,
  exifOf,
  ftyp,
  gifOf,
  pngChunk,
  pngOf,
  pngSignature,
  riffChunk,
  type Segment,
  webpOf,
  withSegments,
} from './bytes.ts';

export type Colour = readonly [red: number, green: number, blue: number];
export type Outcome =
  | 'image_not_an_image'
  | 'image_too_large'
  | { readonly format: string; readonly width: number; readonly height: number; readonly colour?: Colour };
export type HostileImage = readonly [what: string, outcome: Outcome, make: () => Buffer | Promise<Buffer>];

const text = (value: string) => Buffer.from(value, 'latin1');
const red: Colour = [255, 0, 0];
const flat = (width: number, height: number, background = '#f00') =>
  sharp({ create: { width, height, channels: 3, background } });
const jpeg = (width = 80, height = 40) => flat(width, height).jpeg().toBuffer();
const small = { width: 80, height: 40, colour: red } as const;
const truecolour = { bitDepth: 8, colourType: 2 } as const;
const oneBit = { bitDepth: 1, colourType: 0 } as const;
/** 8 x 8 pixels of black. */
const blackRows = Buffer.alloc(8 * (1 + 8 * 3));
const blackPng = (...chunks: readonly Chunk[]) => pngOf(8, 8, truecolour, blackRows, chunks);
const isBlack = { format: 'png', width: 8, height: 8, colour: [0, 0, 0] } as const;
const noise = (width: number, height: number) =>
  sharp({
    create: { width, height, channels: 3, background: '#888', noise: { type: 'gaussian', mean: 128, sigma: 40 } },
  });
const svg = '<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"><rect width="10" height="10"/></svg>';

/** Formats that are not accepted: their first bytes are looked at, and no decoder sees the rest. */
const refusedFormats: readonly HostileImage[] = (
  [
    ['nothing', ''],
    ['one byte', '\xff'],
    ['zero bytes', '\0'.repeat(1_000)],
    ['ones', '\xff'.repeat(1_000)],
    ['plain text', 'this is my dog'],
    ['HTML', '<!doctype html><html><body>404</body></html>'],
    ['JSON', '{"error":"not found"}'],
    ['an SVG', svg],
    ['an SVG with an XML declaration', `<?xml version="1.0"?>${svg}`],
    ['an SVG behind white space and a byte order mark', `\xef\xbb\xbf \r\n\t${svg}`],
    ['an SVG with an external entity', `<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]>${svg}`],
    ['a PDF', '%PDF-1.4\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF'],
    ['PostScript', '%!PS-Adobe-3.0 EPSF-3.0\n(/etc/passwd) run'],
    ['a BMP', `BM${'\0'.repeat(100)}`],
    ['an icon', `\0\0\x01\0\x01\0${'\0'.repeat(100)}`],
    ['a Photoshop file', `8BPS\0\x01${'\0'.repeat(100)}`],
    ['a JPEG 2000 file', '\0\0\0\x0cjP  \r\n\x87\n'],
    ['a JPEG 2000 stream', '\xff\x4f\xff\x51\0\0'],
    ['a JPEG XL stream', `\xff\x0a${'\0'.repeat(100)}`],
    ['a JPEG XL file', '\0\0\0\x0cJXL \r\n\x87\n'],
    ['a JPEG-LS beginning', '\xff\xd8\xfe\xf7'],
    ['a TIFF of big-endian', `MM\0*\0\0\0\x08${'\0'.repeat(100)}`],
    ['a BigTIFF', `II+\0\x08\0\0\0${'\0'.repeat(100)}`],
    ['a Canon raw file', `II*\0\x10\0\0\0CR\x02\0${'\0'.repeat(100)}`],
    ['a PPM', 'P6 1 1 255\nabc'],
    ['a PFM', 'PF 1 1 -1.0\nabcdabcdabcd'],
    ['a Radiance picture', '#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 1 +X 1\nabcd'],
    ['an OpenEXR file', `\x76\x2f\x31\x01${'\0'.repeat(100)}`],
    ['a FITS file', `SIMPLE  =                    T${' '.repeat(2_850)}`],
    ['a DICOM file', `${'\0'.repeat(128)}DICM`],
    ['a MATLAB file', `MATLAB 5.0 MAT-file${' '.repeat(109)}`],
    ['libvips’ own format', `\x08\xf2\xa6\xb6${'\0'.repeat(100)}`],
    ['a GIMP file', 'gimp xcf file\0'],
    ['an ImageMagick script', 'push graphic-context\nfill "url(http://127.0.0.1/)"'],
    ['a MIFF', 'id=ImageMagick class=DirectClass'],
    ['a DDS', `DDS |\0\0\0${'\0'.repeat(100)}`],
    ['an MNG', '\x8aMNG\r\n\x1a\n'],
    ['a JNG', '\x8bJNG\r\n\x1a\n'],
    ['a RIFF of sound', 'RIFF\x24\0\0\0WAVEfmt '],
    ['a RIFF of moving pictures', 'RIFF\x24\0\0\0AVI LIST'],
    ['a ZIP', 'PK\x03\x04'],
    ['a Java archive that calls itself a GIF', 'GIF88aPK\x03\x04'],
    ['a RAR', 'Rar!\x1a\x07\x01\0'],
    ['a 7-Zip', "7z\xbc\xaf'\x1c"],
    ['an ELF', '\x7fELF\x02\x01\x01'],
    ['a program for Windows', 'MZ\x90\0'],
    ['a script', '#!/bin/sh\nrm -rf /'],
    ['a Matroska film', '\x1aE\xdf\xa3'],
    ['an MPEG film', '\0\0\x01\xba'],
  ] satisfies (readonly [string, string])[]
).map(([what, bytes]) => [what, 'image_not_an_image', () => text(bytes)]);

const refusedContainers: readonly HostileImage[] = [
  ['an SVGZ', 'image_not_an_image', () => gzipSync(svg)],
  ['an SVG in UTF-16', 'image_not_an_image', () => Buffer.from(`\ufeff${svg}`, 'utf16le')],
  ['a TIFF', 'image_not_an_image', () => flat(8, 8).tiff().toBuffer()],
  [
    'a TIFF of three pages',
    'image_not_an_image',
    async () =>
      sharp(await frames(['#f00', '#0f0', '#00f']), { join: { animated: true } })
        .tiff()
        .toBuffer(),
  ],
  ['a JPEG behind one other byte', 'image_not_an_image', async () => Buffer.concat([text('\n'), await jpeg()])],
  ['an MP4', 'image_not_an_image', () => ftyp('isom', 'isom', 'mp42')],
  ['a QuickTime film', 'image_not_an_image', () => ftyp('qt  ', 'qt  ')],
  ['a HEIC, of which this build knows no decoder', 'image_not_an_image', () => ftyp('heic', 'mif1', 'heic')],
  ['a burst of HEIC', 'image_not_an_image', () => ftyp('hevc', 'msf1', 'hevc')],
  ['a HEIF of no known coding', 'image_not_an_image', () => ftyp('mif1', 'mif1')],
  ['an AVIF sequence', 'image_not_an_image', async () => withBrands(await avif(), 'avis', 'avis', 'msf1')],
  [
    'an AVIF sequence that says it is a picture',
    'image_not_an_image',
    async () => withBrands(await avif(), 'avis', 'avif'),
  ],
  [
    'a film that says it is an AVIF',
    'image_not_an_image',
    () => Buffer.concat([ftyp('avif', 'avif'), box('moov'), box('mdat')]),
  ],
];

const polyglots: readonly HostileImage[] = [
  ['a JPEG’s first bytes before an SVG', 'image_not_an_image', () => text(`\xff\xd8\xff${svg}`)],
  ['a PNG’s signature before a JPEG', 'image_not_an_image', async () => Buffer.concat([pngSignature, await jpeg()])],
  [
    'a PNG’s signature before a TIFF',
    'image_not_an_image',
    async () => Buffer.concat([pngSignature, await flat(8, 8).tiff().toBuffer()]),
  ],
  [
    'a WebP’s header around a JPEG',
    'image_not_an_image',
    async () => riffChunk('RIFF', Buffer.concat([text('WEBP'), await jpeg()])),
  ],
  [
    'an AVIF’s brand before a JPEG',
    'image_not_an_image',
    async () => Buffer.concat([ftyp('avif', 'mif1'), await jpeg()]),
  ],
  ['a GIF that is a script', 'image_not_an_image', () => text('GIF89a/*\x01\x00*/=alert(1)//;')],
  [
    'a PDF with a JPEG inside',
    'image_not_an_image',
    async () => Buffer.concat([text('%PDF-1.4\nstream\n'), await jpeg()]),
  ],
  [
    'a JPEG with a ZIP behind it',
    { format: 'jpeg', ...small },
    async () => Buffer.concat([await jpeg(), text('PK\x03\x04PK\x05\x06')]),
  ],
  [
    'a JPEG with a PDF in its comment',
    { format: 'jpeg', ...small },
    async () => withSegments(await jpeg(), [0xfe, text('%PDF-1.4\n%%EOF')]),
  ],
  [
    'a JPEG with HTML in its comment',
    { format: 'jpeg', ...small },
    async () => withSegments(await jpeg(), [0xfe, text('<script>alert(1)</script>')]),
  ],
  [
    'a JPEG with another one behind it',
    { format: 'jpeg', ...small },
    async () => Buffer.concat([await jpeg(), await flat(9, 9, '#00f').jpeg().toBuffer()]),
  ],
  ['a PNG with a program behind it', isBlack, () => Buffer.concat([blackPng(), text('<?php system($_GET[0]); ?>')])],
  ['a PNG with an HTML chunk', isBlack, () => blackPng(['htMl', text('<script>alert(1)</script>')])],
  [
    'a GIF with a JPEG behind it',
    { format: 'gif', width: 1, height: 1, colour: red },
    async () => Buffer.concat([gifOf(1, 1), await jpeg()]),
  ],
];

const tooLarge: readonly HostileImage[] = [
  ['more bytes than are taken', 'image_too_large', () => Buffer.alloc(20_000_001)],
  ['a PNG that claims 60,000 x 60,000', 'image_too_large', () => pngOf(60_000, 60_000, truecolour, Buffer.alloc(100))],
  [
    'a PNG that claims a side of 2^31 - 1',
    'image_not_an_image',
    () => pngOf(2 ** 31 - 1, 1, oneBit, Buffer.alloc(100)),
  ],
  [
    'a PNG that claims a side of 2^32 - 1',
    'image_not_an_image',
    () => pngOf(2 ** 32 - 1, 2 ** 32 - 1, oneBit, Buffer.alloc(100)),
  ],
  ['a PNG of no width', 'image_not_an_image', () => pngOf(0, 10, truecolour, Buffer.alloc(100))],
  ['a PNG 50,000,000 wide', 'image_too_large', () => oneBitPng(50_000_000, 1)],
  ['a PNG 50,000,000 high', 'image_too_large', () => oneBitPng(1, 50_000_000)],
  ['a PNG a pixel wider than is taken', 'image_too_large', () => oneBitPng(32_769, 1)],
  ['a PNG a pixel higher than is taken', 'image_too_large', () => oneBitPng(1, 32_769)],
  ['a PNG as wide as is taken', { format: 'png', width: 32_768, height: 1 }, () => oneBitPng(32_768, 1)],
  ['a PNG as high as is taken', { format: 'png', width: 1, height: 32_768 }, () => oneBitPng(1, 32_768)],
  [
    'a PNG of 49 megapixels in 6 kB',
    { format: 'png', width: 7_000, height: 7_000, colour: [0, 0, 0] },
    () => oneBitPng(7_000, 7_000),
  ],
  ['a JPEG that claims more than JPEG can', 'image_not_an_image', async () => claiming(await jpeg(), 65_535, 65_535)],
  ['a JPEG that claims 60,000 x 60,000', 'image_too_large', async () => claiming(await jpeg(), 60_000, 60_000)],
  ['a JPEG of no height', 'image_not_an_image', async () => claiming(await jpeg(), 80, 0)],
  [
    'a JPEG that claims more than it has',
    { format: 'jpeg', width: 7_000, height: 7_000 },
    async () => claiming(await jpeg(), 7_000, 7_000),
  ],
  [
    'a GIF whose screen is 65,535 x 65,535 and its frame one pixel',
    { format: 'gif', width: 1, height: 1 },
    () => gifOf(65_535, 65_535),
  ],
  ['a GIF without a screen', { format: 'gif', width: 1, height: 1 }, () => gifOf(0, 0)],
  ['a WebP whose canvas is 2^24 x 2^24', 'image_not_an_image', async () => webpOf(2 ** 24, 2 ** 24, await webpChunk())],
  [
    'a WebP whose canvas is larger than its picture',
    'image_not_an_image',
    async () => webpOf(7_000, 7_000, await webpChunk()),
  ],
  [
    'a WebP of 268 megapixels in 36 bytes',
    'image_too_large',
    () => flat(16_383, 16_383).webp({ lossless: true, effort: 0 }).toBuffer(),
  ],
  ['an AVIF that claims 65,535 x 65,535', 'image_too_large', async () => claimingAvif(await avif(), 65_535)],
  ['an AVIF that claims more than it has', 'image_not_an_image', async () => claimingAvif(await avif(), 3_000)],
  ['an AVIF of 17 megapixels', 'image_too_large', () => flat(4_100, 4_100).avif({ effort: 0 }).toBuffer()],
];

/** The most that is let through: what memory is measured with. */
export const largestAccepted: readonly HostileImage[] = [
  [
    'a progressive JPEG of 49 megapixels',
    { format: 'jpeg', width: 7_000, height: 7_000, colour: red },
    () => flat(7_000, 7_000).jpeg({ progressive: true }).toBuffer(),
  ],
  [
    'a GIF of 49 megapixels',
    { format: 'gif', width: 7_000, height: 7_000, colour: red },
    () => flat(7_000, 7_000).gif({ effort: 1 }).toBuffer(),
  ],
  [
    'a lossless WebP of 49 megapixels',
    { format: 'webp', width: 7_000, height: 7_000, colour: red },
    () => flat(7_000, 7_000).webp({ lossless: true, effort: 0 }).toBuffer(),
  ],
  [
    'an AVIF of 16 megapixels',
    { format: 'avif', width: 4_000, height: 4_000, colour: red },
    () => flat(4_000, 4_000).avif({ effort: 0 }).toBuffer(),
  ],
  [
    'a PNG of 12 megapixels, 16 bits and alpha',
    { format: 'png', width: 4_000, height: 3_000, colour: [255, 255, 255] },
    () => pngOf(4_000, 3_000, { bitDepth: 16, colourType: 6 }, Buffer.alloc(3_000 * (1 + 4_000 * 8))),
  ],
];

const compressedBomb = () => deflateSync(Buffer.alloc(100_000_000, 65));
const bombs: readonly HostileImage[] = [
  ['a PNG of 8 x 8 with 100 MB of pixels', isBlack, () => pngOf(8, 8, truecolour, Buffer.alloc(100_000_000))],
  [
    'a PNG with a text of 100 MB, compressed',
    isBlack,
    () => blackPng(['zTXt', Buffer.concat([text('Comment\0\0'), compressedBomb()])]),
  ],
  [
    'a PNG with XMP of 100 MB, compressed',
    isBlack,
    () => blackPng(['iTXt', Buffer.concat([text('XML:com.adobe.xmp\0\x01\0\0\0'), compressedBomb()])]),
  ],
  [
    'a PNG with a colour profile of 100 MB, compressed',
    isBlack,
    () => blackPng(['iCCP', Buffer.concat([text('icc\0\0'), compressedBomb()])]),
  ],
  ['a PNG with 100,000 texts', isBlack, () => Buffer.concat([pngSignature, ...manyTexts(100_000)])],
  [
    'a JPEG with 16 MB of comments',
    { format: 'jpeg', ...small },
    async () => withSegments(await jpeg(), ...repeat<Segment>(250, [0xfe, Buffer.alloc(65_000, 65)])),
  ],
  [
    'a JPEG with 10,000 EXIF segments',
    { format: 'jpeg', ...small },
    async () => withSegments(await jpeg(), ...repeat<Segment>(10_000, [0xe1, text('Exif\0\0')])),
  ],
  [
    'a JPEG with XMP that multiplies itself',
    { format: 'jpeg', ...small },
    async () => withSegments(await jpeg(), [0xe1, text(`http://ns.adobe.com/xap/1.0/\0${billionLaughs()}`)]),
  ],
  ['a progressive JPEG with 200 more scans', 'image_not_an_image', () => manyScans(200)],
  ['a GIF of 100,000 frames', { format: 'gif', width: 1, height: 1, colour: red }, () => gifOf(1, 1, 100_000)],
];

const animations: readonly HostileImage[] = [
  ['a GIF of three frames', { format: 'gif', width: 20, height: 10, colour: red }, () => animated('gif')],
  ['a WebP of three frames', { format: 'webp', width: 20, height: 10, colour: red }, () => animated('webp')],
  [
    'an APNG, whose default picture counts',
    isBlack,
    () => blackPng(['acTL', Buffer.of(0, 0, 0, 2, 0, 0, 0, 0)], ['fcTL', Buffer.alloc(26)]),
  ],
];

const honest: readonly HostileImage[] = [
  [
    '16 bits a channel',
    { format: 'png', width: 80, height: 40, colour: [200, 100, 50] },
    () => flat(80, 40, '#c86432').toColourspace('rgb16').png().toBuffer(),
  ],
  ['10 bits a channel', { format: 'avif', ...small }, () => flat(80, 40).avif({ bitdepth: 10, effort: 0 }).toBuffer()],
  [
    'grey',
    { format: 'jpeg', width: 80, height: 40, colour: [77, 77, 77] },
    () => flat(80, 40, '#4d4d4d').toColourspace('b-w').jpeg().toBuffer(),
  ],
  [
    'CMYK',
    { format: 'jpeg', width: 80, height: 40, colour: [180, 90, 60] },
    () => flat(80, 40, '#b45a3c').toColourspace('cmyk').jpeg().toBuffer(),
  ],
  [
    'transparent',
    { format: 'webp', width: 8, height: 8, colour: [255, 255, 255] },
    () =>
      sharp({ create: { width: 8, height: 8, channels: 4, background: { r: 9, g: 9, b: 9, alpha: 0 } } })
        .webp()
        .toBuffer(),
  ],
  ['one pixel', { format: 'png', width: 1, height: 1, colour: red }, () => flat(1, 1).png().toBuffer()],
];

const exif: readonly HostileImage[] = [
  ...[1, 2, 3, 4].map(
    (orientation): HostileImage => [
      `orientation ${orientation}`,
      { format: 'jpeg', ...small },
      () => flat(80, 40).withMetadata({ orientation }).jpeg().toBuffer(),
    ],
  ),
  ...[5, 6, 7, 8].map(
    (orientation): HostileImage => [
      `orientation ${orientation}, which lies on its side`,
      { format: 'jpeg', ...small, width: 40, height: 80 },
      () => flat(80, 40).withMetadata({ orientation }).jpeg().toBuffer(),
    ],
  ),
  ...[0, 9, 65_535].map(
    (value): HostileImage => [
      `orientation ${value}, which does not exist`,
      { format: 'jpeg', ...small },
      async () => withExif(await jpeg(), [0x112, 3, 1, value]),
    ],
  ),
  [
    'a place and an orientation',
    { format: 'jpeg', ...small, width: 40, height: 80 },
    () =>
      flat(80, 40)
        .withExif({ IFD3: { GPSLatitudeRef: 'N', GPSLatitude: '48/1 8/1 14/1' } })
        .withMetadata({ orientation: 6 })
        .jpeg()
        .toBuffer(),
  ],
  [
    'a directory that contains itself',
    { format: 'jpeg', ...small, width: 40, height: 80 },
    async () => withExif(await jpeg(), [0x8769, 4, 1, 8], [0x112, 3, 1, 6]),
  ],
  [
    'a value outside of the file',
    { format: 'jpeg', ...small },
    async () => withExif(await jpeg(), [0x10e, 2, 0xffffffff, 0xfffffff0], [0x112, 3, 1, 3]),
  ],
  [
    'a directory outside of the file',
    { format: 'jpeg', ...small },
    async () => withSegments(await jpeg(), [0xe1, text('Exif\0\0II*\0\xff\xff\xff\xff')]),
  ],
  [
    'a colour profile of junk',
    { format: 'jpeg', ...small },
    async () =>
      withSegments(await jpeg(), [0xe2, Buffer.concat([text('ICC_PROFILE\0\x01\x01'), Buffer.alloc(5_000, 7)])]),
  ],
];

const truncated: readonly HostileImage[] = (['jpeg', 'png', 'webp', 'gif', 'avif'] as const).flatMap((format) =>
  [0.1, 0.5, 0.9].map(
    (share): HostileImage => [
      `the first ${share * 100} % of a ${format}`,
      'image_not_an_image',
      async () => {
        const whole = await noise(200, 200).toFormat(format).toBuffer();
        return whole.subarray(0, Math.floor(whole.length * share));
      },
    ],
  ),
);

export const hostileImages: readonly HostileImage[] = [
  ...refusedFormats,
  ...refusedContainers,
  ...polyglots,
  ...tooLarge,
  ...bombs,
  ...largestAccepted,
  ...animations,
  ...honest,
  ...exif,
  ...truncated,
];
export const refusedUnseen: readonly HostileImage[] = [...refusedFormats, ...refusedContainers.slice(0, 10)];

/** A photo of the five accepted formats each, of some content: what mutations start from. */
export function validPhotos(): Promise<readonly (readonly [format: string, bytes: Buffer])[]> {
  return Promise.all(
    (['jpeg', 'png', 'webp', 'gif', 'avif'] as const).map(
      async (format) => [format, await noise(64, 48).toFormat(format).toBuffer()] as const,
    ),
  );
}

function oneBitPng(width: number, height: number) {
  return pngOf(width, height, oneBit, Buffer.alloc(height * (1 + Math.ceil(width / 8))));
}

function avif() {
  return flat(80, 40).avif({ effort: 0 }).toBuffer();
}

function withBrands(file: Buffer, major: string, ...compatible: readonly string[]) {
  return Buffer.concat([ftyp(major, ...compatible), file.subarray(file.readUInt32BE(0))]);
}

function claimingAvif(file: Buffer, side: number) {
  const claimed = Buffer.from(file);
  const at = claimed.indexOf('ispe');
  claimed.writeUInt32BE(side, at + 8);
  claimed.writeUInt32BE(side, at + 12);
  return claimed;
}

async function webpChunk() {
  return (await flat(8, 8).webp({ lossless: true }).toBuffer()).subarray(12);
}

function withExif(file: Buffer, ...entries: readonly ExifEntry[]) {
  return withSegments(file, [0xe1, exifOf(...entries)]);
}

function frames(colours: readonly string[]) {
  return Promise.all(colours.map((background) => flat(20, 10, background).png().toBuffer()));
}

async function animated(format: 'gif' | 'webp') {
  return await sharp(await frames(['#f00', '#0f0', '#00f']), { join: { animated: true } })
    .toFormat(format, { loop: 0 })
    .toBuffer();
}

/** A progressive JPEG whose last scan comes again and again: each costs a pass over the whole picture. */
async function manyScans(count: number) {
  const file = await noise(400, 400).jpeg({ progressive: true }).toBuffer();
  const scan = file.subarray(file.lastIndexOf(Buffer.of(0xff, 0xda)), -2);
  return Buffer.concat([file.subarray(0, -2), ...repeat(count, scan), file.subarray(-2)]);
}

/** All chunks of a PNG, so many texts behind its header. */
function manyTexts(count: number) {
  const plain = blackPng().subarray(pngSignature.length);
  const headerEnd = 8 + 13 + 4;
  return [plain.subarray(0, headerEnd), ...repeat(count, pngChunk('tEXt', text('a\0b'))), plain.subarray(headerEnd)];
}

function billionLaughs() {
  const entities = Array.from({ length: 9 }, (_, index) => `<!ENTITY l${index + 1} "${`&l${index};`.repeat(10)}">`);
  return `<!DOCTYPE x [<!ENTITY l0 "ha">${entities.join('')}]><x>&l9;</x>`;
}

function repeat<Item>(count: number, item: Item): Item[] {
  return Array.from({ length: count }, () => item);
}
