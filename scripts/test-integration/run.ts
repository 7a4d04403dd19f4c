/** The checks of a run, one after the other; what comes of each; and all of it as one report. */
import { createClient, PetRoastError } from '../../packages/client/src/index.ts';
import { blameOfError, wordsOf } from './blame.ts';
import { type Blame, Broken, type Check, type Context, Skipped } from './check.ts';
import { backendAddress, testWebhook } from './checks/backend.ts';
import { delivery } from './checks/delivery.ts';
import { noPet, pet } from './checks/detection.ts';
import { generation, video } from './checks/generation.ts';
import { alive, bridgeReady, ready } from './checks/health.ts';
import { shown } from './http.ts';
import type { Options } from './options.ts';
import { openPhotos } from './photos.ts';
import { redacted } from './redact.ts';

export type CheckResult = {
  readonly id: string;
  readonly title: string;
  readonly status: 'ok' | 'failed' | 'skipped';
  readonly tookMs: number;
  /** What was found, what happened, or why it was skipped. */
  readonly message: string;
  /** Of a failure: who is to blame, and what to look at next. */
  readonly blame: Blame | undefined;
  readonly warnings: readonly string[];
  readonly details: Readonly<Record<string, unknown>>;
};

export type Report = {
  readonly passed: boolean;
  readonly aiServiceUrl: string;
  readonly backendUrl: string | undefined;
  /** ISO 8601. */
  readonly startedAt: string;
  readonly tookMs: number;
  readonly checks: readonly CheckResult[];
};

export type Progress = {
  readonly onStart?: (check: Check) => void;
  readonly onStage?: (stage: string) => void;
  readonly onResult?: (result: CheckResult) => void;
};

/** Of the run's time, for each of the two things that may be left to do when it is up. */
const cleanUpMsMax = 5_000;
/** The job's calls may be tried again: a repeat is the same job, under one Idempotency-Key. */
const retriesMax = 1;

/** Makes every check, within `options.timeoutMs` altogether. Never throws for what a deployment does. */
export async function testDeployment(
  options: Options,
  { signal, ...progress }: Progress & { readonly signal?: AbortSignal } = {},
): Promise<Report> {
  const startedAt = new Date();
  const began = performance.now();
  const cleanUpMs = Math.min(cleanUpMsMax, options.timeoutMs / 8);
  const end = new AbortController();
  const timeUp = new Error(`when the time for the run (--timeout-s ${options.timeoutMs / 1_000}) was up`);
  const timer = setTimeout(() => end.abort(timeUp), options.timeoutMs - 2 * cleanUpMs);
  const either = signal === undefined ? end.signal : AbortSignal.any([end.signal, signal]);
  const results: CheckResult[] = [];
  try {
    await using photos = await openPhotos(options, either);
    const { aiServiceUrl: baseUrl, apiKey } = options;
    const client = createClient({ baseUrl, apiKey, retriesMax });
    const onStage = (stage: string) => progress.onStage?.(stage);
    const context: Context = { options, client, photos, signal: either, cleanUpMs, facts: {}, onStage };
    for (const check of checksFor(options)) {
      progress.onStart?.(check);
      const result = redacted(await resultOf(check, results, context), apiKey);
      results.push(result);
      progress.onResult?.(result);
    }
  } finally {
    clearTimeout(timer);
  }
  return {
    passed: results.every(({ status }) => status !== 'failed'),
    aiServiceUrl: options.aiServiceUrl,
    backendUrl: options.backendUrl === undefined ? undefined : shown(options.backendUrl),
    startedAt: startedAt.toISOString(),
    tookMs: Math.round(performance.now() - began),
    checks: results,
  };
}

/** The photo without a pet is first: it costs nothing, and says whether the detector is there at all. */
function checksFor({ bridgeUrl }: Options): Check[] {
  const bridge = bridgeUrl === undefined ? [] : [bridgeReady];
  return [alive, ready, ...bridge, backendAddress, testWebhook, noPet, pet, generation, delivery, video];
}

async function resultOf(check: Check, before: readonly CheckResult[], context: Context): Promise<CheckResult> {
  const began = performance.now();
  const { id, title } = check;
  const base = { id, title, blame: undefined, warnings: [], details: {} };
  const done = (rest: Pick<CheckResult, 'status' | 'message'> & Partial<CheckResult>): CheckResult => ({
    ...base,
    ...rest,
    tookMs: Math.round(performance.now() - began),
  });
  const missing = before.find((result) => check.needs.includes(result.id) && result.status !== 'ok');
  if (missing !== undefined) {
    const message = missing.status === 'failed' ? `because “${missing.title}” failed` : missing.message;
    return done({ status: 'skipped', message });
  }
  try {
    return done({ status: 'ok', ...(await check.run(context)) });
  } catch (error) {
    if (error instanceof Skipped) return done({ status: 'skipped', message: error.message });
    return done({ status: 'failed', ...failureOf(error, context) });
  }
}

function failureOf(error: unknown, { signal }: Context): Pick<CheckResult, 'message' | 'blame'> & Partial<CheckResult> {
  if (error instanceof Broken) {
    const { message, part, next, details } = error;
    return { message, blame: { part, next }, details };
  }
  if (signal.aborted) {
    const next = ['What came before it took the time: give it more, or look at what was slow.'];
    return {
      message: `No answer ${wordsOf(signal.reason)}.`,
      blame: { part: 'unknown: there was no time left', next },
    };
  }
  if (error instanceof PetRoastError) return { message: wordsOf(error), blame: blameOfError(error) };
  const next = [`${error instanceof Error ? error.stack : error}`];
  return { message: `This tester failed: ${wordsOf(error)}`, blame: { part: 'this tester', next } };
}
