/** The model that ships with the detector: taken where nothing else can be had, and the same numbers as where it was trained. */
import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { fixedInput } from '../../../tools/train-detector/fixed-input.ts';
import { openOnnxModel } from '../src/adapters/onnx-model.ts';
import { createDetector } from '../src/detect.ts';
import { ModelUnavailable } from '../src/model-file.ts';
import { embeddedModel } from '../src/model-manifest.ts';
import { resolveModels } from '../src/models.ts';

const demoPhoto = fileURLToPath(new URL('../../../packages/sandbox/assets/pet.jpg', import.meta.url));
const photosFolder = process.env['PET_PHOTOS'] ?? '';
/** Sums in another order; box numbers reach about 10. */
const toleranceAbsolute = 1e-4;

let cacheDir: string;
beforeAll(async () => {
  cacheDir = await mkdtemp(join(tmpdir(), 'pet-roast-embedded-'));
  // No address gives anything, wherever this runs.
  vi.stubEnv('HTTPS_PROXY', 'http://127.0.0.1:1');
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await rm(cacheDir, { recursive: true, force: true });
});

test('where nothing else can be had it judges, says so, and recognises the demo’s photo', async () => {
  const models = await resolveModels({ MODEL_CACHE_DIR: cacheDir });
  expect(models).toMatchObject({ entry: { name: 'pet-nano' }, source: 'embedded' });
  expect(models.embeddedBecause).toContain('The detection model yolox-nano cannot be had.');
  const detector = await createDetector(models);
  const { pets, model } = await detector.detect(await readFile(demoPhoto));
  await detector.close();
  expect(pets[0]).toMatchObject({ label: 'cat' });
  expect(model).toBe('pet-nano');
});

test('its path, handed on as MODEL_PATH, means it', async () => {
  const models = await resolveModels({ MODEL_CACHE_DIR: cacheDir, MODEL_PATH: embeddedModel().path });
  expect(models).toMatchObject({ entry: { name: 'pet-nano' }, source: 'path' });
  expect(models.embeddedBecause).toBeUndefined();
});

test('it is had by its name, and never in the place of a model that was named', async () => {
  expect(await resolveModels({ MODEL_NAME: 'pet-nano' })).toMatchObject({ source: 'embedded', failedBefore: [] });
  const named = resolveModels({ MODEL_NAME: 'yolox-nano', MODEL_CACHE_DIR: cacheDir });
  await expect(named).rejects.toThrow(ModelUnavailable);
});

test.skipIf(photosFolder === '')(
  'on the labelled photos it finds 18 of 20 pets, and accepts none of 32 without one',
  async () => {
    const detector = await createDetector(await resolveModels({ MODEL_NAME: 'pet-nano' }));
    const accepted = { true: 0, false: 0 };
    const [, ...lines] = (await readFile(join(photosFolder, 'labels.csv'), 'utf8')).trim().split('\n');
    for (const line of lines) {
      const [file = '', expectedPet] = line.split(',');
      const { pets, model } = await detector.detect(await readFile(join(photosFolder, file)));
      expect(model).toBe('pet-nano');
      if (pets.length > 0) accepted[expectedPet === 'true' ? 'true' : 'false']++;
    }
    await detector.close();
    expect(accepted).toEqual({ true: 18, false: 0 });
  },
);

test('onnxruntime computes what torch computed, on fixed inputs', async () => {
  const { entry, path } = embeddedModel();
  type Fixture = { rows: number[]; cases: { multiplier: number; output: number[][] }[] };
  const fixture = JSON.parse(readFileSync(new URL('pet-nano.fixture.json', import.meta.url), 'utf8')) as Fixture;
  expect(fixture.cases).toHaveLength(4);
  const model = await openOnnxModel({ path, entry, threads: 1 });
  for (const { multiplier, output } of fixture.cases) {
    const computed = await model.infer(fixedInput(entry.inputSize, multiplier));
    const columns = 5 + entry.classes.length;
    for (const [k, row] of fixture.rows.entries()) {
      const found = [...computed.subarray(row * columns, (row + 1) * columns)];
      const largest = Math.max(...found.map((value, i) => Math.abs(value - (output[k]?.[i] ?? Number.NaN))));
      expect(largest).toBeLessThanOrEqual(toleranceAbsolute);
    }
  }
  await model.close();
});
