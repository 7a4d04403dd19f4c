/**
 * An ONNX file of a few hundred bytes, written by hand: it takes an input of a given shape, ignores it, and always
 * answers the given tensor. So the way through onnxruntime is tested with any family's shapes and no weights at all.
 *
 * The field numbers are those of onnx.proto (ModelProto, GraphProto, NodeProto, TensorProto, ValueInfoProto).
 */

/** A string in a shape is a symbolic dimension. */
export type TinyTensor = {
  readonly name: string;
  readonly shape: readonly (number | string)[];
  readonly type?: 'float32' | 'int64';
};
export type TinyAnswer = { readonly values: Float32Array | BigInt64Array; readonly shape: readonly number[] };

const [float, int64] = [1, 7];

/** The file's bytes. Without an answer the input itself comes back, squeezed: a shape that shows only at run time. */
export function tinyOnnx(input: TinyTensor, output: TinyTensor, answer?: TinyAnswer): Buffer {
  const [from, operator] = answer ? ['answer', 'Identity'] : [input.name, 'Squeeze'];
  const graph = message(
    bytes(1, message(bytes(1, from), bytes(2, output.name), bytes(4, operator))),
    bytes(2, 'tiny'),
    answer ? bytes(5, constant('answer', answer)) : message(),
    bytes(11, valueInfo(input)),
    bytes(12, valueInfo(output)),
  );
  return model(graph);
}

/** The same with any inputs, all ignored, and an answer for each output, of that output's own shape. */
export function tinyOnnxOf(
  inputs: readonly TinyTensor[],
  outputs: readonly (readonly [TinyTensor, Float32Array | BigInt64Array])[],
): Buffer {
  const shapeOf = ({ shape }: TinyTensor) => shape.map(Number);
  const graph = message(
    ...outputs.map(([{ name }]) => bytes(1, message(bytes(1, `${name} answer`), bytes(2, name), bytes(4, 'Identity')))),
    bytes(2, 'tiny'),
    ...outputs.map(([output, values]) =>
      bytes(5, constant(`${output.name} answer`, { values, shape: shapeOf(output) })),
    ),
    ...inputs.map((input) => bytes(11, valueInfo(input))),
    ...outputs.map(([output]) => bytes(12, valueInfo(output))),
  );
  return model(graph);
}

function model(graph: Buffer): Buffer {
  const irVersion = 8;
  const opset = 13;
  return message(varint(1, irVersion), bytes(7, graph), bytes(8, message(varint(2, opset))));
}

function constant(name: string, { values, shape }: TinyAnswer): Buffer {
  const raw = Buffer.from(values.buffer, values.byteOffset, values.byteLength);
  return message(
    ...shape.map((size) => varint(1, size)),
    varint(2, values instanceof Float32Array ? float : int64),
    bytes(8, name),
    bytes(9, raw),
  );
}

function valueInfo({ name, shape, type }: TinyTensor): Buffer {
  const dimensions = shape.map((size) => bytes(1, typeof size === 'number' ? varint(1, size) : bytes(2, size)));
  const tensorType = message(varint(1, type === 'int64' ? int64 : float), bytes(2, message(...dimensions)));
  return message(bytes(1, name), bytes(2, bytes(1, tensorType)));
}

function message(...fields: readonly Buffer[]): Buffer {
  return Buffer.concat(fields);
}

function varint(field: number, value: number): Buffer {
  return Buffer.from([...base128(field * 8), ...base128(value)]);
}

function bytes(field: number, value: string | Buffer): Buffer {
  const content = Buffer.from(value);
  return Buffer.concat([Buffer.from([...base128(field * 8 + 2), ...base128(content.length)]), content]);
}

function base128(value: number): number[] {
  return value < 128 ? [value] : [(value % 128) + 128, ...base128(Math.floor(value / 128))];
}
