import { describe, expect, it } from 'vitest';
import { type Bhashini, startBhashini } from '../src/index.ts';
import { type Answer, ask, errorOf, json } from './helpers/http.ts';

const impatientMs = 150;
const hindi = 'तुम्हारा कुत्ता बहुत आलसी है।';

describe('the sandbox Bhashini: configuration', () => {
  it('names the model and the endpoint with its key, for the pair that was asked for', async () => {
    await using bhashini = await startBhashini();
    const answer = await configure(bhashini);
    expect(answer.status).toBe(200);
    expect(json(answer)).toMatchObject({
      languages: expect.arrayContaining([{ sourceLanguage: 'hi', targetLanguageList: ['en'] }]),
      pipelineResponseConfig: [
        {
          taskType: 'translation',
          config: [
            {
              serviceId: 'ai4bharat/indictrans-v2-all-gpu--t4',
              language: {
                sourceLanguage: 'hi',
                sourceScriptCode: 'Deva',
                targetLanguage: 'en',
                targetScriptCode: 'Latn',
              },
            },
          ],
        },
      ],
      pipelineInferenceAPIEndPoint: {
        callbackUrl: `${bhashini.url}/services/inference/pipeline`,
        inferenceApiKey: { name: 'Authorization', value: expect.any(String) },
      },
    });
  });

  it('asks for both keys', async () => {
    await using bhashini = await startBhashini();
    for (const headers of [
      { userID: bhashini.userId },
      { ulcaApiKey: bhashini.apiKey },
      { userID: 'x', ulcaApiKey: 'y' },
    ]) {
      const answer = await ask(bhashini.configUrl, { headers, body: configBody(bhashini) });
      expect(answer.status).toBe(401);
      expect(json(answer)).toEqual({ detail: { message: 'Not authenticated' } });
    }
  });

  it('does not know other pipelines', async () => {
    await using bhashini = await startBhashini();
    const body = { ...configBody(bhashini), pipelineRequestConfig: { pipelineId: 'other' } };
    expect((await ask(bhashini.configUrl, { headers: configHeaders(bhashini), body })).status).toBe(404);
  });

  it('leaves the endpoint out, fails and hangs on demand', async () => {
    await using bhashini = await startBhashini();
    bhashini.pushFaults(
      { at: 'config', kind: 'without_endpoint' },
      { at: 'config', kind: 'http', status: 500 },
      { at: 'config', kind: 'hang' },
    );
    const first = json(await configure(bhashini));
    expect(first).toHaveProperty('pipelineResponseConfig');
    expect(first).not.toHaveProperty('pipelineInferenceAPIEndPoint');
    expect((await configure(bhashini)).status).toBe(500);
    expect(await errorOf(configure(bhashini, impatientMs))).toBe('TimeoutError');
    expect(json(await configure(bhashini))).toHaveProperty('pipelineInferenceAPIEndPoint');
  });
});

describe('the sandbox Bhashini: translation', () => {
  it('translates each input, with newlines become spaces', async () => {
    await using bhashini = await startBhashini();
    const answer = await compute(bhashini, [hindi, 'मेरी बिल्ली दिन में\nबीस घंटे सोती है।']);
    expect(json(answer)).toEqual({
      pipelineResponse: [
        {
          taskType: 'translation',
          config: null,
          output: [
            { source: hindi, target: 'Your dog is very lazy.' },
            { source: 'मेरी बिल्ली दिन में बीस घंटे सोती है।', target: 'My cat sleeps twenty hours a day.' },
          ],
          audio: null,
        },
      ],
    });
    expect(bhashini.calls.all().map(({ at }) => at)).toEqual(['config', 'compute']);
  });

  it('wants the bare key in Authorization, not a bearer token', async () => {
    await using bhashini = await startBhashini();
    const key = await inferenceKey(bhashini);
    for (const authorization of [`Bearer ${key}`, 'wrong']) {
      const answer = await computeWith(bhashini, authorization, [hindi]);
      expect(answer.status).toBe(401);
      expect(json(answer)).toEqual({ detail: { message: 'Not authenticated' } });
    }
  });

  it('stops taking a key that was rotated, and hands out the new one', async () => {
    await using bhashini = await startBhashini();
    const old = await inferenceKey(bhashini);
    bhashini.rotateInferenceKey();
    expect((await computeWith(bhashini, old, [hindi])).status).toBe(401);
    expect((await compute(bhashini, [hindi])).status).toBe(200);
  });

  it('answers 200 with an empty response for a chain of tasks that it has not', async () => {
    await using bhashini = await startBhashini();
    const answer = await compute(bhashini, [hindi], { taskType: 'transliteration' });
    expect(answer.status).toBe(200);
    expect(json(answer)).toEqual({ pipelineResponse: [] });
  });

  it('fails with DHRUVA-101 for a pair or a model that it has not', async () => {
    await using bhashini = await startBhashini();
    const dhruva = { detail: { kind: 'DHRUVA-101', message: 'Request failed. Please try again.' } };
    const language = { sourceLanguage: 'hi', targetLanguage: 'ta' };
    const config = { language, serviceId: 'ai4bharat/indictrans-v2-all-gpu--t4' };
    const answer = await compute(bhashini, [hindi], { config });
    expect(answer.status).toBe(500);
    expect(json(answer)).toEqual(dhruva);
  });

  it('fails, answers nothing and hangs on demand', async () => {
    await using bhashini = await startBhashini();
    bhashini.pushFaults({ kind: 'http', status: 500 }, { kind: 'empty_response' }, { kind: 'reset' }, { kind: 'hang' });
    const key = await inferenceKey(bhashini);
    const failed = await computeWith(bhashini, key, [hindi]);
    expect(failed.status).toBe(500);
    expect(json(failed)).toMatchObject({ detail: { kind: 'DHRUVA-101' } });
    expect(json(await computeWith(bhashini, key, [hindi]))).toEqual({ pipelineResponse: [] });
    expect(await errorOf(computeWith(bhashini, key, [hindi]))).toBe('ECONNRESET');
    expect(await errorOf(computeWith(bhashini, key, [hindi], {}, impatientMs))).toBe('TimeoutError');
    expect((await computeWith(bhashini, key, [hindi])).status).toBe(200);
  });
});

const hiToEn = { sourceLanguage: 'hi', targetLanguage: 'en' };

function configHeaders(bhashini: Bhashini): Record<string, string> {
  return { userID: bhashini.userId, ulcaApiKey: bhashini.apiKey };
}

function configBody(bhashini: Bhashini) {
  return {
    pipelineTasks: [{ taskType: 'translation', config: { language: hiToEn } }],
    pipelineRequestConfig: { pipelineId: bhashini.pipelineId },
  };
}

function configure(bhashini: Bhashini, timeoutMs = 5_000): Promise<Answer> {
  return ask(bhashini.configUrl, { headers: configHeaders(bhashini), body: configBody(bhashini), timeoutMs });
}

async function inferenceKey(bhashini: Bhashini): Promise<string> {
  const { pipelineInferenceAPIEndPoint } = json(await configure(bhashini)) as {
    pipelineInferenceAPIEndPoint: { inferenceApiKey: { value: string } };
  };
  return pipelineInferenceAPIEndPoint.inferenceApiKey.value;
}

function computeWith(
  bhashini: Bhashini,
  authorization: string,
  sources: readonly string[],
  task: object = {},
  timeoutMs = 5_000,
): Promise<Answer> {
  const config = { language: hiToEn, serviceId: 'ai4bharat/indictrans-v2-all-gpu--t4' };
  const body = {
    pipelineTasks: [{ taskType: 'translation', config, ...task }],
    inputData: { input: sources.map((source) => ({ source })), audio: [{ audioContent: null }] },
  };
  return ask(`${bhashini.url}/services/inference/pipeline`, { headers: { authorization }, body, timeoutMs });
}

async function compute(bhashini: Bhashini, sources: readonly string[], task: object = {}): Promise<Answer> {
  return computeWith(bhashini, await inferenceKey(bhashini), sources, task);
}
