import '../../services/detector/src/adapters/no-telemetry.ts';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import sharp from 'sharp';
import { createDetector, type Detector } from '../../services/detector/src/detect.ts';
import { resolveModels } from '../../services/detector/src/models.ts';

export type Work = (bytes: Buffer) => Promise<unknown>;
export type Variants = {
  /** Inference alone; the photo is not looked at. */
  readonly bareRun: Work;
  /** What anybody would write first: decode, resize, pack, run. No bounds, no letterbox, no decision. */
  readonly bareLoop: Work;
  readonly detector: Detector;
  /** Images a second, with so many in work at once. */
  rate(work: Work, photos: readonly Buffer[], atOnce: number): Promise<number>;
  [Symbol.asyncDispose](): Promise<void>;
};

export async function openVariants(): Promise<Variants> {
  const models = await resolveModels(process.env);
  const detector = await createDetector(models);
  const size = models.entry.inputSize;
  const session = await InferenceSession.create(models.path, {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: 'all',
  });
  const input = session.inputNames[0] ?? 'images';
  const infer = (data: Float32Array) => session.run({ [input]: new Tensor('float32', data, [1, 3, size, size]) });
  const prepared = new Float32Array(3 * size * size).fill(114);

  return {
    detector,
    bareRun: () => infer(prepared),
    bareLoop: async (bytes) => {
      const pixels = await sharp(bytes).resize(size, size, { fit: 'fill' }).removeAlpha().raw().toBuffer();
      return await infer(planar(pixels, size * size));
    },
    async rate(work, photos, atOnce) {
      let next = 0;
      const started = performance.now();
      await Promise.all(
        Array.from({ length: atOnce }, async () => {
          for (let bytes = photos[next++]; bytes !== undefined; bytes = photos[next++]) await work(bytes);
        }),
      );
      return (photos.length / (performance.now() - started)) * 1_000;
    },
    async [Symbol.asyncDispose]() {
      await session.release();
      await detector.close();
    },
  };
}

function planar(pixels: Buffer, plane: number): Float32Array {
  const tensor = new Float32Array(3 * plane);
  for (let pixel = 0; pixel < plane; pixel++) {
    tensor[pixel] = pixels[pixel * 3 + 2] ?? 0;
    tensor[plane + pixel] = pixels[pixel * 3 + 1] ?? 0;
    tensor[2 * plane + pixel] = pixels[pixel * 3] ?? 0;
  }
  return tensor;
}
