import { languageCodes } from '@pet-roast/shared';
import { describe, expect, it } from 'vitest';
import {
  detectLanguage,
  floresCode,
  fromFloresCode,
  hasLetters,
  hasLettersBeyondLatin,
  type LanguageCode,
  languageCode,
  languages,
  planTranslation,
} from './language.ts';

describe('the language table', () => {
  it('has the 22 scheduled languages and English', () => {
    expect(Object.keys(languages).sort()).toEqual(
      'as bn brx doi en gom gu hi kn ks mai ml mni mr ne or pa sa sat sd ta te ur'.split(' '),
    );
  });

  it('is what the gateway accepts, with the second name of Konkani', () => {
    expect([...languageCodes].sort()).toEqual([...Object.keys(languages), 'kok'].sort());
  });

  it('maps every language to a FLORES code and back, for each of its scripts', () => {
    let codes = 0;
    for (const [language, { flores }] of Object.entries(languages)) {
      for (const [script, code] of Object.entries(flores)) {
        expect(code).toMatch(new RegExp(`^[a-z]{3}_${script}$`));
        expect(fromFloresCode(code)).toEqual({ language, script });
        codes += 1;
      }
    }
    expect(codes).toBe(26);
    expect(fromFloresCode('fra_Latn')).toBeUndefined();
  });

  it('gives the default script’s FLORES code unless another of the language’s own is asked for', () => {
    expect(floresCode('ks')).toBe('kas_Arab');
    expect(floresCode('ks', 'Deva')).toBe('kas_Deva');
    expect(floresCode('mni')).toBe('mni_Mtei');
    expect(floresCode('hi', 'Taml')).toBe('hin_Deva');
  });

  it.each([
    ['hi', 'hi'],
    ['HI', 'hi'],
    ['hi-IN', 'hi'],
    ['ur_PK', 'ur'],
    [' ta ', 'ta'],
    ['kok', 'gom'],
    ['kok-IN', 'gom'],
    ['en-US', 'en'],
  ])('reads the tag %j as %s', (tag, code) => {
    expect(languageCode(tag)).toBe(code);
  });

  it.each(['', 'fr', 'hindi', 'toString', '__proto__', '-'])('refuses the tag %j', (tag) => {
    expect(() => languageCode(tag)).toThrow(
      expect.objectContaining({ name: 'Permanent', code: 'language_not_supported' }),
    );
  });
});

describe('detectLanguage', () => {
  it.each<[LanguageCode, string, boolean]>([
    ['as', 'তোমাৰ কুকুৰটো বৰ এলেহুৱা', true],
    ['as', 'ৱাহ', false],
    ['bn', 'তোমার কুকুর খুব অলস', false],
    ['gu', 'તમારો કૂતરો ખૂબ આળસુ છે', true],
    ['hi', 'तुम्हारा कुत्ता बहुत आलसी है', false],
    ['hi', 'तुमचा कुत्रा खूप आळशी आहे', false],
    ['kn', 'ನಿಮ್ಮ ನಾಯಿ ತುಂಬಾ ಸೋಮಾರಿ', true],
    ['ks', 'تُہُنٛد ہوٗن چھُ سؠٹھا سُست تہٕ ژٲلؠ', true],
    ['ml', 'നിങ്ങളുടെ നായ വളരെ മടിയനാണ്', true],
    ['mni', 'ꯅꯍꯥꯛꯀꯤ ꯍꯨꯏ ꯌꯥꯝꯅ ꯇꯟꯕꯤ', true],
    ['or', 'ତୁମ କୁକୁର ବହୁତ ଅଳସୁଆ', true],
    ['pa', 'ਤੁਹਾਡਾ ਕੁੱਤਾ ਬਹੁਤ ਆਲਸੀ ਹੈ', true],
    ['sat', 'ᱟᱢᱟᱜ ᱥᱮᱛᱟ ᱟᱹᱰᱤ ᱠᱩᱬᱷᱤᱭᱟᱹ', true],
    ['sd', 'توهان جو ڪتو تمام سست آهي', true],
    ['sd', 'هو ۽ هي', true],
    ['ta', 'உங்கள் நாய் மிகவும் சோம்பேறி', true],
    ['te', 'మీ కుక్క చాలా సోమరి', true],
    ['ur', 'تمہارا کتا بہت سست ہے', false],
    ['en', 'Your dog is very lazy', false],
    ['en', 'tumhara kutta bahut aalsi hai', false],
  ])('gives %s for %j, certain: %s', (language, text, certain) => {
    expect(detectLanguage(text)).toMatchObject({ language, certain });
  });

  it('goes by the majority of letters, vowel signs included, and by the Indic script in a tie', () => {
    expect(detectLanguage('मेरा dog बहुत lazy').script).toBe('Deva');
    expect(detectLanguage('My dog कुत्ता is incredibly lazy').script).toBe('Latn');
    expect(detectLanguage('कक ab').script).toBe('Deva');
    expect(detectLanguage('தமிழ் हिन्दी தமிழ்').script).toBe('Taml');
  });

  it('is not moved by emoji, digits, punctuation or accents of no script', () => {
    expect(detectLanguage('😂😂😂😂 100% 🅰🅰🅰🅰🅰🅰 !!! आलसी').script).toBe('Deva');
  });

  it.each(['', '   ', '😂🐶', '12345', '?!…', '\u0301', 'ा'])('finds no letters in %j', (text) => {
    expect(detectLanguage(text)).toEqual({ script: undefined, language: 'en', certain: false });
    expect(hasLetters(text)).toBe(false);
  });

  it.each(['Твоя собака ленива', '你的狗很懒', 'あなたの犬'])('calls the script of %j other', (text) => {
    expect(detectLanguage(text)).toEqual({ script: 'other', language: undefined, certain: false });
  });

  it('tells pieces with letters beyond Latin from the rest', () => {
    expect(hasLettersBeyondLatin('LOL! 😂 é')).toBe(false);
    expect(hasLettersBeyondLatin('LOL कु')).toBe(true);
  });
});

describe('planTranslation', () => {
  const hindi = 'तुम्हारा कुत्ता बहुत आलसी है';
  const romanised = 'tumhara kutta bahut aalsi hai';

  it.each([
    ['translates an Indic script into the target', { text: hindi, target: 'en' }, 'translate hi>en'],
    [
      'translates from a named language of the same script',
      { text: hindi, source: 'mr', target: 'en' },
      'translate mr>en',
    ],
    ['takes a named language in its second script', { text: hindi, source: 'sd', target: 'en' }, 'translate sd>en'],
    ['reads tags with regions', { text: hindi, source: 'ne-NP', target: 'EN-us' }, 'translate ne>en'],
    ['takes auto for no source', { text: hindi, source: 'auto', target: 'en' }, 'translate hi>en'],
    ['translates between two Indic languages', { text: hindi, target: 'ta' }, 'translate hi>ta'],
    [
      'believes the script rather than a name it contradicts',
      { text: hindi, source: 'ta', target: 'en' },
      'translate hi>en',
    ],
    ['believes the script of a text called English', { text: hindi, source: 'en', target: 'en' }, 'translate hi>en'],
    ['translates English that is called English', { text: 'Lazy dog', source: 'en', target: 'hi' }, 'translate en>hi'],
    ['passes on what is in the target language', { text: hindi, target: 'hi' }, 'already_in_target hi>hi'],
    [
      'passes on what is named as the target language',
      { text: hindi, source: 'mr', target: 'mr' },
      'already_in_target mr>mr',
    ],
    ['passes on English for English', { text: 'Your dog is lazy', target: 'en' }, 'already_in_target en>en'],
    ['passes on named English for English', { text: 'Lazy', source: 'en', target: 'en' }, 'already_in_target en>en'],
    ['passes on romanised Hindi that says so', { text: romanised, source: 'hi', target: 'en' }, 'latin_script hi>en'],
    ['passes on Latin text of unknown language', { text: romanised, target: 'ta' }, 'latin_script en>ta'],
    ['passes on a text without letters', { text: '😂😂 100!', target: 'hi' }, 'no_letters en>hi'],
    ['passes on a text without letters, source named', { text: '😂', source: 'ta', target: 'en' }, 'no_letters ta>en'],
  ])('%s', (_what, request, expected) => {
    const plan = planTranslation(request);
    const kind = plan.kind === 'skip' ? plan.reason : plan.kind;
    expect(`${kind} ${plan.source}>${plan.target}`).toBe(expected);
  });

  it.each([
    { text: hindi, target: 'fr' },
    { text: hindi, source: 'fr', target: 'en' },
    { text: '😂', target: 'xx' },
    { text: 'Твоя собака ленива', target: 'en' },
    { text: 'Твоя собака ленива', source: 'hi', target: 'en' },
  ])('refuses %j', (request) => {
    expect(() => planTranslation(request)).toThrow(
      expect.objectContaining({ name: 'Permanent', code: 'language_not_supported' }),
    );
  });
});
