import { describe, expect, it } from 'vitest';
import { inputWordsMax, phrases, translate } from './translations.ts';

describe('translate', () => {
  it('knows the table both ways, sentence by sentence, with the full stop of the language', () => {
    expect(translate('मेरी बिल्ली दिन में बीस घंटे सोती है। बाकी चार घंटे वह मुझे घूरती है।', 'hi', 'en')).toBe(
      'My cat sleeps twenty hours a day. The other four hours she stares at me.',
    );
    expect(translate('Your dog is very lazy!', 'en', 'te')).toBe('మీ కుక్క చాలా సోమరిది!');
    expect(translate('Your dog is very lazy.', 'en', 'hi')).toBe('तुम्हारा कुत्ता बहुत आलसी है।');
    for (const { language, source, english } of phrases) expect(translate(source, language, 'en')).toBe(english);
  });

  it('shows the way it went for text that it does not know', () => {
    expect(translate('नमस्ते दुनिया।', 'hi', 'en')).toBe('[hi→en] नमस्ते दुनिया।');
    expect(translate('नमस्ते। तुम्हारा कुत्ता बहुत आलसी है।', 'hi', 'en')).toBe('[hi→en] नमस्ते। Your dog is very lazy.');
  });

  it('knows a sentence in either Unicode form', () => {
    const [, , , , doorbell] = phrases;
    expect(translate(doorbell?.source.normalize('NFD') ?? '', 'hi', 'en')).toBe(doorbell?.english);
    // U+095B is the one-character form of what NFC writes as two.
    expect(translate(doorbell?.source.replace('\u091c\u093c', '\u095b') ?? '', 'hi', 'en')).toBe(doorbell?.english);
  });

  it('gives romanised text back as it was, as the models do', () => {
    expect(translate('Mera kutta bahut aalsi hai.', 'hi', 'en')).toBe('Mera kutta bahut aalsi hai.');
  });

  it('makes newlines into spaces and cuts off what the model does not read', () => {
    expect(translate('एक\nदो', 'hi', 'en')).toBe('[hi→en] एक दो');
    const long = new Array(inputWordsMax + 10).fill('शब्द').join(' ');
    expect(translate(long, 'hi', 'en').split(' ')).toHaveLength(inputWordsMax + 1);
  });
});
