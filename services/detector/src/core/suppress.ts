/** Greedy non-maximum suppression per class: of boxes that show the same animal, the best one stays. Pure. */
import type { Candidate } from './decode-boxes.ts';
import type { PhotoBox } from './letterbox.ts';

/** Two boxes of one class that overlap more than this (intersection over union) are the same animal. */
export const iouMaxDefault = 0.45;
/** Only the best this many are looked at: the comparison is quadratic, and a hostile picture may fill every cell. */
export const candidatesMaxDefault = 300;

/** The boxes that stay, best first. The input is not changed. */
export function suppress(
  candidates: readonly Candidate[],
  { iouMax = iouMaxDefault, candidatesMax = candidatesMaxDefault } = {},
): Candidate[] {
  const best = candidates.toSorted((a, b) => b.score - a.score).slice(0, candidatesMax);
  const kept: Candidate[] = [];
  for (const box of best) {
    if (!kept.some((other) => other.label === box.label && iou(other, box) > iouMax)) kept.push(box);
  }
  return kept;
}

/** Intersection over union, 0..1; 0 when either box is empty. */
export function iou(a: PhotoBox, b: PhotoBox): number {
  const shared = sharedArea(a, b);
  return shared === 0 ? 0 : shared / (area(a) + area(b) - shared);
}

/** The share of the smaller box that lies in the larger, 0..1; 0 when either box is empty. */
export function shareOfSmaller(a: PhotoBox, b: PhotoBox): number {
  const shared = sharedArea(a, b);
  return shared === 0 ? 0 : shared / Math.min(area(a), area(b));
}

function sharedArea(a: PhotoBox, b: PhotoBox): number {
  const width = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
  const height = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
  return width <= 0 || height <= 0 ? 0 : width * height;
}

function area({ width, height }: PhotoBox): number {
  return width * height;
}
