/** The gateway's environment. */
import { commonConfig, list, secret, whole } from '@pet-roast/shared';
import { z } from 'zod';

export const configSchema = {
  ...commonConfig,
  PORT: whole(0, 65_535).default(8000).describe('Port to listen on, on every address; 0 takes a free one'),
  REDIS_URL: secret(z.string().default('redis://127.0.0.1:6379')).describe('Redis, for the job projections'),
  CORS_ORIGINS: list().default([]).describe('Origins that browsers may call from, separated by commas; `*` for all'),
  TARGET_LANGUAGE: z.string().default('en').describe('Language of the video where the request names none'),
  DETECT_WAIT_MS: whole(0, 25_000).default(5_000).describe('How long a request waits for the verdict on its photo'),
  DETECT_WAITING_MAX: whole(1, 1_000_000)
    .default(200)
    .describe('Photos that may wait for the detector; above, new jobs get 503'),
  ADMIN_TOKEN: secret(z.string().min(16).optional()).describe('Bearer token of `/admin`; unset: nobody gets in'),
  NOTIFIER_URL: z.url().optional().describe('Address of the notifier, for `/api/test-backend-connection`'),
};
