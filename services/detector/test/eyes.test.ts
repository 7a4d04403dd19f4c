/** The thread that looks, when it ends unasked: nobody waits for it. */
import { expect, test } from 'vitest';
import { planLetterbox } from '../src/core/letterbox.ts';
import { openEyes } from '../src/eyes.ts';
import { modelEntry } from '../src/model-manifest.ts';

test('a thread that ends fails the looks that it had in hand and all later ones, is told of, and holds no stop up', async () => {
  const ended = Promise.withResolvers<Error>();
  const { first, close } = await openEyes({ entry: modelEntry('yolox-nano'), path: 'none' }, undefined, 1, {
    onEnded: ended.resolve,
    program: new URL('hostile/ending-thread.ts', import.meta.url),
  });
  const side = 416;
  const photo = { width: side, height: side };
  const picture = { rgb: new Uint8Array(3 * side * side), letterbox: planLetterbox(side, side, side, 'top-left') };
  const inHand = Promise.allSettled([first.look(picture, photo), first.look(picture, photo)]);
  const { message } = await ended.promise;
  expect(message).toBe('the thread that looks at photos has ended');
  expect((await inHand).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  await expect(first.look(picture, photo)).rejects.toThrow(message);
  await close();
});
