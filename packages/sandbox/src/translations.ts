/**
 * What the sandbox's translators say: real translations for a small table of roasts, and for everything else a
 * stand-in that shows which way it went, `[hi→en] <the text>`.
 */

export type Phrase = { readonly language: string; readonly source: string; readonly english: string };

/** Words of input that the model reads; the rest is cut off, as its 256 tokens are (a word is at least one token). */
export const inputWordsMax = 256;

/** Sentences with their real English meaning, without the full stop. */
export const phrases: readonly Phrase[] = [
  phrase('hi', 'तुम्हारा कुत्ता बहुत आलसी है', 'Your dog is very lazy'),
  phrase('hi', 'मेरी बिल्ली दिन में बीस घंटे सोती है', 'My cat sleeps twenty hours a day'),
  phrase('hi', 'बाकी चार घंटे वह मुझे घूरती है', 'The other four hours she stares at me'),
  phrase('hi', 'यह कुत्ता चोर को देखकर पूँछ हिलाता है', 'This dog wags its tail when it sees a thief'),
  phrase(
    'hi',
    'मेरा कुत्ता दरवाज़े की घंटी पर भौंकता है और फिर सोफ़े के पीछे छिप जाता है',
    'My dog barks at the doorbell and then hides behind the sofa',
  ),
  phrase(
    'hi',
    'खाने की आवाज़ सुनते ही वह ओलंपिक धावक बन जाता है',
    'The moment he hears food, he turns into an Olympic sprinter',
  ),
  phrase(
    'hi',
    'नहाने का नाम सुनते ही वह पलंग के नीचे छिप जाता है',
    'The moment he hears the word bath, he hides under the bed',
  ),
  phrase('hi', 'इतना नाटक तो फ़िल्मों में भी नहीं होता', 'Even films do not have this much drama'),

  phrase('ta', 'உங்கள் நாய் மிகவும் சோம்பேறி', 'Your dog is very lazy'),
  phrase('ta', 'என் பூனை ஒரு நாளைக்கு இருபது மணி நேரம் தூங்குகிறது', 'My cat sleeps twenty hours a day'),
  phrase('ta', 'மீதி நான்கு மணி நேரம் அது என்னை முறைக்கிறது', 'The other four hours it glares at me'),
  phrase('ta', 'திருடனைப் பார்த்தால் இந்த நாய் வாலை ஆட்டும்', 'If this dog sees a thief, it wags its tail'),

  phrase('bn', 'তোমার কুকুরটা খুব অলস', 'Your dog is very lazy'),
  phrase('bn', 'আমার বিড়াল দিনে কুড়ি ঘণ্টা ঘুমায়', 'My cat sleeps twenty hours a day'),
  phrase('bn', 'বাকি চার ঘণ্টা সে আমার দিকে তাকিয়ে থাকে', 'The other four hours it stares at me'),
  phrase('bn', 'চোর দেখলে এই কুকুর লেজ নাড়ে', 'This dog wags its tail when it sees a thief'),

  phrase('te', 'మీ కుక్క చాలా సోమరిది', 'Your dog is very lazy'),
  phrase('te', 'నా పిల్లి రోజుకు ఇరవై గంటలు నిద్రపోతుంది', 'My cat sleeps twenty hours a day'),
  phrase('te', 'మిగతా నాలుగు గంటలు అది నన్నే చూస్తూ ఉంటుంది', 'The other four hours it just stares at me'),
  phrase('te', 'దొంగను చూస్తే ఈ కుక్క తోక ఊపుతుంది', 'This dog wags its tail when it sees a thief'),
];

/**
 * Translates sentence by sentence between English and an Indic language (ISO codes). As the real models do, it makes
 * newlines into spaces, reads no more than `inputWordsMax` words, and gives romanised text back as it was.
 */
export function translate(text: string, source: string, target: string): string {
  const read = text.split(/\s+/u).filter(Boolean).slice(0, inputWordsMax).join(' ').normalize('NFC');
  if (source !== 'en' && !/\p{Letter}/u.test(read.replace(/\p{Script=Latin}/gu, ''))) return read;
  return sentencesOf(read)
    .map(({ words, end }) => {
      const known = lookUp(words, source, target);
      return known === undefined ? `[${source}→${target}] ${words}${end}` : known + endIn(target, end);
    })
    .join(' ');
}

function phrase(language: string, source: string, english: string): Phrase {
  return { language, source: source.normalize('NFC'), english };
}

function lookUp(words: string, source: string, target: string): string | undefined {
  if (target === 'en') return phrases.find((it) => it.language === source && it.source === words)?.english;
  if (source === 'en') return phrases.find((it) => it.language === target && it.english === words)?.source;
  return undefined;
}

function sentencesOf(text: string): readonly { words: string; end: string }[] {
  const sentences = text.match(/[^.!?।॥]+[.!?।॥]*|[.!?।॥]+/gu) ?? [];
  return sentences.map((sentence) => {
    const words = sentence.replace(/[.!?।॥]+$/u, '').trim();
    return { words, end: sentence.trim().slice(words.length) };
  });
}

function endIn(target: string, end: string): string {
  if (target === 'en') return end.replaceAll(/[।॥]/gu, '.');
  return ['hi', 'bn'].includes(target) ? end.replaceAll('.', '।') : end;
}
