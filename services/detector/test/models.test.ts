import { hash } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { ModelEntry } from '../src/model-manifest.ts';
import { resolveModels } from '../src/models.ts';

// A manifest of two small files at an address where nothing listens.
const bytes = vi.hoisted(() => ({ first: Buffer.from('the first model'), second: Buffer.from('the second model') }));
vi.mock('../src/model-manifest.ts', async (original) => {
  const real = await original<typeof import('../src/model-manifest.ts')>();
  const entries = real.loadModelManifest().map((entry): ModelEntry => {
    const content = { 'yolox-nano': bytes.first, 'deimv2-femto': bytes.second }[entry.name];
    if (content === undefined) return entry;
    const sha256 = hash('sha256', content);
    const url = `http://127.0.0.1:1/${entry.name}.onnx`;
    return { ...entry, files: [{ url, bytes: content.length, sha256, provenance: 'made for this test' }] };
  });
  return {
    ...real,
    modelEntry: (name?: string) => real.modelEntry(name, entries),
    secondEntry: (first: ModelEntry, name?: string) => real.secondEntry(first, name, entries),
  };
});

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pet-roast-models-'));
  await mkdir(join(folder, 'models'));
  await writeFile(join(folder, 'models', 'yolox_nano.onnx'), bytes.first);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const settings = (more: Record<string, string> = {}) => ({ MODEL_CACHE_DIR: join(folder, 'cache'), ...more });
const put = (name: string, content: Buffer) => writeFile(join(folder, 'models', name), content);
const at = (name: string) => join(folder, 'models', name);

test('both come from a mirror that has both', async () => {
  await put('deimv2_femto.onnx', bytes.second);
  const models = await resolveModels(settings({ MODEL_MIRROR: join(folder, 'models') }));
  expect(models).toMatchObject({ path: at('yolox_nano.onnx'), second: { path: at('deimv2_femto.onnx') } });
  expect(models.secondMissing).toBeUndefined();
});

test('MODEL_PATH alone is enough: the second is found beside it', async () => {
  await put('deimv2_femto.onnx', bytes.second);
  const models = await resolveModels(settings({ MODEL_PATH: at('yolox_nano.onnx') }));
  expect(models).toMatchObject({ source: 'path', second: { path: at('deimv2_femto.onnx'), source: 'mirror' } });
});

test('without the second the first is given, with the reason, and nothing is downloaded beside a MODEL_PATH', async () => {
  const models = await resolveModels(settings({ MODEL_PATH: at('yolox_nano.onnx') }));
  expect(models.path).toBe(at('yolox_nano.onnx'));
  expect(models.second).toBeUndefined();
  expect(models.secondMissing).toContain('yolox-nano looks alone, without deimv2-femto');
  expect(models.secondMissing).not.toContain('download');
});

test('MODEL_SECOND_PATH names its file; a wrong one is a mistake, by its own name', async () => {
  await put('other.onnx', bytes.second);
  const named = settings({ MODEL_PATH: at('yolox_nano.onnx'), MODEL_SECOND_PATH: at('other.onnx') });
  expect(await resolveModels(named)).toMatchObject({ second: { path: at('other.onnx'), source: 'path' } });
  await put('other.onnx', bytes.first);
  await expect(resolveModels(named)).rejects.toThrow(/^MODEL_SECOND_PATH: .*cannot be used as deimv2-femto/);
});

test('MODEL_SECOND_NAME=none switches the further looks off, silently', async () => {
  await put('deimv2_femto.onnx', bytes.second);
  const models = await resolveModels(settings({ MODEL_PATH: at('yolox_nano.onnx'), MODEL_SECOND_NAME: 'none' }));
  expect([models.second, models.secondMissing]).toEqual([undefined, undefined]);
});

test('a model that names no second looks alone', async () => {
  await put('own.onnx', bytes.first);
  const models = await resolveModels(settings({ MODEL_NAME: 'yolov5-custom', MODEL_PATH: at('own.onnx') }));
  expect([models.second, models.secondMissing]).toEqual([undefined, undefined]);
});

test('the search for the second has a deadline of its own', async () => {
  const models = await resolveModels(settings({ MODEL_MIRROR: join(folder, 'models') }), { secondTimeoutMs: 0 });
  expect(models.path).toBe(at('yolox_nano.onnx'));
  expect(models.secondMissing).toContain('deimv2-femto');
});
