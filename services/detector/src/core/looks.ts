/**
 * When to look again, and what the looks together mean. Pure.
 *
 *   first look     the first model on the whole photo. At `scoreMin` the photo is accepted; most photos end here.
 *   second look    the second model on the whole photo, when the first accepts nothing: nobody is turned away on one
 *                  model's word. The second counts twice, because the first has already said no.
 *   closer looks   both models on the parts of the photo most likely to be an animal, enlarged, when the second look
 *                  does not accept either: the pet on somebody's arm, the cat in the corner. Here the first model
 *                  counts twice: enlarged, the second sees dogs and cats in hands and bananas, the first does not.
 *                  A model that is its own second has nobody to say which part may be an animal: it looks at five
 *                  overlapping parts of the whole photo, `tiles`, one after the other, each also mirrored.
 *   naming look    both models on the accepted animal, enlarged, where its kind is in doubt; it cannot turn away.
 *
 * One threshold serves all looks. It is chosen by cost: a pet turned away is what people notice and cannot mend, a photo
 * without one costs a render. `docs/detector.md` has the figures, those of the neighbouring thresholds too.
 */
import type { Pet } from '@pet-roast/shared';
import { decide, scoreMinDefault, type Verdict } from './decide.ts';
import { type Candidate, petLabels } from './decode-boxes.ts';
import { bestKind, doubt, type Evidence, evidenceOf, mergeSights, type Sight } from './evidence.ts';
import type { PhotoBox } from './letterbox.ts';
import { iou, shareOfSmaller } from './suppress.ts';

/** A part is worth a closer look when this likely to be any animal at all. */
const partAnyMin = 0.15;
/** Both models' score from which what is in the photo is a cuddly toy. */
const toyMin = 0.3;
/** Each closer look costs two inferences. */
const closerLooksMax = 2;
/** The kind of animal is in doubt when the second kind has at least this share of the first's score. */
const doubtMax = 0.5;
/** Boxes that overlap the accepted animal more than this (intersection over union) have a say in what it is. */
const sameAnimalIouMin = 0.45;
/** What a kind's score counts for when an animal is named, where it is not 1: people's pets are dogs and cats. */
const namingWeights: Readonly<Record<string, number>> = { dog: 2, cat: 2 };
/** A closer look shows this much more than the animal's longer side, as a square, and never less than so many pixels. */
const closerMargin = 1.3;
const closerSideMinPixels = 64;
/** Each tile's share of the photo's width and height: four in the corners, and one in the middle. */
const tileShare = 0.6;
/** Boxes of two kinds that overlap more than this (intersection over union) are one animal. */
const oneAnimalIouMin = 0.7;
/** Of two boxes of one kind, the smaller is part of the same animal when this share of it lies in the other. */
const partOfAnimalMin = 0.6;

const [firstWeightWhole, secondWeightWhole] = [1, 2];
const [firstWeightCloser, secondWeightCloser] = [2, 1];

/** One model's animals in one view, in the photo's pixels, and its best score for a cuddly toy there. */
export type View = { readonly boxes: readonly Candidate[]; readonly toy: number };
export type CloserView = { readonly first: View; readonly second: View };
export type Seen = {
  readonly first: View;
  readonly second?: View;
  readonly closer: readonly CloserView[];
  readonly naming?: CloserView;
};
/** Where closer looks go: to the parts that may be an animal, or all over the photo. */
export type CloserPlan = 'parts' | 'tiles';
export type PhotoSize = { readonly width: number; readonly height: number };

export type Step =
  | { readonly kind: 'second' }
  | { readonly kind: 'closer' | 'naming'; readonly part: PhotoBox }
  | { readonly kind: 'verdict'; readonly verdict: Verdict };

/** What the first look alone says, where there is no second model. */
export function firstVerdict(first: View, photo: PhotoSize, scoreMin = scoreMinDefault): Verdict {
  const verdict = decide(first.boxes, photo, { scoreMin });
  return { ...verdict, pets: onePerAnimal(verdict.pets) };
}

/**
 * The verdict, or the look that is needed for it: at most one second, `closerLooksMax` or five closer and one naming look.
 */
export function nextStep(
  seen: Seen,
  photo: PhotoSize,
  scoreMin = scoreMinDefault,
  closerPlan: CloserPlan = 'parts',
): Step {
  const looks = [firstSights(seen.first)];
  if (seen.second) looks.push(wholeSights(seen.first, seen.second));
  for (const closer of seen.closer) looks.push(closerSights(closer));
  const scores = looks.map((sights) => bestKind(evidenceOf(sights)).score);
  const at = scores.findIndex((score) => score >= scoreMin);
  const accepting = looks[at];
  if (accepting !== undefined) return named(petsOf(accepting, scoreMin, photo), at === 0, seen, photo);

  if (seen.second === undefined) return { kind: 'second' };
  const parts = closerPlan === 'tiles' ? tilesOf(photo) : partsWorthALook(seen.first, seen.second, photo);
  const part = parts[seen.closer.length];
  if (part !== undefined) return { kind: 'closer', part };
  return { kind: 'verdict', verdict: { pets: [], best_score: Math.max(...scores) } };
}

/** An accepted verdict with its best animal's kind settled: by all that was seen of it, where the first look leaves doubt. */
function named(verdict: Verdict, byFirstLook: boolean, seen: Seen, photo: PhotoSize): Step {
  const [best] = verdict.pets;
  if (best === undefined) return { kind: 'verdict', verdict };
  const firstName = namingEvidence([seen.first], best.box);
  if (byFirstLook && doubt(firstName) < doubtMax) return { kind: 'verdict', verdict: withName(verdict, firstName) };
  if (seen.second === undefined) return { kind: 'second' };
  if (seen.naming === undefined) return { kind: 'naming', part: squareAround(best.box, photo) };
  const views = [seen.first, seen.second, seen.naming.first, seen.naming.second];
  return { kind: 'verdict', verdict: withName(verdict, namingEvidence(views, best.box)) };
}

function withName(verdict: Verdict, evidence: Evidence): Verdict {
  const [best, ...others] = verdict.pets;
  const { label, score } = bestKind(evidence);
  if (best === undefined || score === 0) return verdict;
  // Under its new name it may be what another box, a head in it, was called all along.
  return { ...verdict, pets: onePerAnimal([{ ...best, label }, ...others]) };
}

/** How each kind fares as a name for what is in that box; every view counts the same. */
function namingEvidence(views: readonly View[], box: PhotoBox): Evidence {
  const sights = views.map(({ boxes }) => ({
    boxes: boxes.filter((other) => iou(other, box) > sameAnimalIouMin),
    weight: 1,
  }));
  return evidenceOf(sights).map((score, kind) => score * (namingWeights[petLabels[kind] ?? ''] ?? 1));
}

function firstSights(first: View): Sight[] {
  return [{ boxes: first.boxes, weight: 1 }];
}

function wholeSights(first: View, second: View): Sight[] {
  return [
    { boxes: first.boxes, weight: firstWeightWhole },
    { boxes: second.boxes, weight: secondWeightWhole },
  ];
}

function closerSights({ first, second }: CloserView): Sight[] {
  return [
    { boxes: first.boxes, weight: firstWeightCloser },
    { boxes: second.boxes, weight: secondWeightCloser },
  ];
}

/** The animals of an accepting look. Where the models' boxes lie apart, the likeliest stands for the photo's score. */
function petsOf(sights: readonly Sight[], scoreMin: number, photo: PhotoSize): Verdict {
  const { label, score } = bestKind(evidenceOf(sights));
  const things = mergeSights(sights);
  const best = things.find((thing) => thing.label === label) ?? things[0];
  const others = things.filter((thing) => thing !== best && thing.score >= scoreMin);
  const verdict = decide([...(best ? [{ ...best, score }] : []), ...others], photo, { scoreMin });
  return { pets: onePerAnimal(verdict.pets), best_score: score };
}

/** The photo in five overlapping parts, in whole pixels. */
function tilesOf({ width, height }: PhotoSize): readonly PhotoBox[] {
  const size = { width: Math.ceil(width * tileShare), height: Math.ceil(height * tileShare) };
  const [right, bottom] = [width - size.width, height - size.height];
  const middle = [Math.floor(right / 2), Math.floor(bottom / 2)] as const;
  return [[0, 0] as const, [right, 0] as const, [0, bottom] as const, [right, bottom] as const, middle].map(
    ([x, y]) => ({
      x,
      y,
      ...size,
    }),
  );
}

/** Around where some animal is likely, whichever; none where both models take what they see for a toy. */
function partsWorthALook(first: View, second: View, photo: PhotoSize): readonly PhotoBox[] {
  const toy = (firstWeightWhole * first.toy + secondWeightWhole * second.toy) / (firstWeightWhole + secondWeightWhole);
  // A toy looks like an animal once its surroundings are cut away.
  if (toy >= toyMin) return [];
  return mergeSights(wholeSights(first, second))
    .filter(({ any }) => any >= partAnyMin)
    .slice(0, closerLooksMax)
    .map((thing) => squareAround(thing, photo));
}

/** A square around the box with some surroundings, moved and cut to lie in the photo; in whole pixels. */
function squareAround(box: PhotoBox, photo: PhotoSize): PhotoBox {
  const side = Math.max(closerSideMinPixels, closerMargin * Math.max(box.width, box.height));
  const width = Math.floor(Math.min(photo.width, side));
  const height = Math.floor(Math.min(photo.height, side));
  const within = (centre: number, length: number, limit: number) =>
    Math.floor(Math.max(0, Math.min(limit - length, centre - length / 2)));
  return {
    x: within(box.x + box.width / 2, width, photo.width),
    y: within(box.y + box.height / 2, height, photo.height),
    width,
    height,
  };
}

/** One animal is one pet: of two kinds in the same place, and of a dog and its head, the surer one stays. */
function onePerAnimal(pets: readonly Pet[]): Pet[] {
  const kept: Pet[] = [];
  for (const pet of pets) if (!kept.some((other) => isSameAnimal(other, pet))) kept.push(pet);
  return kept;
}

function isSameAnimal(a: Pet, b: Pet): boolean {
  if (iou(a.box, b.box) > oneAnimalIouMin) return true;
  return a.label === b.label && shareOfSmaller(a.box, b.box) > partOfAnimalMin;
}
