import { afterEach, describe, expect, it } from 'vitest';
import { type BhashiniOptions, createBhashini } from '../src/adapters/bhashini.ts';
import { createPipelines } from '../src/adapters/bhashini-pipelines.ts';
import type { Route } from '../src/translate.ts';
import { type Answer, type Call, startVendor } from './vendor-server.ts';

const hindiToEnglish: Route = { source: 'hi', target: 'en' };
const never = new AbortController().signal;
const userId = 'user-id-7f3a';
const apiKey = 'ulca-api-key-91bc';
const inferenceKey = 'inference-key-55de';

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

describe('bhashini', () => {
  it('asks for the pair’s config, then computes with the service, address and key that it names', async () => {
    const { vendor, translateBatch } = await start();
    expect(await translateBatch(['एक', 'दो'], hindiToEnglish, never)).toEqual(['en:एक', 'en:दो']);

    const [config, compute] = vendor.calls;
    expect(config).toMatchObject({ path: '/getModelsPipeline', method: 'POST' });
    expect(config?.headers).toMatchObject({ userid: userId, ulcaapikey: apiKey, 'content-type': 'application/json' });
    expect(config?.body).toEqual({
      pipelineTasks: [
        { taskType: 'translation', config: { language: { sourceLanguage: 'hi', targetLanguage: 'en' } } },
      ],
      pipelineRequestConfig: { pipelineId: '64392f96daac500b55c543cd' },
    });
    expect(compute).toMatchObject({ path: '/services/inference/pipeline?v=1', method: 'POST' });
    expect(compute?.headers).toMatchObject({ authorization: inferenceKey });
    expect(compute?.headers).not.toHaveProperty('ulcaapikey');
    expect(compute?.body).toEqual({
      pipelineTasks: [
        {
          taskType: 'translation',
          config: { language: { sourceLanguage: 'hi', targetLanguage: 'en' }, serviceId: 'service-hi-en' },
        },
      ],
      inputData: { input: [{ source: 'एक' }, { source: 'दो' }], audio: [{ audioContent: null }] },
    });
  });

  it('sends at most 90 inputs a call and keeps their order', async () => {
    const { vendor, translateBatch } = await start();
    const pieces = Array.from({ length: 200 }, (_, index) => `टुकड़ा ${index}`);
    expect(await translateBatch(pieces, hindiToEnglish, never)).toEqual(pieces.map((piece) => `en:${piece}`));
    const sizes = vendor.callsTo(computePath).map((call) => call.body.inputData.input.length);
    expect(sizes).toEqual([90, 90, 20]);
    expect(vendor.inFlightMost()).toBe(1);
  });

  describe('config', () => {
    it('is asked for once by callers who come together, and again for another pair', async () => {
      const { vendor, translateBatch } = await start();
      await Promise.all(Array.from({ length: 10 }, () => translateBatch(['एक'], hindiToEnglish, never)));
      expect(vendor.callsTo(configPath)).toHaveLength(1);
      await translateBatch(['ஒன்று'], { source: 'ta', target: 'en' }, never);
      expect(vendor.callsTo(configPath)).toHaveLength(2);
    });

    it('is kept until its time is over', async () => {
      let nowMs = 0;
      const { vendor, translateBatch } = await start({}, { configTtlMs: 1_000, now: () => nowMs });
      await translateBatch(['एक'], hindiToEnglish, never);
      nowMs = 999;
      await translateBatch(['एक'], hindiToEnglish, never);
      expect(vendor.callsTo(configPath)).toHaveLength(1);
      nowMs = 1_000;
      await translateBatch(['एक'], hindiToEnglish, never);
      expect(vendor.callsTo(configPath)).toHaveLength(2);
    });

    it('call survives the caller who started it', async () => {
      const asked = Promise.withResolvers<void>();
      const answered = Promise.withResolvers<void>();
      const { vendor, translateBatch } = await start({
        config: async (call) => {
          asked.resolve();
          await answered.promise;
          return { body: configFor(call, vendorUrl) };
        },
      });
      const impatient = new AbortController();
      const first = translateBatch(['एक'], hindiToEnglish, impatient.signal);
      await asked.promise;
      const second = translateBatch(['दो'], hindiToEnglish, never);
      impatient.abort();
      await expect(first).rejects.toMatchObject({ name: 'RetryLater', code: 'translation_failed' });
      answered.resolve();
      expect(await second).toEqual(['en:दो']);
      expect(vendor.callsTo(configPath)).toHaveLength(1);
    });

    it('failure is not kept', async () => {
      let failures = 1;
      const { translateBatch } = await start({
        config: (call) => (failures-- > 0 ? { status: 503 } : { body: configFor(call, vendorUrl) }),
      });
      await expect(translateBatch(['एक'], hindiToEnglish, never)).rejects.toMatchObject({ name: 'RetryLater' });
      expect(await translateBatch(['एक'], hindiToEnglish, never)).toEqual(['en:एक']);
    });

    it.each([401, 404])('is refreshed once when compute answers %i', async (status) => {
      let stale = true;
      const { vendor, translateBatch } = await start({
        compute: (call) => {
          if (!stale) return { body: translationsOf(call) };
          stale = false;
          return { status, body: { detail: { message: 'Not authenticated' } } };
        },
      });
      expect(await translateBatch(['एक'], hindiToEnglish, never)).toEqual(['en:एक']);
      expect(vendor.calls.map((call) => call.path)).toEqual([configPath, computePath, configPath, computePath]);
    });

    it('is not refreshed a second time', async () => {
      const { vendor, translateBatch } = await start({ compute: () => ({ status: 401, body: 'no' }) });
      await expect(translateBatch(['एक'], hindiToEnglish, never)).rejects.toMatchObject({
        name: 'Permanent',
        code: 'translation_failed',
        message: expect.stringContaining('BHASHINI_API_KEY'),
      });
      expect(vendor.calls).toHaveLength(4);
    });

    it('without an endpoint is asked for once more, then later', async () => {
      let missing = 1;
      const { vendor, translateBatch } = await start({
        config: (call) => ({
          body: {
            ...configFor(call, vendorUrl),
            ...(missing-- > 0 ? { pipelineInferenceAPIEndPoint: undefined } : {}),
          },
        }),
      });
      expect(await translateBatch(['एक'], hindiToEnglish, never)).toEqual(['en:एक']);
      expect(vendor.callsTo(configPath)).toHaveLength(2);

      missing = 2;
      await expect(translateBatch(['ஒன்று'], { source: 'ta', target: 'en' }, never)).rejects.toMatchObject({
        name: 'RetryLater',
        code: 'translation_failed',
      });
    });

    it('with an endpoint that is no web address, or a key that is no header, has none', async () => {
      const { translateBatch } = await start({
        config: (call) => {
          const config = configFor(call, vendorUrl);
          const inferenceApiKey = { name: 'Authorization', value: 'line\nbreak' };
          return {
            body: {
              ...config,
              pipelineInferenceAPIEndPoint: { ...config.pipelineInferenceAPIEndPoint, inferenceApiKey },
            },
          };
        },
      });
      await expect(translateBatch(['एक'], hindiToEnglish, never)).rejects.toMatchObject({ name: 'RetryLater' });
    });

    it('whose languages list spells Konkani kok is believed', async () => {
      const { vendor, translateBatch } = await start({
        config: (call) => ({
          body: { ...configFor(call, vendorUrl), languages: [{ sourceLanguage: 'kok', targetLanguageList: ['en'] }] },
        }),
      });
      expect(await translateBatch(['एक'], { source: 'gom', target: 'en' }, never)).toEqual(['en:एक']);
      expect(vendor.callsTo(computePath)[0]?.body.pipelineTasks[0].config.language.sourceLanguage).toBe('kok');
    });

    it('that knows Konkani as gom is asked once', async () => {
      const { vendor, translateBatch } = await start();
      await translateBatch(['एक'], { source: 'gom', target: 'en' }, never);
      expect(vendor.calls.map((call) => call.path)).toEqual([configPath, computePath]);
    });

    it.each<[string, (call: Call) => Answer]>([
      [
        'refuses the pair as ULCA does',
        () => ({ status: 400, body: { message: 'No supported tasks found for this request!!' } }),
      ],
      [
        'does not list the pair',
        (call) => ({
          body: { ...configFor(call, ''), languages: [{ sourceLanguage: 'hi', targetLanguageList: ['ta'] }] },
        }),
      ],
      ['has services for other pairs only', (call) => ({ body: configFor(call, '', { sourceLanguage: 'bn' }) })],
    ])('that %s means that the language is not supported', async (_what, config) => {
      const { translateBatch } = await start({ config });
      await expect(translateBatch(['एक'], hindiToEnglish, never)).rejects.toMatchObject({
        name: 'Permanent',
        code: 'language_not_supported',
      });
    });

    it('without a languages list is taken by its services', async () => {
      const { translateBatch } = await start({
        config: (call) => ({ body: { ...configFor(call, vendorUrl), languages: 'see documentation' } }),
      });
      expect(await translateBatch(['एक'], hindiToEnglish, never)).toEqual(['en:एक']);
    });
  });

  it('takes an empty pipelineResponse for a language that is not supported', async () => {
    const { translateBatch } = await start({ compute: () => ({ body: { pipelineResponse: [] } }) });
    await expect(translateBatch(['एक'], hindiToEnglish, never)).rejects.toMatchObject({
      name: 'Permanent',
      code: 'language_not_supported',
    });
  });

  describe.each(['config', 'compute'] as const)('%s', (step) => {
    const failing = (answer: Answer) => start({ [step]: () => answer });

    it.each([429, 500, 502, 503, 408])('answering %i is a reason to retry, when the vendor says', async (status) => {
      const { translateBatch } = await failing({
        status,
        body: { detail: { kind: 'DHRUVA-101', message: 'Request failed. Please try again.' } },
        headers: { 'retry-after': '3' },
      });
      await expect(translateBatch(['एक'], hindiToEnglish, never)).rejects.toMatchObject({
        name: 'RetryLater',
        code: 'translation_failed',
        retryAfterMs: 3_000,
      });
    });

    it.each([400, 403, 413, 422, 302])('answering %i is final', async (status) => {
      const { translateBatch } = await failing({ status, body: 'bad request' });
      await expect(translateBatch(['एक'], hindiToEnglish, never)).rejects.toMatchObject({
        name: 'Permanent',
        code: 'translation_failed',
      });
    });

    it.each([
      ['a page', '<html>maintenance</html>'],
      ['null', 'null'],
      ['something else', { message: 'ok' }],
      ['too much', `"${'x'.repeat(2_000_001)}"`],
    ])('answering 200 with %s is a reason to retry', async (_what, body) => {
      const { translateBatch } = await failing({ body });
      await expect(translateBatch(['एक'], hindiToEnglish, never)).rejects.toMatchObject({
        name: 'RetryLater',
        code: 'translation_failed',
      });
    });

    it('answering nothing is a reason to retry, after the time-out', async () => {
      const { translateBatch } = await start(
        { [step]: () => new Promise<Answer>(() => {}) },
        { requestTimeoutMs: 200 },
      );
      await expect(translateBatch(['एक'], hindiToEnglish, never)).rejects.toMatchObject({
        name: 'RetryLater',
        message: expect.stringContaining('TimeoutError'),
      });
    });

    it('is given up when the caller’s deadline passes', async () => {
      const { translateBatch } = await start({ [step]: () => new Promise<Answer>(() => {}) });
      await expect(translateBatch(['एक'], hindiToEnglish, AbortSignal.timeout(100))).rejects.toMatchObject({
        name: 'RetryLater',
        code: 'translation_failed',
      });
    });

    it('tells no secret in its errors, also when the vendor echoes them', async () => {
      const secrets = [userId, apiKey, ...(step === 'compute' ? [inferenceKey] : [])];
      for (const secret of secrets) {
        // Placed so that a cut after 200 characters would leave half of it.
        const { translateBatch } = await failing({ status: 400, body: `${'x'.repeat(190)}${secret}` });
        const error = await translateBatch(['एक'], hindiToEnglish, never).catch((thrown: unknown) => thrown);
        expect(error).toMatchObject({ name: 'Permanent', message: expect.stringContaining('xxx***') });
        expect(`${String(error)} ${JSON.stringify(error)}`).not.toContain(secret.slice(0, 6));
        expect(error).toMatchObject({ cause: undefined });
      }
    });
  });

  it('takes fewer translations than inputs for a reason to retry', async () => {
    const { translateBatch } = await start({
      compute: () => ({ body: { pipelineResponse: [{ taskType: 'translation', output: [{ target: 'One' }] }] } }),
    });
    await expect(translateBatch(['एक', 'दो'], hindiToEnglish, never)).rejects.toMatchObject({ name: 'RetryLater' });
  });

  it('takes an unreachable vendor for a reason to retry', async () => {
    const { vendor, translateBatch } = await start();
    await vendor[Symbol.asyncDispose]();
    await expect(translateBatch(['एक'], hindiToEnglish, never)).rejects.toMatchObject({
      name: 'RetryLater',
      message: expect.stringContaining('ECONNREFUSED'),
    });
  });

  it('sends its key to no plain http address that an https config names', async () => {
    const call: Call = {
      ...{ path: configPath, method: 'POST', headers: {} },
      body: { pipelineTasks: [{ config: { language: { sourceLanguage: 'hi', targetLanguage: 'en' } } }] },
    };
    const pipelines = createPipelines({
      post: async ({ label }) => {
        const json = configFor(call, 'http://inference.test');
        return { label, status: 200, text: '', json, retryAfterMs: undefined };
      },
      ...{ configUrl: 'https://config.test/', userId, apiKey, pipelineId: 'p', ttlMs: 1_000, now: Date.now },
    });
    await expect(pipelines.get(hindiToEnglish, never)).rejects.toMatchObject({
      name: 'Permanent',
      code: 'translation_failed',
    });
  });

  it('refuses a configuration URL that is none', () => {
    expect(() => createBhashini({ configUrl: 'bhashini', userId, apiKey })).toThrow();
  });
});

const configPath = '/getModelsPipeline';
const computePath = '/services/inference/pipeline?v=1';
let vendorUrl = '';

type Step = (call: Call) => Answer | Promise<Answer>;

async function start(
  steps: { readonly config?: Step; readonly compute?: Step } = {},
  options: Partial<BhashiniOptions> = {},
) {
  const config = steps.config ?? ((call) => ({ body: configFor(call, vendorUrl) }));
  const compute = steps.compute ?? ((call) => ({ body: translationsOf(call) }));
  const vendor = await startVendor((call) => (call.path === configPath ? config(call) : compute(call)));
  vendorUrl = vendor.url;
  const bhashini = createBhashini({ configUrl: `${vendor.url}${configPath}`, userId, apiKey, ...options });
  closers.push(vendor[Symbol.asyncDispose], bhashini.close);
  return { vendor, translateBatch: bhashini.translateBatch };
}

/** As ULCA answers: the pair's service among others, the list of pairs, and where to compute. */
function configFor(call: Call, url: string, otherLanguage: object = {}) {
  const language = call.body.pipelineTasks[0].config.language;
  const { sourceLanguage: source, targetLanguage: target } = language;
  return {
    languages: [{ sourceLanguage: source, targetLanguageList: [target, 'bn'] }],
    pipelineResponseConfig: [
      {
        taskType: 'translation',
        config: [
          { serviceId: 'service-other', modelId: '1', language: { sourceLanguage: target, targetLanguage: source } },
          { serviceId: `service-${source}-${target}`, modelId: '2', language: { ...language, ...otherLanguage } },
        ],
      },
    ],
    feedbackUrl: 'https://example.org/feedback',
    pipelineInferenceAPIEndPoint: {
      callbackUrl: `${url}${computePath}`,
      inferenceApiKey: { name: 'Authorization', value: inferenceKey },
      isMultilingualEnabled: true,
      isSyncApi: true,
    },
  };
}

function translationsOf(call: Call) {
  const target = call.body.pipelineTasks[0].config.language.targetLanguage;
  const output = call.body.inputData.input.map(({ source }: { source: string }) => ({
    source,
    target: `${target}:${source}`,
  }));
  return { pipelineResponse: [{ taskType: 'translation', config: null, output, audio: null }] };
}
