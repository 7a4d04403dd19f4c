/** The translators, asked by the very code that will ask them later: for a pipeline, or for one word. */
import { Permanent, RetryLater } from '@pet-roast/shared';
import {
  bhashiniConfigUrlDefault,
  bhashiniPipelineIdDefault,
} from '../../../services/translator/src/adapters/bhashini.ts';
import { createPipelines } from '../../../services/translator/src/adapters/bhashini-pipelines.ts';
import { createIndicTrans } from '../../../services/translator/src/adapters/indictrans.ts';
import { createJsonPoster } from '../../../services/translator/src/adapters/post-json.ts';
import type { Values } from '../variables.ts';
import { failed, passed, type Verdict } from '../verdict.ts';
import { checkTimeoutMs } from './ask.ts';

const hindiToEnglish = { source: 'hi', target: 'en' } as const;

/** Bhashini's configuration call: it translates nothing, and answers only an account that it knows. */
export async function checkBhashini(values: Values, timeoutMs = checkTimeoutMs): Promise<Verdict> {
  const poster = createJsonPoster(timeoutMs);
  const pipelines = createPipelines({
    post: poster.post,
    configUrl: values['BHASHINI_CONFIG_URL'] ?? bhashiniConfigUrlDefault,
    userId: values['BHASHINI_USER_ID'] ?? '',
    apiKey: values['BHASHINI_API_KEY'] ?? '',
    pipelineId: values['BHASHINI_PIPELINE_ID'] ?? bhashiniPipelineIdDefault,
    ttlMs: 0,
    now: Date.now,
  });
  try {
    const { serviceId } = await pipelines.get(hindiToEnglish, AbortSignal.timeout(timeoutMs));
    return passed(`Bhashini accepts the account; it translates with ${serviceId}`);
  } catch (error) {
    return verdictOf(error, {
      refused: ['the account', 'copy the user id and the ULCA API key again from your Bhashini profile'],
      away: ['the network, or Bhashini', 'check the connection, then try again'],
    });
  } finally {
    await poster.close();
  }
}

/** One word through an IndicTrans2 server. */
export async function checkIndicTrans(values: Values, timeoutMs = checkTimeoutMs): Promise<Verdict> {
  const translator = createIndicTrans({
    url: values['INDICTRANS_URL'] ?? '',
    apiKey: values['INDICTRANS_API_KEY'],
    requestTimeoutMs: timeoutMs,
  });
  try {
    await translator.translateBatch(['नमस्ते'], hindiToEnglish, AbortSignal.timeout(timeoutMs));
    return passed('the IndicTrans2 server translates');
  } catch (error) {
    return verdictOf(error, {
      refused: ['the address or the key', 'check both; the server is asked at /translate below the address'],
      away: [
        'the IndicTrans2 server, or the network to it',
        'see that it runs and has loaded its model, then try again',
      ],
    });
  } finally {
    await translator.close();
  }
}

type Meaning = readonly [whose: string, todo: string];

function verdictOf(error: unknown, meanings: { readonly refused: Meaning; readonly away: Meaning }): Verdict {
  if (error instanceof Permanent) return failed(error.message, ...meanings.refused);
  if (error instanceof RetryLater) return failed(error.message, ...meanings.away);
  throw error;
}
