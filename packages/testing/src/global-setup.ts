/**
 * What the whole test run needs once, before the first test: a way to run NATS and Redis (installed here if need be)
 * and the detector's model, which the tests find in MODEL_PATH.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { findWay } from '@pet-roast/sandbox/infrastructure';
import { testMachine } from './infrastructure.ts';

const modelTimeoutMs = 10 * 60_000;
const reasonCharsMax = 1_000;
const root = fileURLToPath(new URL('../../../', import.meta.url));

/** Throws, with what a person can do, when NATS or Redis cannot be run here, or the model that MODEL_NAME names cannot be had. */
export default async function setup(): Promise<void> {
  const machine = testMachine();
  await findWay('nats', machine);
  await findWay('redis', machine);
  process.env['MODEL_PATH'] = await fetchModel();
}

async function fetchModel(): Promise<string> {
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
  if (code === 0 && path.trim() !== '') return path.trim();
  throw new Error(`the model could not be had (exit code ${code}): ${reason.trim()}`);
}
