/**
 * The raw output of a detector as candidate boxes of the ten animals, in the photo's own pixels. Pure.
 *
 * The YOLO families give one row per anchor, `[v0, v1, v2, v3, objectness, class scores…]`, sigmoids already applied,
 * and an animal's score is objectness times class score. They differ in the first four numbers only:
 *
 * - YOLOX: relative to the row's grid cell, `cx=(v0+gx)*s, cy=(v1+gy)*s, w=exp(v2)*s, h=exp(v3)*s` (s: the stride);
 *   rows go scale by scale, each row-major.
 * - YOLOv5 (`export.py --include onnx`): centre and size in input pixels, whatever the row.
 *
 * DEIMv2 gives a row per box and class, `[x1, y1, x2, y2, score, class]`, best first, in input pixels.
 *
 * Each row yields at most one box, of its best animal: a row is one object, and its other classes are second guesses.
 */
import type { ModelEntry, ModelFamily, ModelOutput } from '../model-manifest.ts';
import { type InputBox, type Letterbox, type PhotoBox, toPhoto } from './letterbox.ts';

/** What counts as a pet: COCO's classes 14 to 23. */
export const petLabels = [
  'bird',
  'cat',
  'dog',
  'horse',
  'sheep',
  'cow',
  'elephant',
  'bear',
  'zebra',
  'giraffe',
] as const;

/** What a cuddly toy is called: COCO's class 77. It is no pet, but knowing it helps to tell one from a pet. */
export const toyLabel = 'teddy bear';

export type Geometry = Pick<ModelEntry, 'inputSize' | 'strides' | 'anchorsPerCell' | 'rows' | 'outputs' | 'classes'>;
export type Candidate = PhotoBox & { readonly label: string; readonly score: number };
/** Raw output to candidates of `labels` that score at least `scoreFloor`. @throws Error when it has another size. */
export type Decoder = (
  output: Float32Array,
  geometry: Geometry,
  letterbox: Letterbox,
  scoreFloor: number,
  labels?: readonly string[],
) => Candidate[];

/** Rows of the output: a family's fixed number, or one per anchor of every cell of every scale. */
export function outputRows({ rows, inputSize, strides, anchorsPerCell = 1 }: Geometry): number {
  return rows ?? anchorsPerCell * strides.reduce((sum, stride) => sum + (inputSize / stride) ** 2, 0);
}

/** Numbers that one output gives to a row. */
export function outputColumns({ holds }: ModelOutput, { classes }: Pick<Geometry, 'classes'>): number {
  return { anchors: 5 + classes.length, corners: 4, scores: 1, labels: 1 }[holds];
}

export const decodeYolox: Decoder = (output, geometry, letterbox, scoreFloor, labels = petLabels) => {
  const readRow = rowReader(output, geometry, scoreFloor, labels);
  const candidates: Candidate[] = [];
  let row = 0;
  for (const stride of geometry.strides) {
    const cells = geometry.inputSize / stride;
    for (let gridY = 0; gridY < cells; gridY += 1) {
      for (let gridX = 0; gridX < cells; gridX += 1, row += 1) {
        const hit = readRow(row);
        if (hit === undefined) continue;
        const [v0, v1, v2, v3] = hit.values;
        const cell = { cx: (v0 + gridX) * stride, cy: (v1 + gridY) * stride };
        addCandidate(
          candidates,
          hit,
          { ...cell, width: Math.exp(v2) * stride, height: Math.exp(v3) * stride },
          letterbox,
        );
      }
    }
  }
  return candidates;
};

export const decodeYolov5: Decoder = (output, geometry, letterbox, scoreFloor, labels = petLabels) => {
  const readRow = rowReader(output, geometry, scoreFloor, labels);
  const candidates: Candidate[] = [];
  const rows = outputRows(geometry);
  for (let row = 0; row < rows; row += 1) {
    const hit = readRow(row);
    if (hit === undefined) continue;
    const [cx, cy, width, height] = hit.values;
    addCandidate(candidates, hit, { cx, cy, width, height }, letterbox);
  }
  return candidates;
};

export const decodeDeimv2: Decoder = (output, geometry, letterbox, scoreFloor, labels = petLabels) => {
  const columns = checkedColumns(output, geometry);
  const candidates: Candidate[] = [];
  for (let start = 0; start < output.length; start += columns) {
    const [x1 = 0, y1 = 0, x2 = 0, y2 = 0, score = 0, index = -1] = output.subarray(start, start + columns);
    const label = geometry.classes[index];
    if (!(score >= scoreFloor) || label === undefined || !labels.includes(label)) continue;
    const box = { cx: (x1 + x2) / 2, cy: (y1 + y2) / 2, width: x2 - x1, height: y2 - y1 };
    addCandidate(candidates, { label, score: Math.min(1, score) }, box, letterbox);
  }
  return candidates;
};

export const decoders: Readonly<Record<ModelFamily, Decoder>> = {
  yolox: decodeYolox,
  yolov5: decodeYolov5,
  deimv2: decodeDeimv2,
};

/** Columns of a row, once the output has the size that the geometry promises. */
function checkedColumns(output: Float32Array, geometry: Geometry): number {
  const rows = outputRows(geometry);
  const columns = geometry.outputs.reduce((sum, part) => sum + outputColumns(part, geometry), 0);
  if (output.length === rows * columns) return columns;
  throw new Error(`the model gave ${output.length} numbers instead of ${rows} rows of ${columns}`);
}

type Hit = {
  readonly label: string;
  readonly score: number;
  readonly values: readonly [number, number, number, number];
};

/** Reads a row's best label, or nothing below the floor, which is nearly every row. NaN never reaches the floor. */
function rowReader(
  output: Float32Array,
  geometry: Geometry,
  scoreFloor: number,
  labels: readonly string[],
): (row: number) => Hit | undefined {
  const columns = checkedColumns(output, geometry);
  const pets = labels
    .map((label) => ({ label, column: 5 + geometry.classes.indexOf(label) }))
    .filter((pet) => pet.column >= 5);
  const at = (index: number): number => output[index] ?? 0;

  return (row) => {
    const start = row * columns;
    const objectness = at(start + 4);
    if (!(objectness >= scoreFloor)) return undefined;
    let label = '';
    let score = 0;
    for (const pet of pets) {
      const petScore = objectness * at(start + pet.column);
      if (petScore > score) {
        label = pet.label;
        score = petScore;
      }
    }
    if (label === '' || score < scoreFloor) return undefined;
    return { label, score: Math.min(1, score), values: [at(start), at(start + 1), at(start + 2), at(start + 3)] };
  };
}

function addCandidate(
  candidates: Candidate[],
  hit: Pick<Hit, 'label' | 'score'>,
  box: InputBox,
  letterbox: Letterbox,
): void {
  const inPhoto = toPhoto(box, letterbox);
  if (!Object.values(inPhoto).every(Number.isFinite)) return;
  candidates.push({ label: hit.label, score: hit.score, ...inPhoto });
}
