/**
 * Hostile images through the detector's own decoding: each gets a clear code or a right answer, the decoding process lives
 * through them all, and its memory is measured from outside.
 */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { createGuardedFetch, Permanent } from '@pet-roast/shared';
import { sniffFormat } from '@pet-roast/shared/image-format';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Decoder, openDecoder, type PreparedImage } from '../src/adapters/decoder.ts';
import { modelEntry } from '../src/model-manifest.ts';
import { type Colour, hostileImages, largestAccepted, refusedUnseen, validPhotos } from './hostile/corpus.ts';
import { mutations } from './hostile/mutations.ts';

const entry = modelEntry('yolox-nano');
/** The process at rest has 85 MB, the largest photo that is let through takes 340 MB more (a GIF of 49 megapixels). */
const peakBytesMax = 550_000_000;
const isLinux = process.platform === 'linux';
const timeout = 240_000;

let decoder: Decoder;
let pid: number | undefined;
const deaths: string[] = [];
beforeAll(async () => {
  decoder = await openDecoder({ idleMs: 600_000, onDecoderDied: (how) => deaths.push(how) });
  pid = decoder.pid();
}, timeout);
afterAll(() => decoder.close());

describe('a file that somebody sends as a photo', { timeout }, () => {
  test('is of at least 120 kinds here, no two of one name', () => {
    expect(new Set(hostileImages.map(([what]) => what)).size).toBe(hostileImages.length);
    expect(hostileImages.length).toBeGreaterThanOrEqual(120);
  });

  test.each(hostileImages)('gets a clear code or a right answer: %s', async (_what, expected, make) => {
    const outcome = await outcomeOf(await make());
    if (typeof expected === 'string') return expect(outcome).toBe(expected);
    const { colour, ...facts } = expected;
    expect(outcome).toMatchObject(facts);
    if (colour !== undefined && typeof outcome !== 'string') expectColour(outcome, colour);
  });

  test.each(refusedUnseen)('is refused by its first bytes, before any decoder: %s', async (_what, _expected, make) => {
    const format = sniffFormat(await make());
    expect(format === undefined || format === 'heic').toBe(true);
  });
});

describe('two at a time', { timeout }, () => {
  test('the same files get the same outcomes', async () => {
    const waiting = [...hostileImages];
    const wrong: string[] = [];
    const work = async () => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        const [what, expected, make] = next;
        const outcome = await outcomeOf(await make());
        const got = typeof outcome === 'string' ? outcome : outcome.format;
        if (got !== (typeof expected === 'string' ? expected : expected.format)) wrong.push(`${what}: ${got}`);
      }
    };
    await Promise.all([work(), work()]);
    expect(wrong).toEqual([]);
  });

  test('and all at once, three times each, the largest photos that are let through take turns', async () => {
    const files = await Promise.all(largestAccepted.map(async ([, , make]) => await make()));
    const outcomes = await Promise.all([...files, ...files, ...files].map(outcomeOf));
    const formats = outcomes.map((outcome) => (typeof outcome === 'string' ? outcome : outcome.format));
    const expected = largestAccepted.map(([, outcome]) => (typeof outcome === 'string' ? outcome : outcome.format));
    expect(formats).toEqual([...expected, ...expected, ...expected]);
  });

  test('2,500 mutations of valid photos get a code or an answer, and the next photo is seen as ever', async () => {
    const photos = await validPhotos();
    const cases = mutations(photos, { count: 2_500, seed: 7 });
    const codes: Record<string, number> = {};
    const work = async () => {
      for (const { name, bytes } of cases) {
        const outcome = await outcomeOf(bytes).catch((error: unknown) => {
          throw new Error(`mutation ${name}`, { cause: error });
        });
        const key = typeof outcome === 'string' ? outcome : 'an answer';
        codes[key] = (codes[key] ?? 0) + 1;
      }
    };
    await Promise.all([work(), work()]);
    expect(Object.keys(codes).sort()).toEqual(['an answer', 'image_not_an_image', 'image_too_large']);
    expect(Object.values(codes).reduce((sum, count) => sum + count, 0)).toBe(2_500);
    for (const [format, bytes] of photos)
      expect(await outcomeOf(bytes)).toMatchObject({ format, width: 64, height: 48 });
  });
});

describe('what a server says of a file', () => {
  test.each(['text/html', 'image/svg+xml', 'application/octet-stream', 'video/mp4', ''])(
    'does not matter: a JPEG sent as %j is seen, an SVG sent as image/jpeg is not',
    async (contentType) => {
      const [[, jpeg] = ['', Buffer.alloc(0)]] = await validPhotos();
      const svg = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>');
      expect(await outcomeOf(await fetched(jpeg, contentType))).toMatchObject({ format: 'jpeg', width: 64 });
      expect(await outcomeOf(await fetched(svg, 'image/jpeg'))).toBe('image_not_an_image');
    },
  );

  test('an SVG with references asks nobody for anything', async () => {
    let asked = 0;
    await using server = await serve((_request, response) => {
      asked += 1;
      response.end();
    });
    const svg = `<?xml version="1.0"?><?xml-stylesheet href="${server.url}a.css"?>
      <!DOCTYPE svg [<!ENTITY % x SYSTEM "${server.url}b.dtd"> %x;]>
      <svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="9" height="9">
      <image xlink:href="${server.url}c.png" width="9" height="9"/><style>@import url(${server.url}d.css)</style></svg>`;
    for (const lead of ['', '\xff\xd8\xff', '\x89PNG\r\n\x1a\n', 'GIF89a', 'RIFF\0\0\0\0WEBP', '\0\0\0\x18ftypavif']) {
      expect(await outcomeOf(Buffer.from(lead + svg, 'latin1'))).toBe('image_not_an_image');
    }
    expect(asked).toBe(0);
  });
});

// The last: it looks back on all of the above.
describe('the decoding process', () => {
  test('has lived through them all', async () => {
    expect(deaths).toEqual([]);
    expect(decoder.pid()).toBe(pid);
  });

  test.runIf(isLinux)('has never held more than 550 MB', () => {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const peakBytes = Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) * 1_024;
    process.stdout.write(`decoding process, peak of its memory: ${Math.round(peakBytes / 1e6)} MB\n`);
    expect(peakBytes).toBeLessThan(peakBytesMax);
  });
});

/** What came of it: a photo, or the code of a failure that nothing can mend. Anything else is thrown. */
async function outcomeOf(bytes: Uint8Array): Promise<PreparedImage | string> {
  try {
    return await decoder.prepare(bytes, entry);
  } catch (error) {
    if (error instanceof Permanent) return error.code;
    throw error;
  }
}

/** Near the corner; print shows colours less exactly than a screen. */
function expectColour({ rgb, letterbox }: PreparedImage, colour: Colour) {
  const at = (20 * letterbox.scaledWidth + 20) * 3;
  const seen = [...rgb.subarray(at, at + 3)];
  const off = Math.max(...seen.map((value, index) => Math.abs(value - (colour[index] ?? 0))));
  expect(off, `rgb(${seen}) is not rgb(${colour})`).toBeLessThanOrEqual(25);
}

async function fetched(body: Buffer, contentType: string) {
  await using server = await serve((_request, response) => response.setHeader('content-type', contentType).end(body));
  const images = createGuardedFetch({ bytesMax: 1_000_000, timeoutMs: 5_000, allowPrivate: true });
  const { bytes } = await images.fetch(server.url);
  await images.close();
  return bytes;
}

async function serve(answer: (request: http.IncomingMessage, response: http.ServerResponse) => unknown) {
  const server = http.createServer(answer).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
