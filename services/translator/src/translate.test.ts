import { describe, expect, it, vi } from 'vitest';
import { type TranslateBatch, translateText } from './translate.ts';

const signal = new AbortController().signal;
const translatorWith = (translateBatch: TranslateBatch) => ({ provider: 'fake', translateBatch });
const upperCaseLatin: TranslateBatch = async (pieces) => pieces.map((_piece, index) => `Piece ${index}.`);

describe('translateText', () => {
  it('sends the pieces with their route and signal, and joins what comes back', async () => {
    const translateBatch = vi.fn(upperCaseLatin);
    const text = 'तेरा कुत्ता आलसी है। 😂\n\nमोटा भी!';
    expect(await translateText({ text, target: 'en' }, translatorWith(translateBatch), signal)).toEqual({
      text: 'Piece 0. 😂\n\nPiece 1.',
      source_language: 'hi',
      target_language: 'en',
      translated: true,
      provider: 'fake',
      pieces: 2,
    });
    expect(translateBatch).toHaveBeenCalledExactlyOnceWith(
      ['तेरा कुत्ता आलसी है।', 'मोटा भी!'],
      { source: 'hi', target: 'en' },
      signal,
    );
  });

  it('passes a text on untouched, says why, and asks nobody', async () => {
    const translateBatch = vi.fn(upperCaseLatin);
    const text = '  Your dog\r\n is lazy ';
    expect(await translateText({ text, target: 'en' }, translatorWith(translateBatch), signal)).toEqual({
      text,
      source_language: 'en',
      target_language: 'en',
      translated: false,
      skipped_reason: 'already_in_target',
      pieces: 0,
    });
    expect(translateBatch).not.toHaveBeenCalled();
  });

  it('keeps Latin sentences of an Indic text, and sends them when the text is English', async () => {
    const translateBatch = vi.fn(upperCaseLatin);
    const translator = translatorWith(translateBatch);
    const mixed = await translateText({ text: 'LOL! तेरा कुत्ता बहुत आलसी है।', target: 'en' }, translator, signal);
    expect(mixed.text).toBe('LOL! Piece 0.');
    await translateText({ text: 'LOL! Lazy.', source: 'en', target: 'hi' }, translator, signal);
    expect(translateBatch.mock.lastCall?.[0]).toEqual(['LOL!', 'Lazy.']);
  });

  it('drops the spaces that a provider adds around a translation', async () => {
    const translator = translatorWith(async (pieces) => pieces.map(() => ' Lazy \n'));
    expect((await translateText({ text: 'आलसी', target: 'en' }, translator, signal)).text).toBe('Lazy');
  });

  it.each([
    ['loses a piece', ['One.']],
    ['invents a piece', ['One.', 'Two.', 'Three.']],
    ['empties a piece', ['One.', '  ']],
  ])('tries again later when the provider %s', async (_what, answer) => {
    const translator = translatorWith(async () => answer);
    await expect(translateText({ text: 'एक। दो।', target: 'en' }, translator, signal)).rejects.toMatchObject({
      name: 'RetryLater',
      code: 'translation_failed',
    });
  });

  it('refuses a language that it does not know', async () => {
    await expect(
      translateText({ text: 'आलसी', target: 'fr' }, translatorWith(upperCaseLatin), signal),
    ).rejects.toMatchObject({ name: 'Permanent', code: 'language_not_supported' });
  });
});
