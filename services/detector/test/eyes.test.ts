/** The thread that looks, when it ends unasked or hangs: nobody waits for it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { openEyes } from '../src/eyes.ts';
import { modelEntry } from '../src/model-manifest.ts';
import { emptyPicture, photo } from './hostile/empty-picture.ts';

test('a thread that ends fails the looks that it had in hand and all later ones, is told of, and holds no stop up', async () => {
  const ended = Promise.withResolvers<Error>();
  const { first, close } = await openEyes({ entry: modelEntry('yolox-nano'), path: 'none' }, undefined, 1, {
    onLost: ended.resolve,
    program: new URL('hostile/ending-thread.ts', import.meta.url),
  });
  const inHand = Promise.allSettled([first.look(emptyPicture, photo), first.look(emptyPicture, photo)]);
  const { message } = await ended.promise;
  expect(message).toBe('the thread that looks at photos has ended');
  expect((await inHand).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  await expect(first.look(emptyPicture, photo)).rejects.toThrow(message);
  await close();
});

test('a thread that hangs where nothing can end it fails its looks, and takes its process with it', async () => {
  const program = fileURLToPath(new URL('hostile/look-and-hang.ts', import.meta.url));
  // The thread hangs until this input is closed.
  const detector = spawn(process.execPath, [program], { stdio: ['pipe', 'pipe', 'inherit'] });
  try {
    const said = text(detector.stdout);
    expect(await once(detector, 'exit')).toEqual([null, 'SIGKILL']);
    detector.stdin.end();
    const hangs = 'uncaught: the thread that looks at photos has not answered for 500 ms';
    expect((await said).trim().split('\n')).toEqual([hangs, 'rejected', 'rejected']);
  } finally {
    detector.kill('SIGKILL');
    detector.stdin.destroy();
  }
});
