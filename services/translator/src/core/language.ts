import { Permanent } from '@pet-roast/shared';

/**
 * Languages: India's 22 scheduled ones and English, as IndicTrans2 knows them.
 *
 * The source language is told by script alone, so it is only as sharp as scripts are: eight languages share
 * Devanagari, two the Bengali script, three the Arabic. Where that leaves a choice, the most spoken one is given and
 * `certain` is false; a caller who knows better names the source language.
 */

/** ISO 15924 codes of the scripts these languages are written in. */
export type Script = keyof typeof scriptLetters;

/**
 * ISO 639 code to English name and to the FLORES code per script, the default script first.
 * Source of the FLORES codes: IndicTrans2's `flores_codes_map_indic.py`.
 */
export const languages = {
  as: { name: 'Assamese', flores: { Beng: 'asm_Beng' } },
  bn: { name: 'Bengali', flores: { Beng: 'ben_Beng' } },
  brx: { name: 'Bodo', flores: { Deva: 'brx_Deva' } },
  doi: { name: 'Dogri', flores: { Deva: 'doi_Deva' } },
  gom: { name: 'Konkani', flores: { Deva: 'gom_Deva' } },
  gu: { name: 'Gujarati', flores: { Gujr: 'guj_Gujr' } },
  hi: { name: 'Hindi', flores: { Deva: 'hin_Deva' } },
  kn: { name: 'Kannada', flores: { Knda: 'kan_Knda' } },
  ks: { name: 'Kashmiri', flores: { Arab: 'kas_Arab', Deva: 'kas_Deva' } },
  mai: { name: 'Maithili', flores: { Deva: 'mai_Deva' } },
  ml: { name: 'Malayalam', flores: { Mlym: 'mal_Mlym' } },
  mni: { name: 'Manipuri', flores: { Mtei: 'mni_Mtei', Beng: 'mni_Beng' } },
  mr: { name: 'Marathi', flores: { Deva: 'mar_Deva' } },
  ne: { name: 'Nepali', flores: { Deva: 'npi_Deva' } },
  or: { name: 'Odia', flores: { Orya: 'ory_Orya' } },
  pa: { name: 'Punjabi', flores: { Guru: 'pan_Guru' } },
  sa: { name: 'Sanskrit', flores: { Deva: 'san_Deva' } },
  sat: { name: 'Santali', flores: { Olck: 'sat_Olck' } },
  sd: { name: 'Sindhi', flores: { Arab: 'snd_Arab', Deva: 'snd_Deva' } },
  ta: { name: 'Tamil', flores: { Taml: 'tam_Taml' } },
  te: { name: 'Telugu', flores: { Telu: 'tel_Telu' } },
  ur: { name: 'Urdu', flores: { Arab: 'urd_Arab' } },
  en: { name: 'English', flores: { Latn: 'eng_Latn' } },
} as const satisfies Record<string, Language>;

type Language = { readonly name: string; readonly flores: { readonly [S in Script]?: string } };

export type LanguageCode = keyof typeof languages;

export type Detection =
  | { readonly script: Script; readonly language: LanguageCode; readonly certain: boolean }
  /** A script of none of these languages, such as Cyrillic. */
  | { readonly script: 'other'; readonly language: undefined; readonly certain: false }
  /** Nothing but emoji, digits and punctuation: it reads the same in every language. */
  | { readonly script: undefined; readonly language: 'en'; readonly certain: false };

export type SkipReason = 'already_in_target' | 'latin_script' | 'no_letters';

export type TranslationPlan =
  | {
      readonly kind: 'skip';
      readonly reason: SkipReason;
      readonly source: LanguageCode;
      readonly target: LanguageCode;
    }
  | { readonly kind: 'translate'; readonly source: LanguageCode; readonly target: LanguageCode };

/**
 * Decides whether a text is translated, and from which language.
 *
 * A named source language counts where it can be written in the text's own script; a script that contradicts it
 * wins, because the model would answer such a pair with nonsense and call it success. Latin text is passed on
 * untouched unless the caller says that it is English: romanised Hindi comes back untranslated although the vendor's
 * call succeeds. `source: 'auto'` is the same as none.
 *
 * @throws {Permanent} `language_not_supported` for an unknown language tag or a script outside the table.
 */
export function planTranslation(request: {
  readonly text: string;
  readonly source?: string | undefined;
  readonly target: string;
}): TranslationPlan {
  const target = languageCode(request.target);
  const named = request.source === undefined || request.source === 'auto' ? undefined : languageCode(request.source);
  const detected = detectLanguage(request.text);

  if (detected.script === undefined) return { kind: 'skip', reason: 'no_letters', source: named ?? 'en', target };
  if (detected.script === 'other') {
    throw new Permanent('language_not_supported', {
      detail: 'the text is in a script that no supported language uses',
    });
  }
  if (detected.script === 'Latn' && named !== 'en') {
    const isEnglishAsFarAsWeKnow = named === undefined && target === 'en';
    const reason = isEnglishAsFarAsWeKnow ? 'already_in_target' : 'latin_script';
    return { kind: 'skip', reason, source: named ?? 'en', target };
  }
  const source = named !== undefined && isWrittenIn(named, detected.script) ? named : detected.language;
  if (source === target) return { kind: 'skip', reason: 'already_in_target', source, target };
  return { kind: 'translate', source, target };
}

/**
 * The language of a text by the script that most of its letters belong to; equal counts go to the Indic script.
 * Vowel signs count as letters: without them a syllabic script weighs half of what the same words weigh in Latin.
 */
export function detectLanguage(text: string): Detection {
  let script: Script | 'other' | undefined;
  let most = 0;
  let known = 0;
  for (const candidate of scripts) {
    const letters = count(text, scriptLetters[candidate]);
    known += letters;
    if (letters > most) [script, most] = [candidate, letters];
  }
  if (count(text, lettersOfAnyScript) - known > most) script = 'other';

  if (script === undefined || !hasLetters(text)) return { script: undefined, language: 'en', certain: false };
  if (script === 'other') return { script, language: undefined, certain: false };
  return { script, ...languageIn[script](text) };
}

/** Whether there is anything to translate: at least one letter of any script. */
export function hasLetters(text: string): boolean {
  return /\p{L}/u.test(text);
}

/** Whether a letter outside the Latin script occurs: the only pieces worth sending when the source is not English. */
export function hasLettersBeyondLatin(text: string): boolean {
  return /[\p{L}--\p{Script=Latin}]/v.test(text);
}

/**
 * A caller's language tag as one of our codes: case and region do not matter (`hi-IN`), and Konkani's two names,
 * `kok` and `gom`, are one language.
 *
 * @throws {Permanent} `language_not_supported` for anything else.
 */
export function languageCode(tag: string): LanguageCode {
  const primary = tag.trim().toLowerCase().split(/[-_]/, 1)[0] ?? '';
  const code = primary === 'kok' ? 'gom' : primary;
  if (!isLanguageCode(code)) {
    throw new Permanent('language_not_supported', {
      detail: `unknown language tag ${JSON.stringify(tag.slice(0, 35))}`,
    });
  }
  return code;
}

/** Whether a string is exactly one of the table's codes. */
export function isLanguageCode(code: string): code is LanguageCode {
  return Object.hasOwn(languages, code);
}

/** The FLORES code that Hugging Face's IndicTrans2 models take; the language's default script where it lacks the given one. */
export function floresCode(language: LanguageCode, script?: Script): string {
  const { flores }: Language = languages[language];
  const chosen = (script && flores[script]) ?? Object.values(flores)[0];
  if (chosen === undefined) throw new Error(`no FLORES code for ${language}`);
  return chosen;
}

/** The language and script of a FLORES code, or undefined for one that is not in the table. */
export function fromFloresCode(flores: string): { language: LanguageCode; script: Script } | undefined {
  return byFloresCode.get(flores);
}

/** The letters of each script. Latin comes last, so that it loses a tie. */
const scriptLetters = {
  Arab: /[\p{Alphabetic}&&\p{Script=Arabic}]/gv,
  Beng: /[\p{Alphabetic}&&\p{Script=Bengali}]/gv,
  Deva: /[\p{Alphabetic}&&\p{Script=Devanagari}]/gv,
  Gujr: /[\p{Alphabetic}&&\p{Script=Gujarati}]/gv,
  Guru: /[\p{Alphabetic}&&\p{Script=Gurmukhi}]/gv,
  Knda: /[\p{Alphabetic}&&\p{Script=Kannada}]/gv,
  Mlym: /[\p{Alphabetic}&&\p{Script=Malayalam}]/gv,
  Mtei: /[\p{Alphabetic}&&\p{Script=Meetei_Mayek}]/gv,
  Olck: /[\p{Alphabetic}&&\p{Script=Ol_Chiki}]/gv,
  Orya: /[\p{Alphabetic}&&\p{Script=Oriya}]/gv,
  Taml: /[\p{Alphabetic}&&\p{Script=Tamil}]/gv,
  Telu: /[\p{Alphabetic}&&\p{Script=Telugu}]/gv,
  Latn: /[\p{Alphabetic}&&\p{Script=Latin}]/gv,
};

/** Without Common and Inherited: those belong to no script (circled letters, accents on their own). */
const lettersOfAnyScript = /[\p{Alphabetic}--[\p{Script=Common}\p{Script=Inherited}]]/gv;

const scripts = Object.keys(scriptLetters) as Script[];

const languageIn: { readonly [S in Script]: (text: string) => { language: LanguageCode; certain: boolean } } = {
  Arab: languageInArabicScript,
  Beng: languageInBengaliScript,
  // brx, doi, gom, hi, mai, mr, ne, sa and some ks and sd: one alphabet, so no script test can tell them apart.
  Deva: always('hi', false),
  Gujr: always('gu'),
  Guru: always('pa'),
  Knda: always('kn'),
  Mlym: always('ml'),
  Mtei: always('mni'),
  Olck: always('sat'),
  Orya: always('or'),
  Taml: always('ta'),
  Telu: always('te'),
  // English, or any language romanised.
  Latn: always('en', false),
};

/** Letters (and Sindhi's two one-sign words) that of ur, sd and ks only one uses; the majority decides, Urdu has none. */
function languageInArabicScript(text: string): { language: LanguageCode; certain: boolean } {
  const sindhi = count(text, /[ٻڀٺٽٿڃڄڇڊڌڍڏڙڦڪڱڳڻ۽۾]/gu);
  const kashmiri = count(text, /[\u0620\u065f\u0672\u0673\u06c4\u06c6\u06ce]/gu);
  if (sindhi === 0 && kashmiri === 0) return { language: 'ur', certain: false };
  return { language: sindhi >= kashmiri ? 'sd' : 'ks', certain: true };
}

/** ৰ is Assamese alone; ৱ is too, except in Manipuri's older spelling. A short Assamese text may have neither. */
function languageInBengaliScript(text: string): { language: LanguageCode; certain: boolean } {
  if (text.includes('\u09f0')) return { language: 'as', certain: true };
  if (text.includes('\u09f1')) return { language: 'as', certain: false };
  return { language: 'bn', certain: false };
}

function always(language: LanguageCode, certain = true): () => { language: LanguageCode; certain: boolean } {
  return () => ({ language, certain });
}

function isWrittenIn(language: LanguageCode, script: Script): boolean {
  return Object.hasOwn(languages[language].flores, script);
}

function count(text: string, pattern: RegExp): number {
  return text.match(pattern)?.length ?? 0;
}

const byFloresCode = new Map(
  Object.entries(languages as Record<string, Language>).flatMap(([language, { flores }]) =>
    Object.entries(flores).map(([script, code]) => [
      code,
      { language: language as LanguageCode, script: script as Script },
    ]),
  ),
);
