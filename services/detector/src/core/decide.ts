/** Boxes to the verdict: which pets are in the photo. Pure. */
import type { Pet } from '@pet-roast/shared';
import type { Candidate } from './decode-boxes.ts';
import { roundScore } from './evidence.ts';
import type { PhotoBox } from './letterbox.ts';

/**
 * The score from which an animal counts, in every look. Measured with YOLOX-nano alone on a set of 52 labelled photos, 20
 * of them with an animal, by the photo's largest animal score (`test/photos.test.ts` prints and checks it):
 *
 * | threshold                          | 0.1 | 0.25 | 0.3 | 0.4 | 0.5 |
 * |------------------------------------|-----|------|-----|-----|-----|
 * | pets found, of 20                  |  18 |   16 |  16 |  16 |  15 |
 * | accepted without a pet, of 32      |   1 |    1 |   0 |   0 |   0 |
 *
 * 0.3 is the lowest of these that accepts no photo without a pet. The four that it misses are what the further looks
 * are for (`looks.ts`): with them, 20 and 0, at any threshold from 0.25 to 0.36.
 */
export const scoreMinDefault = 0.3;
/** At most this many pets are reported, best first. */
export const petsMaxDefault = 20;

export type Verdict = {
  /** Best first, at most `petsMax`; empty when no animal reaches the threshold. */
  readonly pets: readonly Pet[];
  /** The largest animal score in the photo, also below the threshold; 0 when there was no candidate at all. */
  readonly best_score: number;
};

/**
 * Clips the boxes to the photo, drops those outside it (they lie in the input's padding), and keeps those that reach
 * `scoreMin`. Scores are rounded to 4 decimals before they are compared, so that what is reported never contradicts the
 * decision; boxes are in whole pixels.
 */
export function decide(
  candidates: readonly Candidate[],
  photo: { readonly width: number; readonly height: number },
  { scoreMin = scoreMinDefault, petsMax = petsMaxDefault } = {},
): Verdict {
  const inside = candidates
    .map((candidate) => ({
      label: candidate.label,
      score: roundScore(candidate.score),
      box: clip(candidate, photo),
    }))
    .filter((pet) => pet.box.width > 0 && pet.box.height > 0)
    .toSorted((a, b) => b.score - a.score);
  return {
    pets: inside.filter((pet) => pet.score >= scoreMin).slice(0, petsMax),
    best_score: inside[0]?.score ?? 0,
  };
}

/** Candidates with any of their box in the photo, and of it only that; the rest lies in the input's padding. */
export function insidePhoto(
  candidates: readonly Candidate[],
  photo: { readonly width: number; readonly height: number },
): Candidate[] {
  return candidates
    .map((candidate) => ({ ...candidate, ...clip(candidate, photo) }))
    .filter(({ width, height }) => width > 0 && height > 0);
}

function clip(box: PhotoBox, photo: { readonly width: number; readonly height: number }): PhotoBox {
  const [left, right] = clipAxis(box.x, box.width, photo.width);
  const [top, bottom] = clipAxis(box.y, box.height, photo.height);
  return { x: left, y: top, width: right - left, height: bottom - top };
}

function clipAxis(start: number, length: number, limit: number): [number, number] {
  const clamp = (value: number) => Math.min(limit, Math.max(0, Math.round(value)));
  return [clamp(start), clamp(start + length)];
}
