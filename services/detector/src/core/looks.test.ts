import { describe, expect, test } from 'vitest';
import type { Candidate } from './decode-boxes.ts';
import { type CloserView, firstVerdict, nextStep, type Seen, type View } from './looks.ts';

const photo = { width: 1_000, height: 800 };
const place = { x: 400, y: 300, width: 100, height: 50 };
const box = (label: string, score: number, at = place): Candidate => ({ label, score, ...at });
const view = (...boxes: Candidate[]): View => ({ boxes, toy: 0 });
const closer = (first: View, second: View): CloserView => ({ first, second });
const nothing = view();
const seen = (first: View, more: Partial<Seen> = {}): Seen => ({ first, closer: [], ...more });
/** The verdict, or the kind of look that is asked for. */
const outcome = (what: Seen) => {
  const step = nextStep(what, photo);
  return step.kind === 'verdict' ? step.verdict : step.kind;
};

describe('the first look', () => {
  test('accepts alone from the threshold on, the threshold itself included', () => {
    expect(outcome(seen(view(box('dog', 0.3))))).toEqual({
      pets: [{ label: 'dog', score: 0.3, box: place }],
      best_score: 0.3,
    });
    expect(outcome(seen(view(box('dog', 0.2999))))).toBe('second');
  });

  test('never turns anybody away: also nothing at all is looked at again', () => {
    expect(outcome(seen(nothing))).toBe('second');
  });

  test('needs a clearer bird: most of what is wrongly seen is one', () => {
    expect(outcome(seen(view(box('bird', 0.42))))).toBe('second');
    expect(outcome(seen(view(box('bird', 0.43))))).toMatchObject({ pets: [{ label: 'bird' }] });
  });

  test('is not sure of the kind when another comes close, dogs and cats counting double', () => {
    expect(outcome(seen(view(box('cat', 0.5), box('dog', 0.26))))).toBe('second');
    expect(outcome(seen(view(box('cat', 0.5), box('dog', 0.24))))).toMatchObject({ pets: [{ label: 'cat' }] });
    expect(outcome(seen(view(box('sheep', 0.8), box('dog', 0.21))))).toBe('second');
    expect(outcome(seen(view(box('cat', 0.5), box('bear', 0.4))))).toMatchObject({ pets: [{ label: 'cat' }] });
  });

  test('is sure of each of two animals in two places', () => {
    const other = { x: 0, y: 0, width: 100, height: 100 };
    expect(outcome(seen(view(box('dog', 0.9), box('horse', 0.8, other))))).toMatchObject({
      pets: [{ label: 'dog' }, { label: 'horse' }],
    });
  });

  test('takes one animal for one, whatever else it might be', () => {
    expect(firstVerdict(view(box('cat', 0.8), box('bear', 0.35)), photo).pets).toMatchObject([{ label: 'cat' }]);
  });

  test('takes a dog and its head for one, the surer of the two, but not a cat in front of it', () => {
    const head = { x: 400, y: 300, width: 30, height: 30 };
    const pets = (...boxes: Candidate[]) => firstVerdict(view(...boxes), photo).pets;
    expect(pets(box('dog', 0.8), box('dog', 0.7, head))).toMatchObject([{ score: 0.8 }]);
    expect(pets(box('dog', 0.8), box('dog', 0.9, head))).toMatchObject([{ score: 0.9 }]);
    expect(pets(box('dog', 0.8), box('cat', 0.7, head))).toHaveLength(2);
    expect(pets(box('dog', 0.8), box('dog', 0.7, { ...head, x: 385 }))).toHaveLength(2);
  });
});

describe('the second look', () => {
  test('accepts on the mean of both, the second model counting twice', () => {
    const accepted = seen(view(box('cat', 0.06)), { second: view(box('cat', 0.43)), naming: closer(nothing, nothing) });
    expect(outcome(accepted)).toMatchObject({
      pets: [{ label: 'cat', score: 0.3067, box: place }],
      best_score: 0.3067,
    });
    expect(outcome(seen(view(box('cat', 0.06)), { second: view(box('cat', 0.41)) }))).toBe('closer');
  });

  test('accepts also when the two see the animal in different places', () => {
    const elsewhere = { x: 0, y: 0, width: 300, height: 300 };
    const apart = seen(view(box('cat', 0.29)), {
      second: view(box('cat', 0.32, elsewhere)),
      naming: closer(nothing, nothing),
    });
    expect(outcome(apart)).toMatchObject({ pets: [{ label: 'cat', score: 0.31 }] });
  });

  test('does not accept on kinds that contradict each other', () => {
    expect(outcome(seen(view(box('bear', 0.29)), { second: view(box('cat', 0.4)) }))).toBe('closer');
  });

  test('rejects where there is no part worth a closer look, with the best score of both', () => {
    expect(outcome(seen(view(box('dog', 0.05)), { second: view(box('dog', 0.1)) }))).toEqual({
      pets: [],
      best_score: 0.0833,
    });
    expect(outcome(seen(nothing, { second: nothing }))).toEqual({ pets: [], best_score: 0 });
  });

  test('ends it where both take what they see for a toy', () => {
    const toy = { boxes: [box('sheep', 0.2)], toy: 0.5 };
    expect(outcome(seen(toy, { second: toy }))).toEqual({ pets: [], best_score: 0.2 });
    expect(outcome(seen({ ...toy, toy: 0 }, { second: { ...toy, toy: 0.3 } }))).toBe('closer');
  });
});

describe('a closer look', () => {
  const doubtful = { second: view(box('dog', 0.2), box('cat', 0.2)) };

  test('is at a square around the place where any animal is likely, within the photo', () => {
    expect(nextStep(seen(nothing, doubtful), photo)).toEqual({
      kind: 'closer',
      part: { x: 385, y: 260, width: 130, height: 130 },
    });
    const corner = { x: 980, y: 790, width: 20, height: 10 };
    expect(nextStep(seen(nothing, { second: view(box('dog', 0.3, corner)) }), photo)).toEqual({
      kind: 'closer',
      part: { x: 936, y: 736, width: 64, height: 64 },
    });
  });

  test('accepts on the mean of both, the first model counting twice', () => {
    const found = closer(view(box('cat', 0.4)), view(box('cat', 0.15)));
    expect(outcome(seen(nothing, { ...doubtful, closer: [found] }))).toBe('naming');
    expect(outcome(seen(nothing, { ...doubtful, closer: [found], naming: found }))).toMatchObject({
      pets: [{ label: 'cat', score: 0.3167 }],
    });
    const onlySecond = closer(view(), view(box('cat', 0.89)));
    expect(outcome(seen(nothing, { ...doubtful, closer: [onlySecond] }))).toEqual({ pets: [], best_score: 0.2967 });
  });

  test('is taken at two places at most', () => {
    const places = [0, 300, 600].map((x) => box('dog', 0.29, { x, y: 0, width: 100, height: 100 }));
    const many = { second: view(...places) };
    const none = closer(nothing, nothing);
    expect(nextStep(seen(nothing, { ...many, closer: [none] }), photo)).toMatchObject({ kind: 'closer' });
    expect(outcome(seen(nothing, { ...many, closer: [none, none] }))).toMatchObject({ pets: [] });
  });
});

describe('the name', () => {
  const doubtful = seen(view(box('dog', 0.46), box('cat', 0.32)), { second: view(box('dog', 0.6), box('cat', 0.55)) });

  test('is what all looks together say of that animal; score and place stay those of the acceptance', () => {
    expect(nextStep(doubtful, photo)).toMatchObject({ kind: 'naming' });
    const naming = closer(view(box('cat', 0.74)), view(box('cat', 0.71), box('dog', 0.5)));
    expect(outcome({ ...doubtful, naming })).toEqual({
      pets: [{ label: 'cat', score: 0.46, box: place }],
      best_score: 0.46,
    });
  });

  test('makes one animal of two boxes that it gives the same name', () => {
    const head = { x: 400, y: 300, width: 30, height: 30 };
    const sure = view(box('dog', 0.46), box('cat', 0.32), box('cat', 0.4, head));
    const first = seen(sure, { second: view(box('dog', 0.6), box('cat', 0.55)) });
    const asCat = closer(view(box('cat', 0.74)), view(box('cat', 0.71)));
    expect(outcome({ ...first, naming: asCat })).toMatchObject({ pets: [{ label: 'cat', box: place }] });
    expect(outcome({ ...first, naming: closer(nothing, nothing) })).toMatchObject({
      pets: [{ label: 'dog' }, { label: 'cat' }],
    });
  });

  test('never takes an acceptance back', () => {
    expect(outcome({ ...doubtful, naming: closer(nothing, nothing) })).toMatchObject({ pets: [{ label: 'dog' }] });
  });

  test('stays what the accepting look says where no other saw anything in that place', () => {
    const part = closer(view(box('cow', 0.6)), nothing);
    const found = seen(nothing, { second: view(box('dog', 0.2)), closer: [part], naming: closer(nothing, nothing) });
    expect(outcome({ ...found, second: nothing })).toMatchObject({ pets: [{ label: 'cow', score: 0.4 }] });
  });

  test('prefers a dog to a sheep that scores less than twice as much', () => {
    const naming = closer(nothing, nothing);
    const sheep = seen(view(box('sheep', 0.7), box('dog', 0.4)), { second: nothing, naming });
    expect(outcome(sheep)).toMatchObject({ pets: [{ label: 'dog', score: 0.7 }] });
    const flock = seen(view(box('sheep', 0.7), box('dog', 0.3)), { second: nothing, naming });
    expect(outcome(flock)).toMatchObject({ pets: [{ label: 'sheep' }] });
  });
});

describe('the closer looks of a model that is its own second', () => {
  const tiles = (closerLooks: CloserView[], first = nothing) =>
    nextStep(seen(first, { second: nothing, closer: closerLooks }), photo, undefined, 'tiles');
  const none = closer(nothing, nothing);

  test('go to five overlapping parts, one after the other, wherever anything may be', () => {
    const parts = [0, 1, 2, 3, 4].map((done) => tiles(Array(done).fill(none)));
    expect(parts.map((step) => 'part' in step && [step.part.x, step.part.y])).toEqual([
      [0, 0],
      [400, 0],
      [0, 320],
      [400, 320],
      [200, 160],
    ]);
    for (const step of parts) expect(step).toMatchObject({ kind: 'closer', part: { width: 600, height: 480 } });
    expect(tiles(Array(5).fill(none))).toEqual({ kind: 'verdict', verdict: { pets: [], best_score: 0 } });
  });

  test('end with the first that accepts', () => {
    const accepting = closer(view(box('dog', 0.4)), view(box('dog', 0.3)));
    expect(tiles([none, accepting])).toMatchObject({ kind: 'naming' });
  });

  test('of a photo of one pixel are of that pixel', () => {
    const step = nextStep(seen(nothing, { second: nothing }), { width: 1, height: 1 }, undefined, 'tiles');
    expect(step).toEqual({ kind: 'closer', part: { x: 0, y: 0, width: 1, height: 1 } });
  });
});
