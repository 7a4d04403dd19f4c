import { expect, test } from 'vitest';
import { type Candidate, petLabels } from './decode-boxes.ts';
import { bestKind, doubt, evidenceOf, mergeSights } from './evidence.ts';

const box = (label: string, score: number, x = 0, width = 100): Candidate => ({
  label,
  score,
  x,
  y: 0,
  width,
  height: 100,
});
const figure = (evidence: readonly number[], label: string) =>
  evidence[(petLabels as readonly string[]).indexOf(label)];

test('a kind’s figure is the mean of its best scores, by the views’ weights', () => {
  const evidence = evidenceOf([
    { boxes: [box('dog', 0.2), box('dog', 0.5), box('cat', 0.3)], weight: 1 },
    { boxes: [box('dog', 0.8)], weight: 2 },
  ]);
  expect(figure(evidence, 'dog')).toBe(0.7);
  expect(figure(evidence, 'cat')).toBe(0.1);
  expect(figure(evidence, 'horse')).toBe(0);
});

test('a bird counts for seven tenths', () => {
  expect(bestKind(evidenceOf([{ boxes: [box('bird', 0.5)], weight: 1 }]))).toEqual({ label: 'bird', score: 0.35 });
});

test('nothing seen is no kind, without doubt', () => {
  const nothing = evidenceOf([{ boxes: [], weight: 1 }]);
  expect(bestKind(nothing)).toEqual({ label: 'bird', score: 0 });
  expect(doubt(nothing)).toBe(0);
});

test('doubt is the second kind’s share of the first', () => {
  expect(doubt(evidenceOf([{ boxes: [box('dog', 0.8), box('cat', 0.2), box('cow', 0.4)], weight: 1 }]))).toBe(0.5);
});

test('boxes of one place are one thing, whatever each view calls it, and the best box says where it is', () => {
  const [thing, ...others] = mergeSights([
    { boxes: [box('cat', 0.4, 0)], weight: 1 },
    { boxes: [box('dog', 0.9, 10), box('cat', 0.3, 5)], weight: 2 },
  ]);
  expect(others).toEqual([]);
  expect(thing).toMatchObject({ label: 'dog', score: 0.6, x: 10 });
  // Neither cat (a third of 0.4 and two thirds of 0.3) nor dog: what is left of certainty after both.
  expect(thing?.any).toBeCloseTo(1 - (1 - 0.6) * (1 - 0.3333), 3);
});

test('things come likeliest animal first, which need not be the best kind first', () => {
  const things = mergeSights([
    { boxes: [box('dog', 0.35), box('sheep', 0.3, 500), box('cow', 0.3, 500), box('cat', 0.3, 500)], weight: 1 },
  ]);
  expect(things.map(({ x }) => x)).toEqual([500, 0]);
});
