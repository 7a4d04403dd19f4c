import { Permanent, RetryLater } from '@pet-roast/shared';
import { z } from 'zod';
import type { LanguageCode } from '../core/language.ts';
import type { Route } from '../translate.ts';
import { failureOf, isSuccess, type JsonPoster, unreadable } from './post-json.ts';

/** Everything a compute call needs, in the vendor's spelling of the languages. */
export type Pipeline = {
  readonly sourceLanguage: string;
  readonly targetLanguage: string;
  readonly serviceId: string;
  readonly callbackUrl: string;
  readonly key: { readonly name: string; readonly value: string };
};

/**
 * The vendor's configs, one for each language pair, kept for `ttlMs`. Callers who ask at the same time share one call,
 * which none of them can abort for the others. Failures are not kept.
 */
export type Pipelines = {
  /**
   * @throws {Permanent} `language_not_supported` when the vendor has no model for the pair, `translation_failed` when
   *   it refuses the account or the request.
   * @throws {RetryLater} `translation_failed`; also when the answer lacks its endpoint twice, which the service is
   *   known to do for a while when it is asked often.
   */
  readonly get: (route: Route, signal: AbortSignal) => Promise<Pipeline>;
  /** Drops a pipeline that turned out stale, unless a newer one has taken its place. */
  readonly forget: (route: Route, stale: Pipeline) => void;
};

export function createPipelines(options: {
  readonly post: JsonPoster['post'];
  readonly configUrl: string;
  readonly userId: string;
  readonly apiKey: string;
  readonly pipelineId: string;
  readonly ttlMs: number;
  readonly now: () => number;
}): Pipelines {
  const { configUrl, userId, apiKey, pipelineId } = options;
  const cached = new Map<string, { readonly pipeline: Pipeline; readonly expiresAtMs: number }>();
  const inFlight = new Map<string, Promise<Pipeline>>();

  return {
    get: async (route, signal) => {
      const key = keyOf(route);
      const hit = cached.get(key);
      if (hit !== undefined && options.now() < hit.expiresAtMs) return hit.pipeline;

      const shared = inFlight.get(key) ?? ask(route).finally(() => inFlight.delete(key));
      inFlight.set(key, shared);
      return orAborted(shared, signal);
    },
    forget: (route, stale) => {
      if (cached.get(keyOf(route))?.pipeline === stale) cached.delete(keyOf(route));
    },
  };

  async function ask(route: Route): Promise<Pipeline> {
    for (const sourceLanguage of spellingsOf(route.source)) {
      for (const targetLanguage of spellingsOf(route.target)) {
        const pipeline = await askWithSpelling(sourceLanguage, targetLanguage);
        if (pipeline === undefined) continue;
        cached.set(keyOf(route), { pipeline, expiresAtMs: options.now() + options.ttlMs });
        return pipeline;
      }
    }
    const detail = `Bhashini has no model for ${keyOf(route)}`;
    throw new Permanent('language_not_supported', { detail });
  }

  /** Asks twice where the endpoint is missing from an answer that is otherwise whole. */
  async function askWithSpelling(sourceLanguage: string, targetLanguage: string): Promise<Pipeline | undefined> {
    for (let attempt = 1; attempt <= 2; attempt += 1) {
      const config = await askOnce(sourceLanguage, targetLanguage);
      const serviceId = config && serviceFor(config, sourceLanguage, targetLanguage);
      if (config === undefined || serviceId === undefined) return undefined;
      const endpoint = config.pipelineInferenceAPIEndPoint;
      if (endpoint === undefined) continue;
      if (configUrl.startsWith('https:') && !endpoint.callbackUrl.startsWith('https:')) {
        throw new Permanent('translation_failed', { detail: 'Bhashini names an endpoint that is not https' });
      }
      return {
        sourceLanguage,
        targetLanguage,
        serviceId,
        callbackUrl: endpoint.callbackUrl,
        key: endpoint.inferenceApiKey,
      };
    }
    throw new RetryLater('translation_failed', { detail: 'Bhashini config names no endpoint' });
  }

  async function askOnce(sourceLanguage: string, targetLanguage: string): Promise<ConfigAnswer | undefined> {
    const answer = await options.post({
      label: 'Bhashini config',
      url: configUrl,
      headers: { userID: userId, ulcaApiKey: apiKey },
      body: {
        pipelineTasks: [{ taskType: 'translation', config: { language: { sourceLanguage, targetLanguage } } }],
        pipelineRequestConfig: { pipelineId },
      },
    });
    // ULCA's words (its model service, `getModelsPipeline`) for a pair without a model; other 400s are our fault.
    if (answer.status === 400 && answer.text.includes('No supported tasks')) return undefined;
    if (!isSuccess(answer)) {
      throw failureOf(answer, {
        secrets: [userId, apiKey],
        sent: [],
        settings: 'BHASHINI_USER_ID and BHASHINI_API_KEY',
      });
    }
    const parsed = configAnswer.safeParse(answer.json);
    if (!parsed.success) throw unreadable(answer);
    return parsed.data;
  }
}

/** Clients disagree on Konkani's code, so the vendor's own list decides. */
function spellingsOf(code: LanguageCode): readonly string[] {
  return code === 'gom' ? ['gom', 'kok'] : [code];
}

const configAnswer = z.object({
  // Absent or of another shape: then the services below have to speak for themselves.
  languages: z.array(z.object({ sourceLanguage: z.string(), targetLanguageList: z.array(z.string()) })).catch([]),
  pipelineResponseConfig: z.array(
    z.object({
      taskType: z.string(),
      config: z.array(
        z.object({
          serviceId: z.string().min(1),
          language: z.object({ sourceLanguage: z.string(), targetLanguage: z.string() }).partial().optional(),
        }),
      ),
    }),
  ),
  pipelineInferenceAPIEndPoint: z
    .object({
      callbackUrl: z.url({ protocol: /^https?$/ }),
      inferenceApiKey: z.object({ name: z.string().regex(/^[\w-]+$/), value: z.string().regex(/^[\x20-\x7e]+$/) }),
    })
    .optional()
    .catch(undefined),
});

type ConfigAnswer = z.infer<typeof configAnswer>;

/** The service of a pair: `languages` must list the pair, where it is given; an entry that names no language serves any. */
function serviceFor(config: ConfigAnswer, source: string, target: string): string | undefined {
  const isListed = config.languages.some(
    ({ sourceLanguage, targetLanguageList }) => sourceLanguage === source && targetLanguageList.includes(target),
  );
  if (config.languages.length > 0 && !isListed) return undefined;
  return config.pipelineResponseConfig
    .filter(({ taskType }) => taskType === 'translation')
    .flatMap((task) => task.config)
    .find(
      ({ language }) =>
        (language?.sourceLanguage ?? source) === source && (language?.targetLanguage ?? target) === target,
    )?.serviceId;
}

function keyOf({ source, target }: Route): string {
  return `${source} to ${target}`;
}

async function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = Promise.withResolvers<never>();
  const onAbort = () =>
    aborted.reject(new RetryLater('translation_failed', { detail: 'gave up waiting for Bhashini' }));
  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
