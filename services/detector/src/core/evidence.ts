/**
 * What the models saw, weighed: boxes of several views of one photo to one list of animals, and to one figure for each
 * kind of animal. Pure.
 *
 * Two models make different mistakes: a mean of both is surer than either. Their boxes need not agree for that; the
 * figure by which a photo is judged takes each model's best score for a kind of animal, wherever it is.
 */
import { type Candidate, petLabels } from './decode-boxes.ts';
import { iou } from './suppress.ts';

/** Boxes that overlap more than this (intersection over union) show the same thing, whatever they are called. */
export const sameThingIouMin = 0.5;

/**
 * What a kind's score counts for, where it is not 1. Nearly all that the models see in photos without an animal they take
 * for birds: peaks, leaves, people far away. Photos of real birds score far above the threshold and lose nothing.
 */
const kindWeights: Readonly<Record<string, number>> = { bird: 0.7 };

/** One model's boxes of one view, in the photo's pixels, and how much its word counts. */
export type Sight = { readonly boxes: readonly Candidate[]; readonly weight: number };
/** A score for each of `petLabels`, in their order. */
export type Evidence = readonly number[];
/** A thing that the views together took for animals; `score` is the best kind's, `any` that it is of any kind. */
export type Thing = Candidate & { readonly evidence: Evidence; readonly any: number };

/** Each kind's best score in each view, averaged over the views by their weights, times what the kind counts for. */
export function evidenceOf(sights: readonly Sight[]): Evidence {
  const total = sights.reduce((sum, { weight }) => sum + weight, 0);
  return petLabels.map((label) => {
    const weighed = sights.reduce((sum, { boxes, weight }) => sum + weight * bestOf(boxes, label), 0);
    return roundScore((weighed / total) * (kindWeights[label] ?? 1));
  });
}

/** The likeliest kind and its figure; on a tie the first of `petLabels`. */
export function bestKind(evidence: Evidence): { readonly label: string; readonly score: number } {
  const score = Math.max(0, ...evidence);
  return { label: petLabels[evidence.indexOf(score)] ?? '', score };
}

/** How close the second kind comes to the first, 0..1: near 1 the kind is a guess. */
export function doubt(evidence: Evidence): number {
  const [first = 0, second = 0] = evidence.toSorted((a, b) => b - a);
  return first === 0 ? 0 : second / first;
}

/** The views' boxes merged, one for each thing, likeliest animal first; the place is that of the best box. */
export function mergeSights(sights: readonly Sight[]): Thing[] {
  const all = sights.flatMap(({ boxes }, view) => boxes.map((box) => ({ box, view })));
  const groups: { readonly box: Candidate; readonly members: Candidate[][] }[] = [];
  for (const { box, view } of all.toSorted((a, b) => b.box.score - a.box.score)) {
    let group = groups.find((other) => iou(other.box, box) > sameThingIouMin);
    if (group === undefined) {
      group = { box, members: sights.map(() => []) };
      groups.push(group);
    }
    group.members[view]?.push(box);
  }
  return groups
    .map(({ box, members }) => {
      const evidence = evidenceOf(sights.map(({ weight }, view) => ({ boxes: members[view] ?? [], weight })));
      const any = 1 - evidence.reduce((none, score) => none * (1 - score), 1);
      return { ...box, ...bestKind(evidence), evidence, any };
    })
    .toSorted((a, b) => b.any - a.any);
}

/** Four decimals, as scores are reported: so that what is reported never contradicts what was decided. */
export function roundScore(score: number): number {
  return Math.round(score * 10_000) / 10_000;
}

function bestOf(boxes: readonly Candidate[], label: string): number {
  return boxes.reduce((best, box) => (box.label === label && box.score > best ? box.score : best), 0);
}
