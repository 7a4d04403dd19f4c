import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openOnnxModel } from '../src/adapters/onnx-model.ts';
import { planLetterbox } from '../src/core/letterbox.ts';
import { createDetector } from '../src/detect.ts';
import { openEye } from '../src/eye.ts';
import { type ModelEntry, modelEntry } from '../src/model-manifest.ts';
import { type TinyTensor, tinyOnnx, tinyOnnxOf } from './tiny-onnx.ts';

// A YOLOv5 export in small: 32 pixels, 3 anchors for each of 16 + 4 + 1 cells.
const entry: ModelEntry = { ...modelEntry('yolov5-custom'), name: 'tiny', inputSize: 32 };
const [rows, columns] = [63, 85];
const input: TinyTensor = { name: 'images', shape: [1, 3, 32, 32] };
const output: TinyTensor = { name: 'output0', shape: [1, rows, columns] };

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pet-roast-detect-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('a YOLOv5 export, from the photo’s bytes to the pets', () => {
  test('is detected in the photo’s own pixels: EXIF applied, padding off, scale undone, overlaps merged, people ignored', async () => {
    // The photo is stored 64 x 128 and shown 128 x 64: scaled by 1/4 to 32 x 16, with 8 rows of padding above.
    const path = await modelFile([
      [0, [16, 16, 8, 4], 0.9, { 16: 0.9 }],
      [5, [16.2, 16, 8, 4], 0.9, { 16: 0.8 }],
      [9, [4, 10, 8, 8], 0.8, { 15: 0.5 }],
      [62, [16, 16, 30, 14], 1, { 0: 1 }],
    ]);
    await using detector = await opened(path);
    const photo = sharp({ create: { width: 64, height: 128, channels: 3, background: '#888' } });
    const found = await detector.detect(await photo.withMetadata({ orientation: 6 }).jpeg().toBuffer());
    expect(found).toEqual({
      pets: [
        { label: 'dog', score: 0.81, box: { x: 48, y: 24, width: 32, height: 16 } },
        { label: 'cat', score: 0.4, box: { x: 0, y: 0, width: 32, height: 24 } },
      ],
      best_score: 0.81,
      model: 'tiny',
      width: 128,
      height: 64,
      looks: 1,
      decode_ms: expect.any(Number),
      inference_ms: expect.any(Number),
    });
    expect(detector.model).toBe('tiny');
  });

  test('no animal is an empty list with the best score, a photo that is none is an error', async () => {
    await using detector = await opened(await modelFile([[0, [16, 16, 8, 4], 0.5, { 16: 0.5, 0: 1 }]]));
    const photo = await sharp({ create: { width: 64, height: 64, channels: 3, background: '#888' } })
      .png()
      .toBuffer();
    expect(await detector.detect(photo)).toMatchObject({ pets: [], best_score: 0.25 });
    await expect(detector.detect(Buffer.from('no photo'))).rejects.toMatchObject({ code: 'image_not_an_image' });
    await expect(detector.detect(Buffer.alloc(30_000_000))).rejects.toMatchObject({ code: 'image_too_large' });
  });
});

describe('two models', () => {
  // The first sees a cat at 0.2; the second, a DEIMv2 in small of two rows, one at 0.45 in the same place, and a person.
  const femto: ModelEntry = { ...modelEntry('deimv2-femto'), name: 'tiny-two', inputSize: 32, rows: 2 };
  const second = async (score: number) => ({
    entry: femto,
    path: await fileOf(
      tinyOnnxOf(
        [input, { name: 'orig_target_sizes', shape: ['n', 2], type: 'int64' }],
        [
          [{ name: 'boxes', shape: [1, 2, 4] }, Float32Array.of(0, 0, 4, 4, 8, 8, 24, 24)],
          [{ name: 'scores', shape: [1, 2] }, Float32Array.of(0.9, score)],
          [{ name: 'labels', shape: [1, 2], type: 'int64' }, BigInt64Array.of(0n, 15n)],
        ],
      ),
    ),
  });
  const photo = () =>
    sharp({ create: { width: 64, height: 64, channels: 3, background: '#888' } })
      .png()
      .toBuffer();

  test('the second is asked where the first is unsure, and the answer says that both judged', async () => {
    const path = await modelFile([[0, [16, 16, 16, 16], 0.5, { 15: 0.4 }]]);
    const detector = await createDetector({ entry, path, second: await second(0.45), threads: 1 });
    const found = await detector.detect(await photo());
    await detector.close();
    // A third of 0.2 and two thirds of 0.45; then one more look by both for the name.
    expect(found).toMatchObject({
      pets: [{ label: 'cat', score: 0.3667, box: { x: 16, y: 16, width: 32, height: 32 } }],
      model: 'tiny+tiny-two',
      looks: 4,
    });
  });

  test('what a part shows is placed in the photo, and cut at its edge', async () => {
    const path = await modelFile([[0, [28, 28, 12, 8], 0.9, { 16: 0.5 }]]);
    const eye = await openEye({ entry, path }, 1);
    const part = { x: 320, y: 160, width: 320, height: 320 };
    const picture = {
      rgb: new Uint8Array(3 * 32 * 32),
      letterbox: planLetterbox(part.width, part.height, entry.inputSize, entry.preprocess.layout),
    };
    const { boxes } = await eye.look(picture, { width: 640, height: 480 }, part);
    await eye.close();
    expect(boxes).toMatchObject([{ label: 'dog', x: 540, y: 400, width: 100, height: 80 }]);
  });

  test('the second is not asked where the first is sure', async () => {
    const path = await modelFile([[0, [16, 16, 16, 16], 0.9, { 15: 0.9 }]]);
    const detector = await createDetector({ entry, path, second: await second(0), threads: 1 });
    expect(await detector.detect(await photo())).toMatchObject({ model: 'tiny', looks: 1, pets: [{ label: 'cat' }] });
    await detector.close();
  });

  test('what a mirrored picture shows lies where it is in the photo', async () => {
    // On the right of what the model sees, from 20 to 28 of 32 pixels; the photo is twice as large.
    const path = await modelFile([[0, [24, 16, 8, 16], 0.9, { 16: 0.5 }]]);
    const eye = await openEye({ entry, path }, 1);
    const size = { width: 64, height: 64 };
    const letterbox = { ...planLetterbox(64, 64, entry.inputSize, entry.preprocess.layout), mirrored: true };
    const { boxes } = await eye.look({ rgb: new Uint8Array(3 * 32 * 32), letterbox }, size);
    await eye.close();
    expect(boxes).toMatchObject([{ label: 'dog', x: 8, y: 16, width: 16, height: 32 }]);
  });

  test('a second model that does not fit its entry is refused with its own file’s name', async () => {
    const path = await modelFile([]);
    const open = createDetector({ entry, path, second: { entry: femto, path }, threads: 1 });
    await expect(open).rejects.toThrow(`${path} does not fit the manifest's tiny-two (deimv2)`);
  });
});

describe('a file that does not fit the manifest', () => {
  const answer = { values: new Float32Array(rows * columns), shape: [1, rows, columns] };

  test.each<[string, Buffer, string]>([
    [
      'another input size',
      tinyOnnx({ ...input, shape: [1, 3, 64, 64] }, output, answer),
      'expected the input images float32 [1,3,32,32], found images float32 [1,3,64,64]',
    ],
    [
      'another input name',
      tinyOnnx({ ...input, name: 'data' }, output, answer),
      'expected the input images float32 [1,3,32,32], found data float32',
    ],
    [
      'another number of classes',
      tinyOnnx(
        input,
        { ...output, shape: [1, rows, 25] },
        { values: new Float32Array(rows * 25), shape: [1, rows, 25] },
      ),
      'expected the output output0 or output float32 [1,63,85], found output0 float32 [1,63,25]',
    ],
    [
      'an output whose size shows only when it runs',
      tinyOnnx({ ...input, shape: ['a', 'b', 'c', 'd'] }, { ...output, shape: ['a', 'b', 'c'] }),
      'float32 [1,63,85], found 3072 numbers',
    ],
    ['bytes that are no ONNX', Buffer.from('<html>sign in</html>'), 'is not an ONNX model that can be loaded as tiny'],
  ])('%s: it is refused, with the file and what was expected', async (_, bytes, message) => {
    const path = await fileOf(bytes);
    const open = openOnnxModel({ path, entry, threads: 1 });
    await expect(open).rejects.toThrow(message);
    await expect(open).rejects.toThrow(path);
  });

  test('symbolic dimensions fit, as dynamic exports have them', async () => {
    const dynamic = tinyOnnx(
      { ...input, shape: ['batch', 3, 'height', 'width'] },
      { ...output, name: 'output' },
      answer,
    );
    const model = await openOnnxModel({ path: await fileOf(dynamic), entry, threads: 1 });
    expect(await model.infer(new Float32Array(3 * 32 * 32))).toHaveLength(rows * columns);
    await model.close();
  });
});

type Row = readonly [row: number, box: readonly number[], objectness: number, scores: Record<number, number>];

async function modelFile(found: readonly Row[]) {
  const answer = new Float32Array(rows * columns);
  for (const [row, box, objectness, scores] of found) {
    answer.set([...box, objectness], row * columns);
    for (const [index, score] of Object.entries(scores)) answer[row * columns + 5 + Number(index)] = score;
  }
  return await fileOf(tinyOnnx(input, output, { values: answer, shape: [1, rows, columns] }));
}

async function fileOf(bytes: Uint8Array) {
  const path = join(folder, `${crypto.randomUUID()}.onnx`);
  await writeFile(path, bytes);
  return path;
}

async function opened(path: string) {
  const detector = await createDetector({ entry, path, threads: 1 });
  return { ...detector, [Symbol.asyncDispose]: detector.close };
}
