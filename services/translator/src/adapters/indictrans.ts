import { Permanent } from '@pet-roast/shared';
import { z } from 'zod';
import type { Route, Translator } from '../translate.ts';
import { createJsonPoster, failureOf, isSuccess, type JsonAnswer, unreadable } from './post-json.ts';

/**
 * A self-hosted IndicTrans2 server: `POST /translate {input, source_language, target_language} → {output}`, one text
 * a call. Its `auto` is Hindi, whatever the text, so the source is always named.
 */
export type IndicTransOptions = {
  /** The server's base address; `/translate` is added to its path. */
  readonly url: string;
  /** Sent as a bearer token where one is set. */
  readonly apiKey?: string | undefined;
  /** For each call as a whole; a sentence takes 2 to 3 s on a CPU. */
  readonly requestTimeoutMs?: number;
  /** How many calls a text may have in flight. */
  readonly concurrencyMax?: number;
};

const requestTimeoutMsDefault = 30_000;
const concurrencyMaxDefault = 4;
/** A text of 5,000 characters has some 100 pieces. */
const rememberedMax = 2_000;
/** All attempts of a text take a few minutes. */
const rememberedMs = 15 * 60_000;

/** Refuses at once an address that is not http(s). The caller closes it. */
export function createIndicTrans(options: IndicTransOptions): Translator & { readonly close: () => Promise<void> } {
  const poster = createJsonPoster(options.requestTimeoutMs ?? requestTimeoutMsDefault);
  const url = translateUrl(options.url);
  const apiKey = options.apiKey ?? '';
  const headers: Record<string, string> = apiKey === '' ? {} : { authorization: `Bearer ${apiKey}` };
  // What attempts have translated that did not get through their text: the next one goes on from there.
  const remembered = new Map<string, string>();

  return {
    provider: 'indictrans',
    translateBatch: async (pieces, route, signal) => {
      const translated = new Array<string>(pieces.length).fill('');
      const queue = pieces.entries();
      const firstFailure = new AbortController();
      const either = AbortSignal.any([signal, firstFailure.signal]);
      // Each worker takes the next piece from the one queue until it is empty.
      const keyOf = (piece: string) => `${route.source} ${route.target} ${piece}`;
      const work = async () => {
        for (const [index, piece] of queue) {
          const output = remembered.get(keyOf(piece)) ?? (await translate(piece, route, either));
          translated[index] = output;
          remember(keyOf(piece), output);
        }
      };
      try {
        await Promise.all(Array.from({ length: options.concurrencyMax ?? concurrencyMaxDefault }, work));
      } catch (error) {
        firstFailure.abort();
        setTimeout(forget, rememberedMs, pieces.map(keyOf)).unref();
        throw error;
      }
      forget(pieces.map(keyOf));
      return translated;
    },
    close: poster.close,
  };

  function forget(keys: readonly string[]): void {
    for (const key of keys) remembered.delete(key);
  }

  function remember(key: string, output: string): void {
    remembered.set(key, output);
    const [oldest] = remembered.keys();
    if (remembered.size > rememberedMax && oldest !== undefined) remembered.delete(oldest);
  }

  async function translate(piece: string, route: Route, signal: AbortSignal): Promise<string> {
    const body = { input: piece, source_language: route.source, target_language: route.target };
    const answer = await poster.post({ label: 'IndicTrans2', url, headers, body, signal });
    if (!isSuccess(answer)) throw isAboutLanguage(answer) ? unsupported(route) : failure(answer, piece);
    const parsed = translateAnswer.safeParse(answer.json);
    if (!parsed.success) throw unreadable(answer);
    return parsed.data.output;
  }

  function failure(answer: JsonAnswer, piece: string): Error {
    return failureOf(answer, { secrets: [apiKey], sent: [piece], settings: 'INDICTRANS_API_KEY' });
  }
}

const translateAnswer = z.object({ output: z.string() });

/** Servers serve 12 of the 22 languages or more; the others they refuse as bad input, in words of their own. */
function isAboutLanguage({ status, text }: JsonAnswer): boolean {
  return (status === 400 || status === 422) && /(un|not )supported/i.test(text) && /language/i.test(text);
}

function unsupported({ source, target }: Route): Permanent {
  return new Permanent('language_not_supported', { detail: `the IndicTrans2 server has no ${source} to ${target}` });
}

function translateUrl(base: string): string {
  const url = new URL(z.url({ protocol: /^https?$/ }).parse(base));
  url.pathname = `${url.pathname.replace(/\/+$/, '')}/translate`;
  return url.href;
}
