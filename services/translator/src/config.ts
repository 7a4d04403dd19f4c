/** The translator's environment. */
import { commonConfig, headerValue, secret, webUrl, whole } from '@pet-roast/shared';
import { z } from 'zod';
import { bhashiniConfigUrlDefault, bhashiniPipelineIdDefault } from './adapters/bhashini.ts';

export const configSchema = {
  ...commonConfig,
  PORT: whole(0, 65_535).default(8004).describe('Port to listen on, on every address; 0 takes a free one'),
  TRANSLATOR_PROVIDER: z
    .enum(['bhashini', 'indictrans'])
    .default('bhashini')
    .describe('AI4Bharat’s models, through Bhashini or a self-hosted IndicTrans2 server'),
  BHASHINI_CONFIG_URL: webUrl().default(bhashiniConfigUrlDefault).describe('Bhashini’s configuration endpoint'),
  BHASHINI_USER_ID: headerValue().optional().describe('Bhashini user id; needed with `bhashini`'),
  BHASHINI_API_KEY: secret(headerValue().optional()).describe('Bhashini ULCA API key; needed with `bhashini`'),
  BHASHINI_PIPELINE_ID: z.string().default(bhashiniPipelineIdDefault).describe('Bhashini pipeline'),
  INDICTRANS_URL: webUrl().optional().describe('IndicTrans2 server; needed with `indictrans`'),
  INDICTRANS_API_KEY: secret(headerValue().optional()).describe(
    'Bearer token of the IndicTrans2 server, if it wants one',
  ),
  TRANSLATE_TIMEOUT_MS: whole(100, 25_000).default(20_000).describe('Time for one call of the provider'),
};
