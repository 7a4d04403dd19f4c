import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { loadModelManifest, modelEntry, parseModelManifest, secondEntry } from './model-manifest.ts';

type Json = Record<string, unknown>;
const shipped = () =>
  JSON.parse(readFileSync(new URL('../models.json', import.meta.url), 'utf8')) as {
    models: (Json & { files: Json[] })[];
  };
/** The shipped manifest with one thing wrong. */
function broken(change: (models: (Json & { files: Json[] })[]) => void) {
  const manifest = shipped();
  change(manifest.models);
  return () => parseModelManifest(manifest, 'models.json');
}

describe('the shipped manifest', () => {
  test('names YOLOX-nano by default and -tiny and -s for production, all under Apache-2.0, with files to download', () => {
    expect(modelEntry().name).toBe('yolox-nano');
    for (const name of ['yolox-nano', 'yolox-tiny', 'yolox-s']) {
      const entry = modelEntry(name);
      expect(entry.licence).toBe('Apache-2.0');
      expect(entry.files.length).toBeGreaterThan(0);
      expect(entry.classes).toHaveLength(80);
    }
  });

  test('gives YOLOX-nano a second model, both together within 10 MB', () => {
    const first = modelEntry();
    const second = secondEntry(first, undefined);
    expect(second?.name).toBe('deimv2-femto');
    expect(second?.licence).toBe('Apache-2.0');
    const bytes = [first, second].map((entry) => entry?.files[0]?.bytes ?? Number.NaN);
    expect(bytes.reduce((sum, one) => sum + one, 0)).toBeLessThanOrEqual(10_000_000);
  });

  test('offers no download of YOLOv5 weights, whose licence the app could not meet', () => {
    for (const entry of loadModelManifest()) if (entry.family === 'yolov5') expect(entry.files).toEqual([]);
  });

  test('pins addresses of raw files to a commit', () => {
    const raw = loadModelManifest()
      .flatMap((entry) => entry.files)
      .filter((file) => file.url.includes('raw.'));
    for (const file of raw) expect(file.url).toMatch(/\/[0-9a-f]{40}\//);
    expect(raw.length).toBeGreaterThan(0);
  });
});

test('an unknown model is answered with the names there are', () => {
  expect(() => modelEntry('yolo-nono')).toThrow(/MODEL_NAME: there is no model yolo-nono.*yolox-nano, yolox-tiny/);
});

test('the second model is the one named, none where that is said or nothing is named', () => {
  const [first, other] = [modelEntry(), modelEntry('yolox-s')];
  expect(secondEntry(first, 'none')).toBeUndefined();
  expect(secondEntry(other, undefined)).toBeUndefined();
  expect(secondEntry(other, 'deimv2-femto')?.name).toBe('deimv2-femto');
  expect(() => secondEntry(first, 'deim')).toThrow('MODEL_SECOND_NAME: there is no model deim');
});

test.each([
  ['a second model that is not there', (models) => Object.assign(models[0] ?? {}, { second: 'deim' }), 'no model deim'],
  ['a grid without strides', (models) => Object.assign(models[0] ?? {}, { strides: [] }), 'strides belong to'],
  ['a sha256 that is none', (models) => Object.assign(models[0]?.files[0] ?? {}, { sha256: 'abc' }), 'sha256'],
  [
    'an address without TLS',
    (models) => Object.assign(models[0]?.files[0] ?? {}, { url: 'http://x.org/a.onnx' }),
    'url',
  ],
  ['a file beyond the byte bound', (models) => Object.assign(models[0]?.files[0] ?? {}, { bytes: 1e10 }), 'bytes'],
  [
    'a stride that does not divide the input',
    (models) => Object.assign(models[0] ?? {}, { inputSize: 420 }),
    'strides',
  ],
  ['a name used twice', (models) => Object.assign(models[0] ?? {}, { name: 'yolox-s' }), 'listed twice'],
  ['a class set that is not there', (models) => Object.assign(models[0] ?? {}, { classes: 'coco-81' }), 'coco-81'],
  ['an unknown field', (models) => Object.assign(models[0] ?? {}, { sha: 1 }), 'sha'],
] satisfies [string, (models: (Json & { files: Json[] })[]) => void, string][])(
  '%s is refused by name',
  (_, change, named) => {
    expect(broken(change)).toThrow(named);
    expect(broken(change)).toThrow('models.json');
  },
);
