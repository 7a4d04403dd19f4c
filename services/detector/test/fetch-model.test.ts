import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';

const script = fileURLToPath(new URL('../src/fetch-model.ts', import.meta.url));

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pet-roast-fetch-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test('prints the path of a model that is there, and nothing else, on stdout', async () => {
  const path = join(folder, 'own.onnx');
  await writeFile(path, 'an own model');
  expect(await run({ MODEL_NAME: 'yolov5-custom', MODEL_PATH: path })).toEqual({
    code: 0,
    stdout: `${path}\n`,
    stderr: '',
  });
});

test('exits 3 with the reason when no model can be had', async () => {
  const { code, stdout, stderr } = await run({ MODEL_NAME: 'yolov5-custom' });
  expect([code, stdout]).toEqual([3, '']);
  expect(stderr).toContain('The detection model yolov5-custom cannot be had.');
  expect(stderr).toContain('Set MODEL_PATH to your file.');
});

test('exits 1 on a wrong setting, with the variable’s name', async () => {
  const unknown = await run({ MODEL_NAME: 'yolo-nono' });
  expect(unknown).toMatchObject({
    code: 1,
    stdout: '',
    stderr: expect.stringContaining('MODEL_NAME: there is no model yolo-nono'),
  });
  const missing = await run({ MODEL_PATH: join(folder, 'missing.onnx') });
  expect(missing).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('MODEL_PATH:') });
});

test('without the second model there is still a first, and stderr says what is missing', async () => {
  const path = join(folder, 'own.onnx');
  await writeFile(path, 'an own model');
  const { code, stdout, stderr } = await run({
    MODEL_NAME: 'yolov5-custom',
    MODEL_PATH: path,
    MODEL_SECOND_NAME: 'deimv2-femto',
  });
  expect([code, stdout]).toEqual([0, `${path}\n`]);
  expect(stderr).toContain('yolov5-custom looks alone, without deimv2-femto');
});

test('shows no password of a mirror that gives nothing', async () => {
  // So that the official address gives nothing either, wherever this runs.
  const HTTPS_PROXY = 'http://127.0.0.1:1';
  const { code, stderr } = await run({
    MODEL_NAME: 'yolox-nano',
    MODEL_MIRROR: 'http://me:a-password@127.0.0.1:1/',
    HTTPS_PROXY,
  });
  expect(code).toBe(3);
  expect(stderr).toContain('http://***@127.0.0.1:1/');
  expect(stderr).not.toContain('a-password');
});

async function run(env: Record<string, string>) {
  const child = spawn(process.execPath, [script], {
    env: { PATH: process.env['PATH'], MODEL_CACHE_DIR: join(folder, 'cache'), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 30_000,
  });
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return { code: code as unknown, stdout, stderr };
}
