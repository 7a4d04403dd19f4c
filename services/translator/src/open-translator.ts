/** The provider that the configuration names. */
import { type ConfigOf, exitForConfig } from '@pet-roast/shared';
import { createBhashini } from './adapters/bhashini.ts';
import { createIndicTrans } from './adapters/indictrans.ts';
import type { configSchema } from './config.ts';
import type { Translator } from './translate.ts';

/** Exits with a message that names the variable where one is missing that only this provider needs. */
export function openTranslator(config: ConfigOf<typeof configSchema>): Translator & { close(): Promise<void> } {
  const requestTimeoutMs = config.TRANSLATE_TIMEOUT_MS;
  if (config.TRANSLATOR_PROVIDER === 'indictrans') {
    const url =
      config.INDICTRANS_URL ?? exitForConfig('INDICTRANS_URL', 'is missing; TRANSLATOR_PROVIDER=indictrans needs it');
    return createIndicTrans({ url, apiKey: config.INDICTRANS_API_KEY, requestTimeoutMs });
  }
  const why = 'is missing; TRANSLATOR_PROVIDER=bhashini needs it';
  return createBhashini({
    configUrl: config.BHASHINI_CONFIG_URL,
    userId: config.BHASHINI_USER_ID ?? exitForConfig('BHASHINI_USER_ID', why),
    apiKey: config.BHASHINI_API_KEY ?? exitForConfig('BHASHINI_API_KEY', why),
    pipelineId: config.BHASHINI_PIPELINE_ID,
    requestTimeoutMs,
  });
}
