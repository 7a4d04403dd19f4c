import { describe, expect, test } from 'vitest';
import { modelEntry } from '../model-manifest.ts';
import {
  decodeDeimv2,
  decodeYolov5,
  decodeYolox,
  outputColumns,
  outputRows,
  petLabels,
  toyLabel,
} from './decode-boxes.ts';
import { planLetterbox } from './letterbox.ts';

const nano = modelEntry('yolox-nano');
const yolov5 = modelEntry('yolov5-custom');
const [dog, person] = [16, 0];

/** An output tensor of zeros but for the given rows: four numbers, objectness, and one class's score. */
function outputOf(
  entry: typeof nano,
  rows: Record<number, { values: number[]; objectness: number; scores: Record<number, number> }>,
) {
  const columns = 5 + entry.classes.length;
  const output = new Float32Array(outputRows(entry) * columns);
  for (const [row, { values, objectness, scores }] of Object.entries(rows)) {
    output.set([...values, objectness], Number(row) * columns);
    for (const [index, score] of Object.entries(scores)) output[Number(row) * columns + 5 + Number(index)] = score;
  }
  return output;
}

test('the outputs have the published sizes', () => {
  const size = (entry: typeof nano) => [
    outputRows(entry),
    ...entry.outputs.map((output) => outputColumns(output, entry)),
  ];
  expect(size(nano)).toEqual([3_549, 85]);
  expect(size(modelEntry('yolox-s'))).toEqual([8_400, 85]);
  expect(size(yolov5)).toEqual([25_200, 85]);
  expect(size(modelEntry('deimv2-femto'))).toEqual([300, 4, 1, 1]);
});

test('the ten animals are COCO classes 14 to 23, and no other', () => {
  expect(nano.classes.slice(14, 24)).toEqual([...petLabels]);
});

describe('decodeYolox', () => {
  const photo = planLetterbox(832, 624, 416, 'top-left'); // every input pixel is two of the photo

  test('a row of the first scale is decoded from its cell of 8 pixels', () => {
    // Row 52 * 10 + 20: gx 20, gy 10. Centre (20.5*8, 10.25*8), size exp(0)*8 by exp(ln 4)*8.
    const row = { values: [0.5, 0.25, 0, Math.log(4)], objectness: 0.8, scores: { [dog]: 0.5 } };
    const [box, ...rest] = decodeYolox(outputOf(nano, { 540: row }), nano, photo, 0.01);
    expect(rest).toEqual([]);
    expect(box).toMatchObject({ label: 'dog' });
    expect(box?.score).toBeCloseTo(0.4, 6);
    expect(box?.x).toBeCloseTo((164 - 4) * 2, 4);
    expect(box?.y).toBeCloseTo((82 - 16) * 2, 4);
    expect(box?.width).toBeCloseTo(16, 4);
    expect(box?.height).toBeCloseTo(64, 4);
  });

  test('the last row belongs to the last cell of the scale of 32 pixels', () => {
    const row = { values: [0, 0, 0, 0], objectness: 1, scores: { 22: 0.9 } };
    const [box] = decodeYolox(outputOf(nano, { 3548: row }), nano, photo, 0.01);
    expect(box).toMatchObject({ label: 'zebra', x: (12 * 32 - 16) * 2, y: (12 * 32 - 16) * 2, width: 64, height: 64 });
  });

  test('what is no animal is ignored, also when an animal comes second in the same row', () => {
    const rows = {
      7: { values: [0, 0, 0, 0], objectness: 1, scores: { [person]: 0.99 } },
      8: { values: [0, 0, 0, 0], objectness: 1, scores: { [person]: 0.99, [dog]: 0.2 } },
    };
    const boxes = decodeYolox(outputOf(nano, rows), nano, photo, 0.01);
    expect(boxes.map(({ label, score }) => [label, Math.fround(score)])).toEqual([['dog', Math.fround(0.2)]]);
  });

  test('scores below the floor, NaN and endless boxes are dropped', () => {
    const rows = {
      1: { values: [0, 0, 0, 0], objectness: 0.5, scores: { [dog]: 0.5 } },
      2: { values: [0, 0, 0, 0], objectness: Number.NaN, scores: { [dog]: 1 } },
      3: { values: [0, 0, 0, 0], objectness: 1, scores: { [dog]: Number.NaN } },
      4: { values: [0, 0, 1_000, 0], objectness: 1, scores: { [dog]: 1 } },
    };
    expect(decodeYolox(outputOf(nano, rows), nano, photo, 0.3)).toEqual([]);
  });

  test('a tensor of another model is refused', () => {
    expect(() => decodeYolox(new Float32Array(8_400 * 85), nano, photo, 0.1)).toThrow('instead of 3549 rows of 85');
  });
});

describe('decodeYolov5', () => {
  test('centre and size are input pixels; the centred padding is taken off and the scale undone', () => {
    const photo = planLetterbox(1_280, 640, 640, 'centred'); // scaled to 640 x 320, 160 above and below
    const rows = {
      0: { values: [100, 200, 40, 20], objectness: 0.9, scores: { 15: 0.5, [dog]: 0.9 } },
      25199: { values: [320, 320, 640, 320], objectness: 1, scores: { [person]: 1, 23: 0.6 } },
      30: { values: [1, 1, 1, 1], objectness: 1, scores: { [person]: 1 } },
    };
    const [first, last, ...rest] = decodeYolov5(outputOf(yolov5, rows), yolov5, photo, 0.25);
    expect(rest).toEqual([]);
    expect(first).toMatchObject({ label: 'dog', x: 160, y: 60, width: 80, height: 40 });
    expect(first?.score).toBeCloseTo(0.81, 6);
    expect(last).toMatchObject({ label: 'giraffe', x: 0, y: 0, width: 1_280, height: 640 });
  });

  test('a tensor of another model is refused', () => {
    const photo = planLetterbox(640, 640, 640, 'centred');
    expect(() => decodeYolov5(new Float32Array(85), yolov5, photo, 0.1)).toThrow('instead of 25200 rows of 85');
  });
});

describe('decodeDeimv2', () => {
  const femto = modelEntry('deimv2-femto');
  const photo = planLetterbox(832, 208, 416, 'stretched'); // an input pixel is two of the photo across, half of one down

  /** 300 rows of `x1, y1, x2, y2, score, class`, the given ones first. */
  function rowsOf(...rows: readonly (readonly number[])[]) {
    const output = new Float32Array(300 * 6);
    for (const [index, row] of rows.entries()) output.set(row, index * 6);
    return output;
  }

  test('corners in input pixels become a box of the photo, each axis by its own scale', () => {
    const [box, ...rest] = decodeDeimv2(rowsOf([10, 20, 30, 100, 0.75, dog]), femto, photo, 0.01);
    expect(rest).toEqual([]);
    expect(box).toEqual({ label: 'dog', score: 0.75, x: 20, y: 10, width: 40, height: 40 });
  });

  test('people, noise and what is no number are left out; a toy is found when it is asked for', () => {
    const output = rowsOf(
      [0, 0, 9, 9, 0.9, person],
      [0, 0, 9, 9, 0.005, dog],
      [0, 0, Number.NaN, 9, 0.9, dog],
      [0, 0, 9, 9, 0.5, 77],
    );
    expect(decodeDeimv2(output, femto, photo, 0.01)).toEqual([]);
    expect(decodeDeimv2(output, femto, photo, 0.01, [toyLabel])).toMatchObject([{ label: 'teddy bear', score: 0.5 }]);
  });

  test('an output of another size is an error that says both', () => {
    expect(() => decodeDeimv2(new Float32Array(12), femto, photo, 0.01)).toThrow(
      'gave 12 numbers instead of 300 rows of 6',
    );
  });
});
