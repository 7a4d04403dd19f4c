/** A model that is its own second, through the real decoder, thread and model: what it is shown, look by look. */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { expect, test, vi } from 'vitest';
import { createDetector } from '../src/detect.ts';
import type { DistantEye } from '../src/eyes.ts';
import { embeddedModel } from '../src/model-manifest.ts';

const shown: { readonly mirrored: boolean; readonly part: string }[] = [];

vi.mock('../src/eyes.ts', async (original) => {
  const actual = await original<typeof import('../src/eyes.ts')>();
  const recorded = (eye: DistantEye): DistantEye => ({
    ...eye,
    look: (picture, photo, part) => {
      shown.push({
        mirrored: picture.letterbox.mirrored === true,
        part: part === undefined ? 'whole' : `${part.x},${part.y}`,
      });
      return eye.look(picture, photo, part);
    },
  });
  return {
    ...actual,
    openEyes: async (...options: Parameters<typeof actual.openEyes>) => {
      const eyes = await actual.openEyes(...options);
      return { ...eyes, first: recorded(eyes.first), second: eyes.second && recorded(eyes.second) };
    },
  };
});

test('sees the photo, the mirrored photo, and each of five parts, plain and mirrored', async () => {
  const model = embeddedModel();
  // No photo reaches that score, so that all looks are taken.
  const detector = await createDetector({ ...model, second: model, threads: 1, scoreMin: 0.9999 });
  const photo = await readFile(fileURLToPath(new URL('../../../packages/sandbox/assets/pet.jpg', import.meta.url)));
  const { width, height } = await detector.detect(photo);
  await detector.close();
  const [right, bottom] = [width - Math.ceil(width * 0.6), height - Math.ceil(height * 0.6)];
  const middle = `${Math.floor(right / 2)},${Math.floor(bottom / 2)}`;
  const parts = ['whole', '0,0', `${right},0`, `0,${bottom}`, `${right},${bottom}`, middle];
  expect(shown).toEqual(
    parts.flatMap((part) => [
      { mirrored: false, part },
      { mirrored: true, part },
    ]),
  );
});
