import sharp from 'sharp';
import { beforeAll, describe, expect, test } from 'vitest';
import { ftyp, pngOf } from '../../test/hostile/bytes.ts';
import { type PhotoBox, packTensor, planLetterbox } from '../core/letterbox.ts';
import { type ModelEntry, modelEntry } from '../model-manifest.ts';
import type { ImageBounds } from './image-bounds.ts';
import { sniffFormat } from './image-format.ts';
import { cutPart, decodeCopy, decodeWhole, ImageRefused, limitSharp } from './sharp-image.ts';

const entry = modelEntry('yolox-nano');
const size = entry.inputSize;
const [red, blue] = [
  [255, 0, 0],
  [0, 0, 255],
] as const;

// TIFF is made before the limits are set: they are the whole process's.
let tiff: Buffer;
beforeAll(async () => {
  tiff = await halves().tiff().toBuffer();
  limitSharp(1);
});

describe('what the model gets to see', () => {
  test.each(['jpeg', 'png', 'webp', 'gif', 'avif'] as const)('a %s is decoded and measured', async (format) => {
    const image = await prepareImage(await halves().toFormat(format).toBuffer(), entry);
    expect(image).toMatchObject({ width: 80, height: 40, format });
    expectColour(image.tensor, 50, 100, red);
    expectColour(image.tensor, 400, 100, blue);
    expectColour(image.tensor, 200, 300, [114, 114, 114]);
  });

  test.each([
    [1, 80, 40, 'left'],
    [2, 80, 40, 'right'],
    [3, 80, 40, 'right'],
    [4, 80, 40, 'left'],
    [5, 40, 80, 'top'],
    [6, 40, 80, 'top'],
    [7, 40, 80, 'bottom'],
    [8, 40, 80, 'bottom'],
  ] as const)(
    'EXIF orientation %i is honoured: %i x %i with red at the %s',
    async (orientation, width, height, side) => {
      const image = await prepareImage(await halves().withMetadata({ orientation }).jpeg().toBuffer(), entry);
      expect(image).toMatchObject({ width, height });
      const [x, y] = { left: [20, 100], right: [396, 100], top: [100, 20], bottom: [100, 396] }[side] as [
        number,
        number,
      ];
      expectColour(image.tensor, x, y, red);
      expectColour(
        image.tensor,
        ...((side === 'left' || side === 'right' ? [416 - x, y] : [x, 416 - y]) as [number, number]),
        blue,
      );
    },
  );

  test('what is transparent is white, in 8 and in 16 bits', async () => {
    const clear = sharp({ create: { width: 8, height: 8, channels: 4, background: { r: 9, g: 9, b: 9, alpha: 0 } } });
    for (const png of [
      await clear.clone().png().toBuffer(),
      await clear.clone().toColourspace('rgb16').png().toBuffer(),
    ]) {
      const { tensor } = await prepareImage(png, entry);
      expectColour(tensor, 200, 200, [255, 255, 255]);
    }
  });

  test('16 bits a channel become 8', async () => {
    const png = await sharp({ create: { width: 8, height: 8, channels: 3, background: '#c86432' } })
      .toColourspace('rgb16')
      .png()
      .toBuffer();
    expect((await sharp(png).metadata()).depth).toBe('ushort');
    expectColour((await prepareImage(png, entry)).tensor, 200, 200, [200, 100, 50]);
  });

  test('a CMYK JPEG is seen in colour', async () => {
    // A colour that print can show as well: pure red and blue are outside CMYK's gamut.
    const cmyk = await sharp({ create: { width: 8, height: 8, channels: 3, background: '#b45a3c' } })
      .toColourspace('cmyk')
      .jpeg()
      .toBuffer();
    expect((await sharp(cmyk).metadata()).space).toBe('cmyk');
    expectColour((await prepareImage(cmyk, entry)).tensor, 200, 200, [180, 90, 60], 25);
  });

  test('a grey photo, with or without alpha, has three equal planes', async () => {
    for (const channels of [1, 2] as const) {
      const raw = { width: 4, height: 4, channels };
      const png = await sharp(Buffer.alloc(16 * channels, 255).fill(77, 0, channels === 1 ? 16 : 0), { raw })
        .png()
        .toBuffer();
      const { tensor } = await prepareImage(png, entry);
      expectColour(tensor, 200, 200, channels === 1 ? [77, 77, 77] : [255, 255, 255]);
    }
  });

  test('a palette PNG is seen in its colours', async () => {
    const { tensor } = await prepareImage(await halves().png({ palette: true }).toBuffer(), entry);
    expectColour(tensor, 50, 100, red);
  });

  test('of an animation the first frame counts, and its height is one frame’s', async () => {
    const frames = await Promise.all(
      ['#f00', '#00f'].map((background) =>
        sharp({ create: { width: 20, height: 10, channels: 3, background } })
          .png()
          .toBuffer(),
      ),
    );
    for (const format of ['gif', 'webp'] as const) {
      const animation = await sharp(frames, { join: { animated: true } })
        .toFormat(format, { loop: 0 })
        .toBuffer();
      expect((await sharp(animation).metadata()).pages).toBe(2);
      const image = await prepareImage(animation, entry);
      expect(image).toMatchObject({ width: 20, height: 10 });
      expectColour(image.tensor, 200, 100, red);
    }
  });

  test('a large JPEG, which is shrunk while it loads, keeps its true size and place', async () => {
    const image = await prepareImage(await halves(4_000, 3_000).jpeg().toBuffer(), entry);
    expect(image).toMatchObject({ width: 4_000, height: 3_000 });
    expectColour(image.tensor, 200, 300, red);
    expectColour(image.tensor, 216, 300, blue);
    expectColour(image.tensor, 216, 313, [114, 114, 114]);
  });

  test('one pixel is enough to be an image', async () => {
    expect(await prepareImage(await halves(1, 1).png().toBuffer(), entry)).toMatchObject({ width: 1, height: 1 });
  });
});

describe('the copy for later looks', () => {
  const stretched = modelEntry('deimv2-femto');
  const redAt = (tensor: Float32Array, x: number, y: number) => tensor[y * size + x] ?? Number.NaN;
  const blueAt = (tensor: Float32Array, x: number, y: number) => tensor[2 * size * size + y * size + x] ?? Number.NaN;

  test('fills a stretched input with the whole photo, in RGB from 0 to 1', async () => {
    const copy = await copyImage(await halves(4_000, 1_000).jpeg().toBuffer());
    const { tensor, letterbox } = await copy.prepare(stretched);
    expect(letterbox).toMatchObject({ photoWidth: 4_000, photoHeight: 1_000, scaledWidth: 416, scaledHeight: 416 });
    for (const y of [0, 415]) {
      expect(redAt(tensor, 100, y)).toBeGreaterThan(0.95);
      expect(blueAt(tensor, 100, y)).toBeLessThan(0.05);
      expect(blueAt(tensor, 300, y)).toBeGreaterThan(0.95);
    }
  });

  test('gives a part in the photo’s own pixels, whatever the copy’s', async () => {
    const copy = await copyImage(await halves(4_000, 1_000).jpeg().toBuffer());
    const { tensor, letterbox } = await copy.prepare(entry, { x: 1_900, y: 100, width: 200, height: 100 });
    expect(letterbox).toMatchObject({ photoWidth: 200, photoHeight: 100, scaledWidth: 416, scaledHeight: 208 });
    expectColour(tensor, 50, 100, red);
    expectColour(tensor, 360, 100, blue);
    expectColour(tensor, 200, 300, [114, 114, 114]);
  });

  test('is upright, as the first look was', async () => {
    const turned = await halves(80, 40).withMetadata({ orientation: 6 }).jpeg().toBuffer();
    const { tensor } = await (await copyImage(turned)).prepare(entry);
    expectColour(tensor, 100, 20, red);
    expectColour(tensor, 100, 396, blue);
  });

  test('is refused for what is no image and for what is too large, as the photo itself', async () => {
    await expect(copyImage(Buffer.from('no photo'))).rejects.toMatchObject({ code: 'image_not_an_image' });
    const png = await halves(100, 50).png().toBuffer();
    await expect(copyImage(png, { pixelsMax: 4_999 })).rejects.toMatchObject({ code: 'image_too_large' });
  });
});

describe('what is no image', () => {
  const svg = '<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"><rect width="10" height="10"/></svg>';

  test.each([
    ['nothing at all', Buffer.alloc(0)],
    ['one byte', Buffer.from([0xff])],
    ['zero bytes', Buffer.alloc(1_000)],
    ['an HTML page', Buffer.from('<!doctype html><html><body>404</body></html>')],
    ['an SVG', Buffer.from(svg)],
    ['an SVG with an XML declaration', Buffer.from(`<?xml version="1.0"?>${svg}`)],
    ['a PDF', Buffer.from('%PDF-1.4\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF')],
    ['a HEIC that this build of sharp cannot decode', ftyp('heic', 'mif1', 'heic')],
    ['an MP4', ftyp('isom', 'isom', 'mp42')],
    ['only the magic bytes of a JPEG', Buffer.from([0xff, 0xd8, 0xff, 0xe0])],
    ['only the magic bytes of a PNG', Buffer.from('\x89PNG\r\n\x1a\n', 'latin1')],
    ['only the magic bytes of a WebP', Buffer.from('RIFF\x10\0\0\0WEBPVP8 ', 'latin1')],
    ['only the magic bytes of a GIF', Buffer.from('GIF89a', 'latin1')],
    ['only the magic bytes of an AVIF', ftyp('avif', 'avif', 'mif1')],
    ['a JPEG’s magic bytes before an SVG', Buffer.concat([Buffer.from([0xff, 0xd8, 0xff]), Buffer.from(svg)])],
  ])('%s is refused as image_not_an_image', async (_, bytes) => {
    expect(await codeOf(bytes)).toBe('image_not_an_image');
  });

  test('a TIFF is refused before a decoder sees it, and by the decoder too', async () => {
    expect(sniffFormat(tiff)).toBeUndefined();
    expect(await codeOf(tiff)).toBe('image_not_an_image');
    await expect(sharp(tiff).metadata()).rejects.toThrow('unsupported image format');
    await expect(sharp(Buffer.from(svg)).metadata()).rejects.toThrow();
  });

  test.each(['jpeg', 'png', 'webp', 'gif', 'avif'] as const)('a %s cut in half is refused', async (format) => {
    const whole = await noise(200, 200).toFormat(format).toBuffer();
    expect(await codeOf(whole)).toBeUndefined();
    expect(await codeOf(whole.subarray(0, whole.length / 2))).toBe('image_not_an_image');
  });

  test('a damaged one is refused', async () => {
    const png = await noise(200, 200).png().toBuffer();
    png.fill(0, png.length >> 1, (png.length >> 1) + 500);
    expect(await codeOf(png)).toBe('image_not_an_image');
  });

  test('the reason is told to operators', async () => {
    const error = await prepareImage(Buffer.from(svg), entry).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ImageRefused);
    expect(error).toMatchObject({ message: 'the first bytes are of no accepted image format' });
  });
});

describe('what is too large', () => {
  test('bytes beyond the bound are not even looked at', async () => {
    expect(await codeOf(Buffer.alloc(101), { bytesMax: 100 })).toBe('image_too_large');
    expect(await codeOf(Buffer.alloc(20_000_001))).toBe('image_too_large');
  });

  test('pixels beyond the bound are refused, the bound itself is accepted', async () => {
    const jpeg = await halves(100, 50).jpeg().toBuffer();
    expect(await codeOf(jpeg, { pixelsMax: 5_000 })).toBeUndefined();
    expect(await codeOf(jpeg, { pixelsMax: 4_999 })).toBe('image_too_large');
  });

  test('an AVIF, which is decoded as a whole, has a lower bound of its own', async () => {
    const avif = await halves(100, 50).avif().toBuffer();
    expect(await codeOf(avif, { wholePixelsMax: 5_000 })).toBeUndefined();
    expect(await codeOf(avif, { wholePixelsMax: 4_999 })).toBe('image_too_large');
    expect(await codeOf(avif, { pixelsMax: 4_999, wholePixelsMax: 5_000 })).toBe('image_too_large');
    expect(await codeOf(await halves(100, 50).png().toBuffer(), { wholePixelsMax: 4_999 })).toBeUndefined();
  });

  test('an AVIF of a few kilobytes and 17 megapixels is refused as it comes, with the reason', async () => {
    const large = { create: { width: 4_100, height: 4_100, channels: 3 as const, background: '#888' } };
    const avif = await sharp(large).avif({ effort: 0 }).toBuffer();
    expect(avif.length).toBeLessThan(50_000);
    await expect(prepareImage(avif, entry)).rejects.toMatchObject({
      code: 'image_too_large',
      message: '4100 x 4100 pixels, at most 16000000 are accepted of an avif',
    });
  }, 30_000);

  test('a PNG of a few bytes that claims 60,000 x 60,000 pixels is refused from its header, at once', async () => {
    const bomb = pngOf(60_000, 60_000, { bitDepth: 8, colourType: 2 }, Buffer.alloc(100));
    expect(bomb.length).toBeLessThan(200);
    const startedAt = performance.now();
    expect(await codeOf(bomb)).toBe('image_too_large');
    expect(performance.now() - startedAt).toBeLessThan(2_000);
  });

  test('decoding that takes longer than its time-out is stopped', async () => {
    // 900 megapixels of black in 110 kB, let through by the pixel bound: more than the one second that is the least.
    const slow = pngOf(30_000, 30_000, { bitDepth: 1, colourType: 0 }, Buffer.alloc(30_000 * (1 + 30_000 / 8)));
    expect(await codeOf(slow, { pixelsMax: 1e9, decodeTimeoutMs: 1 })).toBe('image_too_large');
  }, 30_000);
});

/** Red on the left, blue on the right. */
function halves(width = 80, height = 40) {
  const right = { create: { width: Math.ceil(width / 2), height, channels: 3 as const, background: '#00f' } };
  return sharp({ create: { width, height, channels: 3, background: '#f00' } }).composite(
    width < 2 ? [] : [{ input: right, left: Math.floor(width / 2), top: 0 }],
  );
}

function noise(width: number, height: number) {
  return sharp({
    create: { width, height, channels: 3, background: '#888', noise: { type: 'gaussian', mean: 128, sigma: 40 } },
  });
}

/** As `decoder.ts` packs it on the other side of the channel. */
async function prepareImage(bytes: Uint8Array, entry: ModelEntry, bounds?: ImageBounds) {
  const { rgb, ...facts } = await decodeWhole(bytes, squareOf(entry), bounds);
  return { ...facts, ...packed(rgb, facts, entry) };
}

async function copyImage(bytes: Uint8Array, bounds?: ImageBounds) {
  const copy = await decodeCopy(bytes, bounds);
  return {
    prepare: async (entry: ModelEntry, part: PhotoBox = { x: 0, y: 0, ...copy.photo }) =>
      packed(await cutPart(copy, part, squareOf(entry)), part, entry),
  };
}

function packed(rgb: Uint8Array, { width, height }: { width: number; height: number }, entry: ModelEntry) {
  const letterbox = planLetterbox(width, height, entry.inputSize, entry.preprocess.layout);
  return { tensor: packTensor(rgb, letterbox, entry.preprocess), letterbox };
}

function squareOf({ inputSize, preprocess }: ModelEntry) {
  return { size: inputSize, layout: preprocess.layout };
}

async function codeOf(bytes: Uint8Array, bounds?: ImageBounds) {
  try {
    await prepareImage(bytes, entry, bounds);
    return undefined;
  } catch (error) {
    if (error instanceof ImageRefused) return error.code;
    throw error;
  }
}

/** The tensor is planar BGR, 0..255. */
function expectColour(
  tensor: Float32Array,
  x: number,
  y: number,
  [r, g, b]: readonly [number, number, number],
  tolerance = 6,
) {
  const at = (plane: number) => tensor[plane * size * size + y * size + x] ?? Number.NaN;
  const off = Math.max(Math.abs(at(2) - r), Math.abs(at(1) - g), Math.abs(at(0) - b));
  expect(off, `pixel ${x},${y} is rgb(${at(2)}, ${at(1)}, ${at(0)})`).toBeLessThanOrEqual(tolerance);
}
