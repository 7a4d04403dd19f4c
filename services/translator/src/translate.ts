import { RetryLater } from '@pet-roast/shared';
import type { LanguageCode, SkipReason } from './core/language.ts';
import { hasLetters, hasLettersBeyondLatin, planTranslation } from './core/language.ts';
import { splitForTranslation } from './core/sentences.ts';

export type Route = { readonly source: LanguageCode; readonly target: LanguageCode };

/**
 * Translates every piece, in order: one answer for each piece.
 *
 * @throws {RetryLater} `translation_failed` when the provider cannot answer now, or `signal` aborts.
 * @throws {Permanent} `language_not_supported` or `translation_failed` when no further attempt can help.
 */
export type TranslateBatch = (pieces: readonly string[], route: Route, signal: AbortSignal) => Promise<string[]>;

/** A translation provider as the translator needs it. */
export type Translator = { readonly provider: string; readonly translateBatch: TranslateBatch };

export type Translation = {
  readonly text: string;
  readonly source_language: LanguageCode;
  readonly target_language: LanguageCode;
  readonly translated: boolean;
  /** Why the text was passed on untouched; absent when it was translated. */
  readonly skipped_reason?: SkipReason;
  /** Who translated; absent when nothing was. */
  readonly provider?: string;
  /** How many pieces the provider was asked for; 0 when the text was passed on untouched. */
  readonly pieces: number;
};

/**
 * Translates a text, or passes it on untouched and says why. `signal` is the deadline of the whole call.
 *
 * @throws {RetryLater} `translation_failed`, also when the provider loses or empties a piece.
 * @throws {Permanent} `language_not_supported` or `translation_failed`.
 */
export async function translateText(
  request: { readonly text: string; readonly source?: string | undefined; readonly target: string },
  translator: Translator,
  signal: AbortSignal,
): Promise<Translation> {
  const plan = planTranslation(request);
  const languages = { source_language: plan.source, target_language: plan.target };
  if (plan.kind === 'skip') {
    return { text: request.text, ...languages, translated: false, skipped_reason: plan.reason, pieces: 0 };
  }

  const { source, target } = plan;
  // Latin words inside an Indic text come back as they are, so a piece of nothing else is not sent.
  const { pieces, join } = splitForTranslation(request.text, source === 'en' ? hasLetters : hasLettersBeyondLatin);
  const translated = await translator.translateBatch(pieces, { source, target }, signal);
  const trimmed = translated.map((piece) => piece.trim());
  checkAnswer(pieces, trimmed, translator.provider);

  return {
    text: join(trimmed),
    ...languages,
    translated: true,
    provider: translator.provider,
    pieces: pieces.length,
  };
}

function checkAnswer(pieces: readonly string[], translated: readonly string[], provider: string): void {
  if (translated.length !== pieces.length) {
    const detail = `${provider} answered ${translated.length} pieces for ${pieces.length}`;
    throw new RetryLater('translation_failed', { detail });
  }
  const empty = translated.indexOf('');
  if (empty !== -1) {
    throw new RetryLater('translation_failed', { detail: `${provider} answered piece ${empty} with nothing` });
  }
}
