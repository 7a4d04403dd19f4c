/** The decoding process: what it answers, and what its death takes with it, which is nothing. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { until } from '@pet-roast/testing';
import sharp from 'sharp';
import { afterEach, describe, expect, test } from 'vitest';
import { type DecoderOptions, openDecoder, type PreparedPart } from '../src/adapters/decoder.ts';
import { modelEntry } from '../src/model-manifest.ts';

const entry = modelEntry('yolox-nano');
const crashing = fileURLToPath(new URL('hostile/crashing-child.ts', import.meta.url));
const isLinux = process.platform === 'linux';

const cleanUps: (() => unknown)[] = [];
afterEach(() => {
  for (const cleanUp of cleanUps.splice(0).reverse()) cleanUp();
});

describe('a decoder that crashes while two photos are in hand', () => {
  test('gives both the right answer: they are decoded again, each in a process of its own', async () => {
    const { decoder, deaths } = await opened({ atOnce: 3 });
    const photos = [await slow('#f00'), await slow('#00f')];
    const quick = await small('#0f0');
    const [red, blue] = photos.map((bytes) => decoder.prepare(bytes, entry));
    // Messages are taken in order: once this one is answered, the two slow ones are being decoded.
    await decoder.prepare(quick, entry);
    process.kill(Number(decoder.pid()), 'SIGSEGV');
    await until(() => deaths.length > 0, { what: 'its death' });

    expect((await Promise.all([red, blue])).map((one) => one && colourOf(one))).toEqual([
      [255, 0, 0],
      [0, 0, 255],
    ]);
    expect(deaths).toEqual(['SIGSEGV']);
  });

  test('blames the one that crashes it again when alone, and the other one’s answer is right', async () => {
    const { decoder, deaths } = await opened({ program: crashing });
    const innocent = decoder.prepare(await slow('#f00'), entry);
    const killer = decoder.prepare(await marked('CRASH'), entry);

    await expect(killer).rejects.toMatchObject({
      name: 'Permanent',
      code: 'image_not_an_image',
      message: 'decoding it crashes the decoder (SIGSEGV)',
    });
    expect(colourOf(await innocent)).toEqual([255, 0, 0]);
    expect(deaths).toEqual(['SIGSEGV', 'SIGSEGV']);
    expect(colourOf(await decoder.prepare(await small('#0f0'), entry))).toEqual([0, 255, 0]);
  });

  test('eight killers at once take none of eight photos down, with two or three processes at a time', async () => {
    const { decoder } = await opened({ program: crashing });
    const [photo, killer] = [await small('#00f'), await marked('CRASH')];
    let processesMax = 0;
    const count = () => process.getActiveResourcesInfo().filter((name) => name === 'ProcessWrap').length;
    const watch = setInterval(() => {
      processesMax = Math.max(processesMax, count());
    }, 5);
    const outcomes = await Promise.allSettled(
      Array.from({ length: 16 }, (_, index) => decoder.prepare(index % 2 === 0 ? photo : killer, entry)),
    );
    clearInterval(watch);
    for (const [index, outcome] of outcomes.entries()) {
      if (index % 2 === 0) expect(outcome).toMatchObject({ status: 'fulfilled', value: { width: 8, height: 8 } });
      else expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'image_not_an_image' } });
    }
    expect(processesMax).toBeLessThanOrEqual(3);
  }, 60_000);

  test('is a reason to try later when it was killed from outside: memory may be there then', async () => {
    const { decoder } = await opened({ program: crashing });
    await expect(decoder.prepare(await marked('KILL'), entry)).rejects.toMatchObject({
      name: 'RetryLater',
      code: 'detection_failed',
      message: 'the decoder ended (SIGKILL)',
    });
  });
});

test('a photo whose decoding runs out of time is one to try later: it may be the machine that stood still', async () => {
  const { decoder } = await opened({ program: crashing });
  const failure = { name: 'RetryLater', code: 'image_too_large' };
  await expect(decoder.prepare(await marked('SLOW'), entry)).rejects.toMatchObject(failure);
});

describe('a photo on which the decoder hangs', () => {
  test('ends with its process, which may be the machine’s fault, and the next photo has another', async () => {
    const { decoder, deaths } = await opened({ program: crashing, decodeTimeoutMs: 1_000 });
    const hanging = decoder.prepare(await marked('HANG'), entry).catch((error: unknown) => error);
    await until(async () => (await decoder.prepare(await small('#0f0'), entry)).width, { what: 'a photo beside it' });
    expect(await hanging).toMatchObject({ name: 'RetryLater', code: 'image_too_large' });
    await until(() => deaths.length, { what: 'the end of the process that hung' });
    expect(colourOf(await decoder.prepare(await small('#00f'), entry))).toEqual([0, 0, 255]);
  });
});

test('a large photo that waits in there for another one still has all of its own time', async () => {
  const { decoder, deaths } = await opened({ program: crashing, decodeTimeoutMs: 3_000, atOnce: 2 });
  const bytes = Buffer.concat([await large('#00f'), Buffer.from('LARGE')]);
  const both = await Promise.all([decoder.prepare(bytes, entry), decoder.prepare(bytes, entry)]);
  expect(both.map(colourOf)).toEqual([
    [0, 0, 255],
    [0, 0, 255],
  ]);
  expect(deaths).toEqual([]);
}, 20_000);

describe('a photo beyond those that are decoded at a time', () => {
  test('waits in the detector, and its time begins when it is its turn', async () => {
    const { decoder, deaths } = await opened({ program: crashing, decodeTimeoutMs: 1_000, atOnce: 1 });
    const hanging = decoder.prepare(await marked('HANG'), entry).catch((error: unknown) => error);
    const next = decoder.prepare(await small('#0f0'), entry).then((image) => [colourOf(image), deaths.length]);
    expect(await hanging).toMatchObject({ name: 'RetryLater', code: 'image_too_large' });
    expect(await next).toEqual([[0, 255, 0], 1]);
  });
});

describe('a detector that stands still', () => {
  test('longer than a decoding may take does not hold that against the photo', async () => {
    const { decoder, deaths } = await opened({ decodeTimeoutMs: 1_000 });
    const photo = decoder.prepare(await slow('#f00'), entry);
    // Blocked as by SIGSTOP: the answer lies in the channel when time goes on, and every timer is overdue.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3_500);
    expect(colourOf(await photo)).toEqual([255, 0, 0]);
    expect(deaths).toEqual([]);
  });
});

describe('a part of a photo', () => {
  test('is the same from a decoder that has never seen the photo', async () => {
    const { decoder } = await opened();
    const bytes = await halves();
    const photo = await decoder.prepare(bytes, entry);
    const copy = decoder.copy(bytes, photo);
    const right = { x: 200, y: 0, width: 200, height: 200 };
    expect(colourOf(await copy.prepare(entry, right))).toEqual([0, 0, 255]);

    process.kill(Number(decoder.pid()), 'SIGSEGV');
    await until(() => decoder.pid() === undefined, { what: 'the decoder’s end' });
    expect(colourOf(await copy.prepare(entry, right))).toEqual([0, 0, 255]);
    expect(colourOf(await copy.prepare(entry, { ...right, x: 0 }))).toEqual([255, 0, 0]);
    expect((await copy.prepare(entry)).letterbox).toMatchObject({ photoWidth: 400, photoHeight: 200 });
  });

  test('of more photos than are kept is still had of each', async () => {
    const { decoder } = await opened();
    const copies = await Promise.all(
      ['#f00', '#0f0', '#00f', '#fff', '#000', '#ff0', '#0ff'].map(async (colour) =>
        decoder.copy(await small(colour), { width: 8, height: 8 }),
      ),
    );
    for (let round = 0; round < 2; round += 1) {
      const seen = [];
      for (const copy of copies) seen.push(colourOf(await copy.prepare(entry)).join());
      expect(seen).toEqual(['255,0,0', '0,255,0', '0,0,255', '255,255,255', '0,0,0', '255,255,0', '0,255,255']);
    }
  });

  test('of a photo that is refused is refused', async () => {
    const { decoder } = await opened();
    const copy = decoder.copy(Buffer.from('no photo'), { width: 8, height: 8 });
    await expect(copy.prepare(entry)).rejects.toMatchObject({ name: 'Permanent', code: 'image_not_an_image' });
  });
});

describe('the decoding process', () => {
  test('ends when no photo has come for a while, and the next photo starts another', async () => {
    let rests = 0;
    const { decoder, deaths } = await opened({ idleMs: 50, onIdle: () => rests++ });
    const pid = Number(decoder.pid());
    await until(() => !isAlive(pid), { what: 'the end of the idle process' });
    expect(decoder.pid()).toBeUndefined();
    expect(rests).toBe(1);
    expect(colourOf(await decoder.prepare(await small('#f00'), entry))).toEqual([255, 0, 0]);
    expect(deaths).toEqual([]);
  });

  test('goes when the detector is killed', async () => {
    const program = fileURLToPath(new URL('hostile/open-and-wait.ts', import.meta.url));
    const parent = spawn(process.execPath, [program], { stdio: ['ignore', 'pipe', 'inherit'] });
    cleanUps.push(() => parent.kill('SIGKILL'));
    const [line] = await once(parent.stdout, 'data');
    const pid = Number(String(line));
    expect(isAlive(pid)).toBe(true);
    parent.kill('SIGKILL');
    await until(() => !isAlive(pid), { what: 'the end of the decoding process' });
  });

  test('stays when Ctrl-C or the platform’s SIGTERM reaches the whole group: work in hand is finished', async () => {
    const { decoder } = await opened();
    const photo = decoder.prepare(await slow('#f00'), entry);
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.kill(Number(decoder.pid()), signal);
    expect(colourOf(await photo)).toEqual([255, 0, 0]);
  });

  test.runIf(isLinux)(
    'has no secret in its environment, and goes before the detector where memory runs out',
    async () => {
      process.env['BACKEND_WEBHOOK_SECRET'] = 'whsec_canary';
      cleanUps.push(() => delete process.env['BACKEND_WEBHOOK_SECRET']);
      const { decoder } = await opened();
      const environment = (await readFile(`/proc/${decoder.pid()}/environ`, 'utf8')).split('\0').filter(Boolean);
      const names = environment.map((line) => line.split('=')[0]);
      const allowed = ['PATH', 'LD_LIBRARY_PATH', 'NODE_COMPILE_CACHE', 'TMPDIR'];
      const own = ['MALLOC_ARENA_MAX', 'MALLOC_MMAP_THRESHOLD_', 'MALLOC_TRIM_THRESHOLD_'];
      const nodes = ['NODE_CHANNEL_FD', 'NODE_CHANNEL_SERIALIZATION_MODE'];
      expect([...allowed, ...own, ...nodes]).toEqual(expect.arrayContaining(names));
      expect(await readFile(`/proc/${decoder.pid()}/oom_score_adj`, 'utf8')).toBe('1000\n');
    },
  );

  test('that cannot start is an error that says so', async () => {
    const program = fileURLToPath(new URL('hostile/there-is-none.ts', import.meta.url));
    await expect(openDecoder({ program })).rejects.toThrow('the decoding process cannot be started');
  });
});

async function opened(options: DecoderOptions = {}) {
  const deaths: string[] = [];
  const decoder = await openDecoder({ ...options, onDecoderDied: (how) => deaths.push(how) });
  cleanUps.push(decoder.close);
  return { decoder, deaths };
}

/** 36 megapixels of one colour, which take a PNG decoder some tenths of a second. */
function slow(background: string) {
  return sharp({ create: { width: 6_000, height: 6_000, channels: 3, background } })
    .png({ compressionLevel: 1 })
    .toBuffer();
}

/** 9 megapixels of one colour in a format that takes four bytes for each. */
function large(background: string) {
  return sharp({ create: { width: 3_000, height: 3_000, channels: 3, background } })
    .webp({ effort: 0 })
    .toBuffer();
}

function small(background: string) {
  return sharp({ create: { width: 8, height: 8, channels: 3, background } })
    .png()
    .toBuffer();
}

/** A photo with a word behind its end, where decoders do not look. */
async function marked(word: string) {
  return Buffer.concat([await small('#fff'), Buffer.from(word)]);
}

/** 400 x 200, red on the left and blue on the right. */
function halves() {
  const right = { create: { width: 200, height: 200, channels: 3 as const, background: '#00f' } };
  return sharp({ create: { width: 400, height: 200, channels: 3, background: '#f00' } })
    .composite([{ input: right, left: 200, top: 0 }])
    .png()
    .toBuffer();
}

/** Near the corner: red, green, blue. */
function colourOf({ rgb, letterbox }: PreparedPart) {
  const at = (20 * letterbox.scaledWidth + 20) * 3;
  return [...rgb.subarray(at, at + 3)];
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
