/** What a list of judged photos says of a detector: shares with their intervals, thresholds compared, cross-validation. */
import type { Detection } from '../../services/detector/src/detect.ts';
import type { LabelledPhoto } from './labels.ts';

export type Judged = LabelledPhoto & {
  readonly found: Detection;
  /** The photo's largest score when every look is taken; undefined where that was not asked for. */
  readonly fullScore?: number | undefined;
};
export type Share = { readonly count: number; readonly of: number };

/** Thresholds that the sweep compares. */
const sweepThresholds = [0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5];
/** What a pet turned away costs, in photos accepted without one: what the promised shares (97 % and 2 %) come to. */
const missCost = 2;
const splits = 500;
/** 95 % of a normal distribution lie within so many standard deviations. */
const z95 = 1.96;

export const accepted = (photo: Judged) => photo.found.pets.length > 0;
export const isWrong = (photo: Judged) => accepted(photo) !== photo.pet;

/** Pets found, photos accepted without one, and the kind told right, of dogs and cats and of all. */
export function shares(photos: readonly Judged[]) {
  const pets = photos.filter((photo) => photo.pet);
  const others = photos.filter((photo) => !photo.pet);
  const found = pets.filter(accepted).filter((photo) => photo.species !== '');
  const dogsAndCats = found.filter(({ species }) => species === 'dog' || species === 'cat');
  return {
    found: share(pets, accepted),
    falselyAccepted: share(others, accepted),
    dogsAndCatsRight: share(dogsAndCats, kindIsRight),
    allKindsRight: share(found, kindIsRight),
  };
}

/** The first reported animal is of the labelled kind. */
export function kindIsRight({ found, species }: Judged): boolean {
  return found.pets[0]?.label === species;
}

/** `19/20 95.0 % (76.4 to 99.1)`: the interval is Wilson's for 95 %. */
export function tellShare({ count, of }: Share): string {
  if (of === 0) return '0/0';
  const [low, high] = wilson({ count, of });
  const percent = (value: number) => (100 * value).toFixed(1);
  return `${count}/${of}  ${percent(count / of)} %  (${percent(low)} to ${percent(high)})`;
}

/** Wilson's score interval for 95 %: honest for small counts and for shares near 0 and 1. */
export function wilson({ count, of }: Share): readonly [low: number, high: number] {
  if (of === 0) return [0, 1];
  const p = count / of;
  const spread = z95 ** 2 / of;
  const centre = p + spread / 2;
  const half = z95 * Math.sqrt((p * (1 - p)) / of + spread / (4 * of));
  return [Math.max(0, (centre - half) / (1 + spread)), Math.min(1, (centre + half) / (1 + spread))];
}

/** Found and falsely accepted at each threshold, by the photos' full scores. */
export function sweep(photos: readonly Judged[]) {
  return sweepThresholds.map((threshold) => ({ threshold, ...countAt(photos, threshold) }));
}

/**
 * Halves the photos 500 times, pets and others apart, takes the threshold with the least cost on one half and counts on
 * the other. Of equally good thresholds the middle is taken. The halves are drawn the same way every time.
 */
export function crossValidate(photos: readonly Judged[]): {
  found: number;
  falselyAccepted: number;
  thresholds: number[];
} {
  const random = generator(1);
  const sums = { found: 0, falselyAccepted: 0 };
  const of = { found: 0, falselyAccepted: 0 };
  const thresholds: number[] = [];
  for (let split = 0; split < splits; split += 1) {
    const [tune, report] = halves(photos, random);
    const threshold = cheapest(tune);
    thresholds.push(threshold);
    const counted = countAt(report, threshold);
    sums.found += counted.found;
    sums.falselyAccepted += counted.falselyAccepted;
    of.found += report.filter((photo) => photo.pet).length;
    of.falselyAccepted += report.filter((photo) => !photo.pet).length;
  }
  return {
    found: sums.found / of.found,
    falselyAccepted: sums.falselyAccepted / of.falselyAccepted,
    thresholds: thresholds.toSorted((a, b) => a - b),
  };
}

/** The value that `fraction` of the numbers do not exceed. */
export function quantile(values: readonly number[], fraction: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(fraction * sorted.length))] ?? Number.NaN;
}

function share(photos: readonly Judged[], holds: (photo: Judged) => boolean): Share {
  return { count: photos.filter(holds).length, of: photos.length };
}

function countAt(photos: readonly Judged[], threshold: number) {
  const count = (pet: boolean) =>
    photos.filter((photo) => photo.pet === pet && (photo.fullScore ?? 0) >= threshold).length;
  return { found: count(true), falselyAccepted: count(false) };
}

function cheapest(photos: readonly Judged[]): number {
  const pets = photos.filter((photo) => photo.pet).length;
  const candidates = Array.from({ length: 81 }, (_, step) => 0.1 + step / 200);
  const costs = candidates.map((threshold) => {
    const { found, falselyAccepted } = countAt(photos, threshold);
    return missCost * (pets - found) + falselyAccepted;
  });
  const least = Math.min(...costs);
  const best = candidates.filter((_, index) => costs[index] === least);
  return best[best.length >> 1] ?? 0;
}

function halves(photos: readonly Judged[], random: () => number): [Judged[], Judged[]] {
  const tune: Judged[] = [];
  const report: Judged[] = [];
  for (const pet of [true, false]) {
    const drawn = photos
      .filter((photo) => photo.pet === pet)
      .map((photo) => ({ photo, order: random() }))
      .toSorted((a, b) => a.order - b.order)
      .map(({ photo }) => photo);
    tune.push(...drawn.slice(0, drawn.length >> 1));
    report.push(...drawn.slice(drawn.length >> 1));
  }
  return [tune, report];
}

/** Park and Miller's minimal standard generator. */
function generator(seed: number): () => number {
  const modulus = 2_147_483_647;
  let state = seed;
  return () => {
    state = (state * 48_271) % modulus;
    return state / modulus;
  };
}
