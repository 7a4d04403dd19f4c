/** The detector's environment. */
import { commonConfig, pemFile, redisUrl, secret, whole } from '@pet-roast/shared';
import { z } from 'zod';

export const configSchema = {
  ...commonConfig,
  PORT: whole(0, 65_535).default(8003).describe('Port to listen on, on every address; 0 takes a free one'),
  MODEL_NAME: z
    .string()
    .optional()
    .describe(
      'Model of the manifest `services/detector/models.json`; unset: yolox-nano, or the embedded pet-nano where that cannot be had',
    ),
  MODEL_PATH: z.string().optional().describe('The model’s file; nothing else is tried then'),
  MODEL_SECOND_NAME: z
    .string()
    .optional()
    .describe('Model of the further looks, or `none`; unset: the one that the manifest names for the first'),
  MODEL_SECOND_PATH: z
    .string()
    .optional()
    .describe(
      'Its file; unset: beside `MODEL_PATH`, the cache, the mirror, and the download unless `MODEL_PATH` is set',
    ),
  MODEL_MIRROR: z
    .string()
    .optional()
    .describe('Folder or address where model files are looked for before the official one'),
  MODEL_CACHE_DIR: z.string().optional().describe('Where downloaded models are kept; unset: `.cache/models`'),
  DETECT_SCORE_MIN: z.coerce
    .number()
    .min(0.01)
    .max(0.99)
    .default(0.3)
    .describe('Score from which an animal counts, in every look'),
  DETECT_THREADS: whole(1, 64).default(1).describe('Threads for one photo'),
  IMAGE_BYTES_MAX: whole(1_000, 200_000_000).default(20_000_000).describe('Largest photo, in bytes'),
  IMAGE_PIXELS_MAX: whole(10_000, 500_000_000).default(50_000_000).describe('Largest photo, in pixels'),
  IMAGE_WHOLE_PIXELS_MAX: whole(10_000, 500_000_000)
    .default(16_000_000)
    .describe('Largest AVIF (or HEIC) photo, in pixels: decoding one takes 20 bytes of memory for each'),
  IMAGE_DECODE_TIMEOUT_MS: whole(1_000, 9_000)
    .default(8_000)
    .describe('Time for one decoding of the photo; it has up to two'),
  IMAGE_FETCH_TIMEOUT_MS: whole(100, 15_000).default(8_000).describe('Time for one download of the photo'),
  REDIS_URL: secret(redisUrl().optional()).describe(
    'Redis, for what was seen in which photo: `redis://:PASSWORD@HOST:PORT`; unset: every photo is looked at',
  ),
  REDIS_TLS_CA_FILE: pemFile('certificate')
    .optional()
    .describe('PEM file of the authority that signed Redis’ certificate; unset: those that Node.js trusts'),
  DETECT_CACHE_TTL_MS: whole(1_000, 30 * 86_400_000)
    .default(86_400_000)
    .describe('How long it is remembered what was seen in a photo'),
  DETECT_CACHE_ENTRIES_MAX: whole(1, 10_000_000)
    .default(100_000)
    .describe('Photos and addresses that are remembered, about 1 kB of Redis’ memory each'),
};
