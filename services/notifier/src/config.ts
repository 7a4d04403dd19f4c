/** The notifier's environment. */
import { commonConfig, list, plainHttpFault, secret, webUrl, whole } from '@pet-roast/shared';
import { z } from 'zod';

const minute = 60_000;

export const configSchema = {
  ...commonConfig,
  PORT: whole(0, 65_535).default(8002).describe('Port to listen on, on every address; 0 takes a free one'),
  BACKEND_WEBHOOK_URL: webUrl()
    .transform(withDefaultPath)
    .optional()
    .describe('The backend’s webhook, https outside the sandbox; without a path, `/webhooks/pet-roast-complete`'),
  BACKEND_WEBHOOK_SECRET: secret(
    z
      .string()
      .pipe(list())
      .refine((secrets) => secrets.length > 0 && secrets.every((s) => /^whsec_[A-Za-z0-9+/]{32,}={0,2}$/.test(s)), {
        message: 'must be `whsec_` and at least 24 bytes in base64 (several while rotating, separated by commas)',
      }),
  ).describe(
    'Secret that signs the webhooks, `whsec_…`; several, separated by commas, while rotating: all of them sign',
  ),
  WEBHOOK_ATTEMPTS_MAX: whole(1, 50).default(3).describe('Attempts to deliver a webhook'),
  WEBHOOK_TIMEOUT_MS: whole(100, 20_000).default(15_000).describe('Time for one attempt'),
  WEBHOOK_WAITS_MS: list()
    .transform((values) => values.map(Number))
    .pipe(
      z
        .array(
          z
            .number()
            .int()
            .min(0)
            .max(24 * 60 * minute),
        )
        .min(1),
    )
    .default([1_000, 2_000, 3_000])
    .describe('Waits between attempts in ms, separated by commas; the last one repeats'),
  CIRCUIT_FAILURES: whole(1, 1_000).default(10).describe('Failures in a row after which the backend counts as down'),
  CIRCUIT_OPEN_MS: whole(100, 10 * minute)
    .default(30_000)
    .describe('How long a backend that is down is left alone'),
  WEBHOOK_HOLD_MS: whole(0, 24 * 60 * minute)
    .default(10 * minute)
    .describe('How long a webhook waits for a backend that is down before it is given up'),
};

export const whyHttps = 'by http, whoever is on the way can read the webhooks';

/** What is wrong with the address of webhooks outside the sandbox, as a sentence without its beginning; else nothing. */
export function webhookUrlFault(url: string): string | undefined {
  return plainHttpFault(url, whyHttps);
}

function withDefaultPath(value: string): string {
  const url = new URL(value);
  if (url.pathname === '/') url.pathname = '/webhooks/pet-roast-complete';
  return url.href;
}
