/**
 * What the whole test run needs once, before the first test: a way to run NATS and Redis (installed here if need be)
 * and the detector's model. The tests find the model in MODEL_PATH, or the reason why there is none in MODEL_MISSING.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { findWay } from '@pet-roast/sandbox/infrastructure';
import { testMachine } from './infrastructure.ts';

const modelTimeoutMs = 10 * 60_000;
const reasonCharsMax = 1_000;
const root = fileURLToPath(new URL('../../../', import.meta.url));

/** Throws, with what a person can do, when NATS or Redis cannot be run here. A missing model is the detector's matter. */
export default async function setup(): Promise<void> {
  const machine = testMachine();
  await findWay('nats', machine);
  await findWay('redis', machine);
  const model = await fetchModel();
  if ('path' in model) process.env['MODEL_PATH'] = model.path;
  else process.env['MODEL_MISSING'] = model.reason;
}

async function fetchModel(): Promise<{ path: string } | { reason: string }> {
  const child = spawn(process.execPath, ['services/detector/src/fetch-model.ts'], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: modelTimeoutMs,
  });
  let path = '';
  let reason = '';
  child.stdout.on('data', (chunk: Buffer) => {
    path += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    reason = (reason + chunk.toString()).slice(-reasonCharsMax);
    process.stderr.write(chunk); // progress, while it downloads
  });
  const [code] = await once(child, 'close');
  if (code === 0 && path.trim() !== '') return { path: path.trim() };
  return { reason: `the model could not be had (exit code ${code}): ${reason.trim()}` };
}
