/** The command line: what may be given, what it means, and what is wrong with it. */
import { accessSync, constants } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { normalizeBaseUrl } from '../../packages/client/src/base-url.ts';

export type Options = {
  /** The gateway, without `/api` and without a slash at the end. */
  readonly aiServiceUrl: string;
  readonly backendUrl: string | undefined;
  readonly bridgeUrl: string | undefined;
  readonly imageUrl: string | undefined;
  readonly noPetImageUrl: string | undefined;
  readonly apiKey: string | undefined;
  readonly text: string;
  /** Whether a video is made, and paid. */
  readonly generation: boolean;
  readonly json: boolean;
  /** Where the JUnit file is to lie, absolute. */
  readonly junit: string | undefined;
  /** For the whole run. */
  readonly timeoutMs: number;
  /** How long a job may stand at any stage but `rendering`. */
  readonly stageTimeoutMs: number;
};

/** The command line is wrong; the message says how. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** In Hindi, so that AI4Bharat has something to do. "My dog is very lazy." */
export const textDefault = 'मेरा कुत्ता बहुत आलसी है।';
const timeoutSDefault = 600;
/** A photo takes seconds, a text up to half a minute, a backend that is slow 48 s. */
const stageTimeoutSDefault = 120;
const daySeconds = 86_400;
const urlCharsMax = 2_048;
const textCharsMax = 5_000;

export const usage = `Tests a deployment of Pet Roast from outside, and names what is broken.

  npm run test:integration -- --ai-service-url URL --backend-url URL [options]

  --ai-service-url URL     the gateway, with or without /api
  --backend-url URL        the app's backend; asked whether it answers from here
  --bridge-url URL         the revid-bridge, where Revid.ai calls it; its health is looked at too
  --image-url URL          a photo with a pet, at an address that the detector and Revid.ai reach; needed for a
                           service that is not on this machine or network (there it is served from here)
  --no-pet-image-url URL   a picture without one, likewise; unless given, its refusal is not tested
  --text TEXT              the roast; a line of Hindi unless given, so that the translation is tested too
  --api-key KEY            sent as a bearer token; better: the variable PET_ROAST_API_KEY, which no process list shows
  --no-generation          makes no video: a whole generation costs what one video costs at Revid.ai
  --timeout-s N            seconds for the whole run (${timeoutSDefault})
  --stage-timeout-s N      seconds that a job may stand at one stage, rendering aside (${stageTimeoutSDefault})
  --json                   one JSON document on stdout, and nothing else there (npm's own lines aside: npm run --silent …)
  --junit FILE             writes a JUnit file as well
  --help

The backend gets a test webhook, and one for each job that is accepted: one, or two where a picture without a pet is
wrongly accepted. What must not become a video is sent with a text that no translator takes, and cancelled; that can
leave a dead letter language_not_supported.
Exit code: 0 nothing failed, 1 something failed, 2 the command line is wrong.`;

/** Reads the arguments; undefined where help is asked for. Throws `UsageError`. */
export function parseOptions(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>> = {},
): Options | undefined {
  const values = parse(args);
  if (values.help) return undefined;
  const service = values['ai-service-url'];
  if (service === undefined) throw new UsageError('--ai-service-url is missing.');
  const apiKey = values['api-key'] ?? (env['PET_ROAST_API_KEY'] || undefined);
  if (apiKey !== undefined && !/^[\x21-\x7e]+$/.test(apiKey)) {
    throw new UsageError('The API key must be visible ASCII characters, without spaces or line breaks.');
  }
  const text = (values.text ?? textDefault).trim();
  if (text === '' || text.length > textCharsMax)
    throw new UsageError(`--text must have 1 to ${textCharsMax} characters.`);
  return {
    aiServiceUrl: base('--ai-service-url', service),
    backendUrl: optional('--backend-url', values['backend-url'], address),
    bridgeUrl: optional('--bridge-url', values['bridge-url'], base),
    imageUrl: optional('--image-url', values['image-url'], address),
    noPetImageUrl: optional('--no-pet-image-url', values['no-pet-image-url'], address),
    apiKey,
    text,
    generation: !values['no-generation'],
    json: values.json,
    junit: optional('--junit', values.junit, writable),
    timeoutMs: seconds('--timeout-s', values['timeout-s'], timeoutSDefault),
    stageTimeoutMs: seconds('--stage-timeout-s', values['stage-timeout-s'], stageTimeoutSDefault),
  };
}

function parse(args: readonly string[]) {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean', default: false } as const;
  try {
    return parseArgs({
      args: [...args],
      options: {
        ...{ 'ai-service-url': text, 'backend-url': text, 'bridge-url': text, text, 'api-key': text, junit: text },
        ...{ 'image-url': text, 'no-pet-image-url': text, 'timeout-s': text, 'stage-timeout-s': text },
        ...{ 'no-generation': flag, json: flag, help: flag },
      },
    }).values;
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    // Not shown: it may be a key that has lost its flag.
    if (code === 'ERR_PARSE_ARGS_UNEXPECTED_POSITIONAL') throw new UsageError('There is a value without a flag.');
    throw new UsageError(message);
  }
}

function optional<T>(flag: string, value: string | undefined, read: (flag: string, value: string) => T): T | undefined {
  return value === undefined ? undefined : read(flag, value);
}

/** Values are not shown in what is wrong with them: an address may hold a password. */
function address(flag: string, value: string): string {
  const url = URL.parse(value);
  const isHttp = url?.protocol === 'http:' || url?.protocol === 'https:';
  if (!url || !isHttp || url.username !== '' || url.password !== '' || value.length > urlCharsMax) {
    throw new UsageError(`${flag} must be an http(s) address without credentials, such as https://example.com.`);
  }
  return url.href;
}

function base(flag: string, value: string): string {
  try {
    return normalizeBaseUrl(value);
  } catch {
    throw new UsageError(
      `${flag} must be an http(s) address without credentials or a query, such as https://example.com.`,
    );
  }
}

function seconds(flag: string, value: string | undefined, byDefault: number): number {
  const number = value === undefined ? byDefault : Number(value);
  if (!(number >= 1 && number <= daySeconds)) throw new UsageError(`${flag} must be 1 to ${daySeconds} seconds.`);
  return number * 1_000;
}

/** Found out now rather than after a paid video. */
function writable(flag: string, value: string): string {
  const path = resolve(value);
  try {
    accessSync(dirname(path), constants.W_OK);
  } catch {
    throw new UsageError(`${flag}: the folder of ${value} is not there, or cannot be written to.`);
  }
  return path;
}
