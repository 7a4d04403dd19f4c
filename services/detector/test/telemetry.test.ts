import { execFile } from 'node:child_process';
import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

/** Where its identifier cannot be kept, the library's telemetry says so when it starts. */
const nowhere = { HOME: '/proc', XDG_CACHE_HOME: '/proc' };
const program = (first: string) => `
${first}
const { InferenceSession } = await import('${import.meta.resolve('onnxruntime-node')}');
const { tinyOnnx } = await import('${new URL('./tiny-onnx.ts', import.meta.url)}');
const tensor = (name) => ({ name, type: 'float32', shape: [1, 2] });
await InferenceSession.create(tinyOnnx(tensor('in'), tensor('out'))).catch((error) => console.log(error.message));
`;

async function loads(first: string): Promise<string> {
  // What it would send it keeps in its working folder until then.
  await using folder = await mkdtempDisposable(join(tmpdir(), 'telemetry-'));
  const { stderr } = await promisify(execFile)(
    process.execPath,
    ['--input-type=module-typescript', '-e', program(first)],
    {
      cwd: folder.path,
      // Nothing else: the library also keeps silent where a variable says that this is a CI run.
      env: nowhere,
      timeout: 20_000,
    },
  );
  return stderr;
}

it('the inference library sends nobody any usage data', async () => {
  // The service loads it in a thread, whose own variables the library does not see: both files see to it.
  for (const file of ['../src/adapters/onnx-model.ts', '../src/eyes.ts']) {
    expect(await loads(`await import('${new URL(file, import.meta.url)}');`), file).not.toMatch(/telemetry/i);
  }
  // It would, left to itself: if this no longer holds, the variable may no longer be the right one.
  if (process.platform === 'linux') expect(await loads('')).toMatch(/telemetry/i);
});
