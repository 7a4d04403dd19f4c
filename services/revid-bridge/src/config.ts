/** The bridge's environment. The render options are those of the vendor's API v3. */
import { type ConfigOf, commonConfig, flag, headerValue, secret, secretList, webUrl, whole } from '@pet-roast/shared';
import { z } from 'zod';

const minute = 60_000;

export const configSchema = {
  ...commonConfig,
  PORT: whole(0, 65_535).default(8001).describe('Port to listen on, on every address; 0 takes a free one'),
  REVID_API_KEY: secret(headerValue()).describe('Revid.ai API key'),
  REVID_BASE_URL: webUrl().default('https://www.revid.ai/api/public/v3').describe('Revid.ai API'),
  BRIDGE_PUBLIC_URL: webUrl().describe(
    'Address at which Revid.ai reaches this service for its callbacks; https outside the sandbox',
  ),
  CALLBACK_SECRET: secret(secretList()).describe(
    'Secret of the callback tokens; several, separated by commas, while rotating: the first one signs, all are accepted',
  ),
  CALLBACK_CONFIRM: flag()
    .default(false)
    .describe('Whether the vendor is asked for each callback that tells of an end, and only its answer counts'),
  RENDER_DEADLINE_MS: whole(1_000, 240 * minute)
    .default(15 * minute)
    .describe('By when a render ends; the vendor names 30 s to 5 min, at most 10 min'),
  SUBMIT_TIMEOUT_MS: whole(100, 40_000).default(30_000).describe('How long a submission may take'),
  SUBMIT_ATTEMPTS_MAX: whole(1, 50)
    .default(6)
    .describe('Submissions of one job that were refused for now before it fails'),
  SUBMIT_RETRY_MS: whole(100, 5 * minute)
    .default(5_000)
    .describe('Wait before a submission that was refused for now is tried again; doubles, up to a minute'),
  POLL_AFTER_MS: whole(100, 10 * minute)
    .default(20_000)
    .describe('How long to wait for a callback before the first poll'),
  POLL_EVERY_MS: whole(100, 5 * minute)
    .default(8_000)
    .describe('Time between polls'),
  REVID_WORKFLOW: z.string().default('script-to-video').describe('Revid.ai workflow'),
  REVID_ASPECT_RATIO: z.string().default('9:16').describe('Aspect ratio; some clients write `9 / 16`'),
  REVID_RESOLUTION: z.string().default('1080p').describe('Resolution'),
  REVID_FRAME_RATE: whole(1, 120).default(30).describe('Frames a second'),
  REVID_VOICE_ENABLED: flag().default(true).describe('Whether a voice reads the roast'),
  REVID_VOICE_ID: z.string().optional().describe('Voice; unset: the vendor’s default'),
  REVID_VOICE_SPEED: z.coerce.number().min(0.25).max(4).default(1).describe('Speed of the voice'),
  REVID_CAPTIONS_ENABLED: flag().default(true).describe('Whether the roast is shown as captions'),
  REVID_CAPTIONS_PRESET: z.string().default('Wrap 1').describe('Style of the captions'),
  REVID_CAPTIONS_POSITION: z.string().default('bottom').describe('Position of the captions'),
  REVID_ANIMATION: z.string().default('soft').describe('How the photo moves'),
  REVID_EXTRA: z
    .string()
    .default('{}')
    .transform((value, context) => {
      const json = parseObject(value);
      if (json === undefined) context.addIssue({ code: 'custom', message: 'must be a JSON object' });
      return json ?? z.NEVER;
    })
    .describe('JSON object laid over the render request, for every other option of the vendor’s'),
};

export type BridgeConfig = ConfigOf<typeof configSchema>;

function parseObject(value: string): Record<string, unknown> | undefined {
  try {
    const json: unknown = JSON.parse(value);
    return typeof json === 'object' && json !== null && !Array.isArray(json) ? { ...json } : undefined;
  } catch {
    return undefined;
  }
}
