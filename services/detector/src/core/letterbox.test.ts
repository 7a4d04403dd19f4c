import { describe, expect, test } from 'vitest';
import { packTensor, planLetterbox, toPhoto } from './letterbox.ts';

const yolox = { layout: 'top-left', channels: 'bgr', divisor: 1, padding: 114 } as const;
const yolov5 = { layout: 'centred', channels: 'rgb', divisor: 255, padding: 114 } as const;

describe('planLetterbox', () => {
  test('a wide photo fills the width and is rounded, not floored, in height', () => {
    expect(planLetterbox(640, 427, 416, 'top-left')).toMatchObject({ scaledWidth: 416, scaledHeight: 278, offsetY: 0 });
    expect(planLetterbox(640, 425, 416, 'top-left').scaledHeight).toBe(276); // 276.25
  });

  test('the centred layout splits the padding, the odd pixel below', () => {
    expect(planLetterbox(640, 479, 640, 'centred')).toMatchObject({ offsetX: 0, offsetY: 80, scaledHeight: 479 });
  });

  test('a photo of one pixel row keeps a pixel row', () => {
    expect(planLetterbox(5_000, 1, 416, 'top-left')).toMatchObject({ scaledWidth: 416, scaledHeight: 1 });
  });

  test('a small photo is enlarged', () => {
    expect(planLetterbox(10, 5, 416, 'top-left')).toMatchObject({ scaledWidth: 416, scaledHeight: 208 });
  });
});

describe('packTensor', () => {
  const pixels = Uint8Array.from([10, 20, 30, 40, 50, 60]); // two RGB pixels side by side

  test('YOLOX gets blue, green, red planes of 0..255 at the top left, padded with 114', () => {
    const tensor = packTensor(pixels, planLetterbox(2, 1, 2, 'top-left'), yolox);
    expect([...tensor]).toEqual([30, 60, 114, 114, 20, 50, 114, 114, 10, 40, 114, 114]);
  });

  test('YOLOv5 gets red, green, blue planes of 0..1 in the middle, padded with 114/255', () => {
    const four = Uint8Array.from([...pixels, ...pixels]); // 4 x 1
    const tensor = packTensor(four, planLetterbox(4, 1, 4, 'centred'), yolov5);
    const pad = Math.fround(114 / 255);
    const red = [10, 40, 10, 40].map((value) => Math.fround(value / 255));
    expect([...tensor.subarray(0, 12)]).toEqual([pad, pad, pad, pad, ...red, pad, pad, pad, pad]);
    expect(tensor[2 * 16 + 4]).toBe(Math.fround(30 / 255));
  });

  test('a mirrored photo is put where it would be otherwise, left and right exchanged', () => {
    const tensor = packTensor(pixels, { ...planLetterbox(2, 1, 2, 'top-left'), mirrored: true }, yolox);
    expect([...tensor]).toEqual([60, 30, 114, 114, 50, 20, 114, 114, 40, 10, 114, 114]);
    const four = Uint8Array.from([...pixels, ...pixels]); // 2 x 2
    expect(
      packTensor(
        four,
        { ...planLetterbox(2, 2, 4, 'top-left'), scaledWidth: 2, scaledHeight: 2, offsetX: 1, mirrored: true },
        yolox,
      ).subarray(0, 8),
    ).toEqual(Float32Array.of(114, 60, 30, 114, 114, 60, 30, 114));
  });

  test('nothing is left of what the tensor held before', () => {
    const letterbox = planLetterbox(2, 1, 2, 'top-left');
    const used = new Float32Array(12).fill(7);
    expect(packTensor(pixels, letterbox, yolox, used)).toBe(used);
    expect(used).toEqual(packTensor(pixels, letterbox, yolox));
  });

  test('pixels of another size are refused', () => {
    expect(() => packTensor(pixels, planLetterbox(3, 1, 3, 'top-left'), yolox)).toThrow('6 bytes are not 3 x 1');
  });
});

test('a box of a mirrored photo lies where the animal is in the photo', () => {
  const letterbox = { ...planLetterbox(200, 400, 416, 'centred'), mirrored: true };
  expect(letterbox).toMatchObject({ scaledWidth: 208, offsetX: 104 });
  // Its left edge is 20 input pixels from the mirrored photo's left edge, and so in the photo from the right one.
  const { x, width } = toPhoto({ cx: 104 + 20 + 13, cy: 100, width: 26, height: 10 }, letterbox);
  expect(width).toBeCloseTo(25, 6);
  expect(200 - (x + width)).toBeCloseTo(20 / 1.04, 6);
});

test('a box goes back to the place in the photo that it came from, in both layouts', () => {
  for (const layout of ['top-left', 'centred'] as const) {
    const letterbox = planLetterbox(1_000, 333, 416, layout);
    const { scaledWidth, scaledHeight, offsetX, offsetY } = letterbox;
    const whole = {
      cx: offsetX + scaledWidth / 2,
      cy: offsetY + scaledHeight / 2,
      width: scaledWidth,
      height: scaledHeight,
    };
    const box = toPhoto(whole, letterbox);
    expect(box.x).toBeCloseTo(0, 6);
    expect(box.y).toBeCloseTo(0, 6);
    expect(box.width).toBeCloseTo(1_000, 6);
    expect(box.height).toBeCloseTo(333, 6);
  }
});
