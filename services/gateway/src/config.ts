/** The gateway's environment. */
import {
  commonConfig,
  isLanguage,
  list,
  pemFile,
  redisUrl,
  secret,
  secretList,
  webUrl,
  whole,
} from '@pet-roast/shared';
import { z } from 'zod';
import { apiKeys } from './callers.ts';

export const configSchema = {
  ...commonConfig,
  PORT: whole(0, 65_535).default(8000).describe('Port to listen on, on every address; 0 takes a free one'),
  REDIS_URL: secret(redisUrl().default('redis://127.0.0.1:6379')).describe(
    'Redis, for the job projections: `redis://:PASSWORD@HOST:PORT`; with `rediss://` the connection is encrypted',
  ),
  REDIS_TLS_CA_FILE: pemFile('certificate')
    .optional()
    .describe('PEM file of the authority that signed Redis’ certificate; unset: those that Node.js trusts'),
  API_KEYS: secret(apiKeys().optional()).describe(
    'Who may call: `name:secret`, separated by commas, each secret of 24 characters or more; several may have one name, the owner of its jobs. Required outside the sandbox, open without it inside',
  ),
  RATE_LIMIT_JOBS_PER_MINUTE: whole(0, 1_000_000)
    .optional()
    .describe('New jobs a minute of each caller; unset: 60, without keys as many as come; 0: as many as come'),
  RATE_LIMIT_READS_PER_MINUTE: whole(0, 1_000_000)
    .optional()
    .describe('Other requests a minute of each caller; unset: 1200, without keys as many as come; 0: as many as come'),
  OPEN_JOBS_MAX: whole(1, 100_000)
    .default(100)
    .describe('Jobs of each caller that may be open at once; without keys not counted'),
  GATEWAY_PUBLIC_URL: webUrl()
    .optional()
    .describe(
      'Address at which Revid.ai reaches this service for uploaded photos, https outside the sandbox; unset: none can be uploaded',
    ),
  PHOTO_URL_SECRET: secret(secretList().optional()).describe(
    'Secret of the addresses of uploaded photos; several, separated by commas, while rotating: the first one signs, all are accepted. Needed with `GATEWAY_PUBLIC_URL`',
  ),
  PHOTO_STORE_BYTES_MAX: whole(1_000_000, 1e12)
    .default(1_000_000_000)
    .describe('Bytes of NATS’ disk for uploaded photos; uploads are refused from four fifths of it on'),
  IMAGE_BYTES_MAX: whole(1_000, 200_000_000)
    .default(20_000_000)
    .describe('Largest photo that can be uploaded, in bytes; the detector has its own bound'),
  CORS_ORIGINS: list()
    .refine((origins) => origins.every((one) => /^(\*|null|[a-z][a-z0-9+.-]*:\/\/[^/?#\s]+)$/.test(one)), {
      message: 'has to be `*` or origins such as https://app.example.com, with nothing behind the host and port',
    })
    .default([])
    .describe('Origins that browsers may call from, separated by commas; `*` for all'),
  TARGET_LANGUAGE: z
    .string()
    .refine(isLanguage, 'must be the ISO code of a supported language, such as `en`')
    .default('en')
    .describe('Language of the video where the request names none'),
  DETECT_WAIT_MS: whole(0, 25_000).default(5_000).describe('How long a request waits for the verdict on its photo'),
  DETECT_WAITING_MAX: whole(1, 1_000_000)
    .default(200)
    .describe('Photos that may wait for the detector; above, new jobs get 503'),
  ADMIN_TOKEN: secret(z.string().min(16).optional()).describe('Bearer token of `/admin`; unset: nobody gets in'),
  NOTIFIER_URL: webUrl().optional().describe('Address of the notifier, for `/api/test-backend-connection`'),
};
