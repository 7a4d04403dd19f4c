import { expect, test } from 'vitest';
import { iou, shareOfSmaller, suppress } from './suppress.ts';

const box = (label: string, score: number, x: number, width = 100) => ({ label, score, x, y: 0, width, height: 100 });

test('of boxes on the same animal the best stays, best first', () => {
  const boxes = [box('dog', 0.5, 10), box('dog', 0.9, 0), box('dog', 0.7, 500)];
  expect(suppress(boxes)).toEqual([box('dog', 0.9, 0), box('dog', 0.7, 500)]);
});

test('two animals of different kinds in the same place both stay', () => {
  expect(suppress([box('giraffe', 0.9, 0), box('zebra', 0.4, 0)])).toHaveLength(2);
});

test('the bound is on intersection over union', () => {
  const boxes = [box('cat', 0.9, 0), box('cat', 0.8, 50)]; // a third
  expect(iou(box('cat', 1, 0), box('cat', 1, 50))).toBeCloseTo(1 / 3, 9);
  expect(suppress(boxes, { iouMax: 0.34 })).toHaveLength(2);
  expect(suppress(boxes, { iouMax: 0.33 })).toHaveLength(1);
});

test('boxes that do not meet, or are empty, share nothing', () => {
  expect(iou(box('cat', 1, 0), box('cat', 1, 100))).toBe(0);
  expect(iou(box('cat', 1, 0, 0), box('cat', 1, 0, 0))).toBe(0);
  expect(shareOfSmaller(box('cat', 1, 0), box('cat', 1, 100))).toBe(0);
  expect(shareOfSmaller(box('cat', 1, 0, 0), box('cat', 1, 0, 0))).toBe(0);
});

test('a head lies wholly in its animal, though both share little of what they cover together', () => {
  const [animal, head] = [box('cat', 0.9, 0), box('cat', 0.4, 20, 20)];
  expect(iou(animal, head)).toBe(0.2);
  expect(shareOfSmaller(animal, head)).toBe(1);
  expect(shareOfSmaller(head, animal)).toBe(1);
  expect(shareOfSmaller(animal, box('cat', 0.4, 90, 20))).toBe(0.5);
});

test('a picture full of boxes costs a bounded comparison: only the best are looked at', () => {
  const boxes = Array.from({ length: 25_200 }, (_, index) => box('cow', index / 25_200, index * 1_000));
  const kept = suppress(boxes, { candidatesMax: 50 });
  expect(kept).toHaveLength(50);
  expect(kept[0]?.score).toBe(25_199 / 25_200);
});

test('the input is left as it was', () => {
  const boxes = Object.freeze([box('dog', 0.1, 0), box('dog', 0.9, 0)]);
  expect(suppress(boxes)).toHaveLength(1);
});
