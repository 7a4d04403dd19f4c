import { Permanent, RetryLater } from '@pet-roast/shared';
import { z } from 'zod';
import type { Route, Translator } from '../translate.ts';
import { createPipelines, type Pipeline } from './bhashini-pipelines.ts';
import { createJsonPoster, failureOf, isSuccess, type JsonAnswer, unreadable } from './post-json.ts';

/**
 * Bhashini, the Indian government's translation service, in its two steps: a *config* call tells which model serves a
 * language pair, where, and with which key (`bhashini-pipelines.ts`, cached), and a *compute* call translates.
 * Bodies as bhashini.gitbook.io documents them.
 */
export type BhashiniOptions = {
  readonly configUrl?: string;
  readonly userId: string;
  readonly apiKey: string;
  readonly pipelineId?: string;
  /** For each HTTP call as a whole. */
  readonly requestTimeoutMs?: number;
  /** How long a config is used before it is asked for again. */
  readonly configTtlMs?: number;
  readonly now?: () => number;
};

export const bhashiniConfigUrlDefault = 'https://meity-auth.ulcacontrib.org/ulca/apis/v0/model/getModelsPipeline';
/** MeitY's pipeline; its translations are AI4Bharat's IndicTrans2. */
export const bhashiniPipelineIdDefault = '64392f96daac500b55c543cd';

const requestTimeoutMsDefault = 20_000;
const configTtlMsDefault = 30 * 60_000;
/** Dhruva, the server behind it, works in batches of 90. */
const inputsPerCallMax = 90;

/** Refuses at once a configuration URL that is not http(s). The caller closes it. */
export function createBhashini(options: BhashiniOptions): Translator & { readonly close: () => Promise<void> } {
  const poster = createJsonPoster(options.requestTimeoutMs ?? requestTimeoutMsDefault);
  const pipelines = createPipelines({
    post: poster.post,
    configUrl: z.url({ protocol: /^https?$/ }).parse(options.configUrl ?? bhashiniConfigUrlDefault),
    userId: options.userId,
    apiKey: options.apiKey,
    pipelineId: options.pipelineId ?? bhashiniPipelineIdDefault,
    ttlMs: options.configTtlMs ?? configTtlMsDefault,
    now: options.now ?? Date.now,
  });

  return {
    provider: 'bhashini',
    translateBatch: async (pieces, route, signal) => {
      const translated: string[] = [];
      // One call after the other: the service is shared and answers haste with 429.
      for (let start = 0; start < pieces.length; start += inputsPerCallMax) {
        translated.push(...(await translate(pieces.slice(start, start + inputsPerCallMax), route, signal)));
      }
      return translated;
    },
    close: poster.close,
  };

  async function translate(pieces: readonly string[], route: Route, signal: AbortSignal): Promise<string[]> {
    let pipeline = await pipelines.get(route, signal);
    let answer = await compute(pipeline, pieces, signal);
    // The key has been replaced, or the model moved: the config that said so is stale.
    if (answer.status === 401 || answer.status === 404) {
      pipelines.forget(route, pipeline);
      pipeline = await pipelines.get(route, signal);
      answer = await compute(pipeline, pieces, signal);
    }
    if (!isSuccess(answer)) {
      const secrets = [options.userId, options.apiKey, pipeline.key.value];
      throw failureOf(answer, { secrets, sent: pieces, settings: 'BHASHINI_USER_ID and BHASHINI_API_KEY' });
    }
    return targetsOf(answer, pieces.length);
  }

  function compute(pipeline: Pipeline, pieces: readonly string[], signal: AbortSignal): Promise<JsonAnswer> {
    const { sourceLanguage, targetLanguage, serviceId, key, callbackUrl } = pipeline;
    const config = { language: { sourceLanguage, targetLanguage }, serviceId };
    return poster.post({
      label: 'Bhashini compute',
      url: callbackUrl,
      headers: { [key.name]: key.value },
      body: {
        pipelineTasks: [{ taskType: 'translation', config }],
        // Some deployments want `audio` to be there, even of a task that has none.
        inputData: { input: pieces.map((source) => ({ source })), audio: [{ audioContent: null }] },
      },
      signal,
    });
  }
}

const computeAnswer = z.object({
  pipelineResponse: z.array(z.object({ output: z.array(z.object({ target: z.string() })) })),
});

function targetsOf(answer: JsonAnswer, expected: number): string[] {
  const parsed = computeAnswer.safeParse(answer.json);
  if (!parsed.success) throw unreadable(answer);
  const [first] = parsed.data.pipelineResponse;
  // Dhruva's way of saying that it has no such task chain is 200 and nothing.
  if (first === undefined) {
    throw new Permanent('language_not_supported', { detail: 'Bhashini answered with an empty pipeline' });
  }
  if (first.output.length !== expected) {
    const detail = `Bhashini answered ${first.output.length} translations for ${expected} inputs`;
    throw new RetryLater('translation_failed', { detail });
  }
  return first.output.map(({ target }) => target);
}
