/** The input that torch and onnxruntime are compared on: `fixed_input` of petnano/export.py, by the same integer arithmetic. */
export function fixedInput(size: number, multiplier: number): Float32Array {
  const plane = size * size;
  return Float32Array.from({ length: 3 * plane }, (_, k) => {
    const [x, y, p] = [k % size, Math.floor(k / size) % size, Math.floor(k / plane)];
    return (Math.floor((multiplier * (x * x + 3 * y * (p + 1))) / 64) + x + 2 * y * (p + 1)) % 256;
  });
}
