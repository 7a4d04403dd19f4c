/**
 * An ONNX file as a function from input tensor to output rows, checked against the manifest before its first use.
 *
 * onnxruntime-node computes on the calling thread, whose event loop stands still for one inference (about 20 ms with
 * YOLOX-nano): the service has it in a thread of its own (`eyes-thread.ts`).
 */
import './no-telemetry.ts';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { outputColumns, outputRows } from '../core/decode-boxes.ts';
import type { ModelEntry, ModelOutput } from '../model-manifest.ts';

export type OnnxModel = {
  /**
   * One inference: `tensor` is `[1,3,size,size]`, planar; the answer is row by row, all outputs side by side. The next
   * inference writes into the same memory: one at a time, and the answer is read before the next.
   */
  readonly infer: (tensor: Float32Array) => Promise<Float32Array>;
  readonly close: () => Promise<void>;
};
type Named = { readonly path: string; readonly entry: ModelEntry };
type Expected = { readonly names: readonly string[]; readonly type: string; readonly shape: readonly number[] };

/**
 * Opens the file on the CPU with `threads` threads per inference, checks names, types and shapes, and runs it once, so
 * that memory is allocated and a broken model shows before the first photo.
 * @throws Error that names the file, what was expected of it and what it has instead.
 */
export async function openOnnxModel(options: Named & { readonly threads: number }): Promise<OnnxModel> {
  const { path, entry, threads } = options;
  const session = await createSession(path, entry, threads);
  try {
    const inputShape = [1, 3, entry.inputSize, entry.inputSize];
    const image = { names: [entry.input], type: 'float32', shape: inputShape };
    const input = checkedName(session.inputMetadata, image, options, 'input');
    const size = sizeFeed(session, options);
    const outputs = entry.outputs.map((output) => {
      const expected = { names: output.names, type: typeOf(output), shape: shapeOf(output, entry) };
      return { name: checkedName(session.outputMetadata, expected, options, 'output'), expected };
    });

    let fetches: InferenceSession.FetchesType = outputs.map(({ name }) => name);
    const infer = async (tensor: Float32Array): Promise<Float32Array> => {
      const feeds = { [input]: new Tensor('float32', tensor, inputShape), ...size };
      const results = await session.run(feeds, fetches);
      const parts = outputs.map(({ name, expected }) => dataOf(results[name], expected, options));
      return sideBySide(parts, outputRows(entry));
    };
    await infer(new Float32Array(3 * entry.inputSize ** 2).fill(entry.preprocess.padding / entry.preprocess.divisor));
    // From here on every inference writes where this one did: new memory for each, 1 MB, waits for a garbage collection.
    fetches = Object.fromEntries(outputs.map(({ name, expected }) => [name, memoryFor(expected)]));
    return { infer, close: () => session.release() };
  } catch (error) {
    await session.release();
    throw error;
  }
}

async function createSession(path: string, entry: ModelEntry, threads: number): Promise<InferenceSession> {
  try {
    return await InferenceSession.create(path, {
      executionProviders: ['cpu'],
      executionMode: 'sequential',
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      graphOptimizationLevel: 'all',
      // A plan of all memory at once: 11 MB more, and not a millisecond less.
      enableMemPattern: false,
      logSeverityLevel: 3,
    });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`${path} is not an ONNX model that can be loaded as ${entry.name}: ${reason}`, { cause });
  }
}

/** Fed the input's own size, a model that scales its boxes gives them in input pixels, as the others do. */
function sizeFeed(session: InferenceSession, model: Named): Record<string, Tensor> {
  const { sizeInput, inputSize } = model.entry;
  if (sizeInput === undefined) return {};
  const expected = { names: [sizeInput], type: 'int64', shape: [1, 2] };
  const name = checkedName(session.inputMetadata, expected, model, 'input');
  return { [name]: new Tensor('int64', BigInt64Array.of(BigInt(inputSize), BigInt(inputSize)), [1, 2]) };
}

function typeOf({ holds }: ModelOutput): string {
  return holds === 'labels' ? 'int64' : 'float32';
}

function shapeOf(output: ModelOutput, entry: ModelEntry): readonly number[] {
  const flat = output.holds === 'scores' || output.holds === 'labels';
  return [1, outputRows(entry), ...(flat ? [] : [outputColumns(output, entry)])];
}

function memoryFor({ type, shape }: Expected): Tensor {
  const length = shape.reduce((product, size) => product * size, 1);
  return type === 'int64'
    ? new Tensor('int64', new BigInt64Array(length), shape)
    : new Tensor('float32', new Float32Array(length), shape);
}

/** The numbers of one output; its size may show only now, where the file's own shape is symbolic. */
function dataOf(tensor: Tensor | undefined, expected: Expected, model: Named): Float32Array {
  const data = tensor?.data;
  const numbers = data instanceof BigInt64Array ? Float32Array.from(data, Number) : data;
  if (!(numbers instanceof Float32Array)) throw mismatch(model, 'output', expected, `${tensor?.type ?? 'nothing'}`);
  const length = expected.shape.reduce((product, size) => product * size, 1);
  if (numbers.length !== length) throw mismatch(model, 'output', expected, `${numbers.length} numbers`);
  return numbers;
}

/** Rows out of columns: each row is its piece of every part. One part alone is its own rows, and is not copied. */
function sideBySide(parts: readonly Float32Array[], rows: number): Float32Array {
  const [only] = parts;
  if (only !== undefined && parts.length === 1) return only;
  const widths = parts.map((part) => part.length / rows);
  const columns = widths.reduce((sum, width) => sum + width, 0);
  const joined = new Float32Array(rows * columns);
  for (let row = 0; row < rows; row += 1) {
    let at = row * columns;
    for (const [index, part] of parts.entries()) {
      const width = widths[index] ?? 0;
      joined.set(part.subarray(row * width, (row + 1) * width), at);
      at += width;
    }
  }
  return joined;
}

/** The name of the one tensor of that side that fits the manifest; a symbolic dimension fits any number. */
function checkedName(
  found: readonly InferenceSession.ValueMetadata[],
  expected: Expected,
  model: Named,
  side: 'input' | 'output',
): string {
  const { names, type, shape } = expected;
  const value = found.find((candidate) => names.includes(candidate.name));
  const fits =
    value?.isTensor === true &&
    value.type === type &&
    value.shape.length === shape.length &&
    value.shape.every((size, axis) => typeof size === 'string' || size === shape[axis]);
  if (value !== undefined && fits) return value.name;
  throw mismatch(model, side, expected, found.map(describe).join(', ') || 'none');
}

function describe(value: InferenceSession.ValueMetadata): string {
  return value.isTensor
    ? `${value.name} ${value.type} [${value.shape.map((size) => size || '?').join(',')}]`
    : `${value.name} (no tensor)`;
}

function mismatch({ path, entry }: Named, side: 'input' | 'output', expected: Expected, found: string): Error {
  const { names, type, shape } = expected;
  return new Error(
    `${path} does not fit the manifest's ${entry.name} (${entry.family}): expected the ${side} ` +
      `${names.join(' or ')} ${type} [${shape.join(',')}], found ${found}. ` +
      'Set MODEL_NAME to the model that this file holds, or MODEL_PATH to another file.',
  );
}
