import { expect, test } from 'vitest';
import { decide } from './decide.ts';

const photo = { width: 200, height: 100 };
const candidate = (score: number, x = 10, y = 10, width = 50, height = 50) => ({
  label: 'cat',
  score,
  x,
  y,
  width,
  height,
});

test('a pet is what reaches the threshold, the threshold itself included', () => {
  const verdict = decide([candidate(0.3), candidate(0.29)], photo);
  expect(verdict.pets.map((pet) => pet.score)).toEqual([0.3]);
});

test('a reported score never contradicts the decision', () => {
  expect(decide([candidate(0.29999)], photo)).toEqual({
    pets: [{ label: 'cat', score: 0.3, box: { x: 10, y: 10, width: 50, height: 50 } }],
    best_score: 0.3,
  });
  expect(decide([candidate(0.29994)], photo)).toEqual({ pets: [], best_score: 0.2999 });
});

test('without a pet the best score still says how close it was; without anything it is 0', () => {
  expect(decide([candidate(0.1), candidate(0.2)], photo)).toEqual({ pets: [], best_score: 0.2 });
  expect(decide([], photo)).toEqual({ pets: [], best_score: 0 });
});

test('boxes are clipped to the photo and are in whole pixels', () => {
  const { pets } = decide([candidate(0.9, -20.4, 60.6, 300, 80)], photo);
  expect(pets[0]?.box).toEqual({ x: 0, y: 61, width: 200, height: 39 });
});

test('a box in the padding is no pet', () => {
  expect(decide([candidate(0.9, 10, 100, 50, 50), candidate(0.9, -60, 0, 50, 50)], photo)).toEqual({
    pets: [],
    best_score: 0,
  });
});

test('no more pets than the bound, best first', () => {
  const many = Array.from({ length: 300 }, (_, index) => candidate(0.4 + index / 1_000));
  const { pets, best_score } = decide(many, photo);
  expect(pets).toHaveLength(20);
  expect(pets[0]?.score).toBe(best_score);
  expect(best_score).toBe(0.699);
});
