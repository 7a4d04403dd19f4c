/**
 * Shows that onnxruntime-node computes what torch computed: `node compare-onnx.ts MODEL.onnx FIXTURE.json`.
 *
 * The inputs are made here by the same integer arithmetic as in `petnano/export.py`, so that nothing but the model is
 * compared. Exits 1 when any number differs by more than the tolerance.
 */
import { readFileSync } from 'node:fs';
import { openOnnxModel } from '../../services/detector/src/adapters/onnx-model.ts';
import { petLabels } from '../../services/detector/src/core/decode-boxes.ts';
import { petNanoEntry } from './entry.ts';
import { complain, print } from './figures.ts';
import { fixedInput } from './fixed-input.ts';

/** Both compute in float32 with sums in another order; box numbers reach about 10. */
const toleranceAbsolute = 1e-4;

type Fixture = {
  readonly size: number;
  /** Which rows of the output the cases hold. */
  readonly rows: readonly number[];
  readonly cases: readonly { readonly multiplier: number; readonly output: readonly (readonly number[])[] }[];
};

const [modelPath, fixturePath] = process.argv.slice(2);
if (modelPath === undefined || fixturePath === undefined) {
  complain('usage: node compare-onnx.ts MODEL.onnx FIXTURE.json');
  process.exit(2);
}
const fixture = JSON.parse(readFileSync(fixturePath, 'utf8')) as Fixture;
const model = await openOnnxModel({ path: modelPath, entry: petNanoEntry(fixture.size), threads: 1 });
let largest = 0;
for (const { multiplier, output } of fixture.cases) {
  const computed = await model.infer(fixedInput(fixture.size, multiplier));
  const expected = output.flatMap((row, i) => row.map((value, column) => ({ value, at: at(fixture.rows[i], column) })));
  const difference = expected.reduce((max, { value, at }) => Math.max(max, distance(value, computed[at])), 0);
  print(`multiplier ${multiplier}: ${expected.length} numbers, largest difference ${difference.toExponential(2)}`);
  largest = Math.max(largest, difference);
}
await model.close();
if (!(largest <= toleranceAbsolute)) {
  complain(`differs by more than ${toleranceAbsolute}`);
  process.exit(1);
}
print(`equal within ${toleranceAbsolute}`);

function at(row = Number.NaN, column: number): number {
  return row * (5 + petLabels.length) + column;
}

/** A number that is missing or not one is infinitely far away. */
function distance(expected: number, found: number | undefined): number {
  const difference = Math.abs(expected - (found ?? Number.NaN));
  return Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference;
}
