/** A process whose thread hangs at the first look, and which then ends as a service does. */
import { openEyes } from '../../src/eyes.ts';
import { modelEntry } from '../../src/model-manifest.ts';
import { emptyPicture, photo } from './empty-picture.ts';

process.on('uncaughtException', async ({ message }) => {
  process.stdout.write(`uncaught: ${message}\n`);
  for (const { status } of await Promise.allSettled(looks)) process.stdout.write(`${status}\n`);
  await close();
  process.exit(1);
});
const { first, close } = await openEyes({ entry: modelEntry('yolox-nano'), path: 'none' }, undefined, 1, {
  lookTimeoutMs: 500,
  program: new URL('hanging-thread.ts', import.meta.url),
});
const looks = [first.look(emptyPicture, photo), first.look(emptyPicture, photo)];
