import { describe, expect, it } from 'vitest';
import { estimateTokens, pieceTokensMax, splitForTranslation } from './sentences.ts';

describe('splitting', () => {
  it.each([
    ['Latin marks', 'Sit! Who is lazy? You are. Yes', ['Sit!', 'Who is lazy?', 'You are.', 'Yes']],
    ['dandas', 'कुत्ता आलसी है। बहुत॥ सच', ['कुत्ता आलसी है।', 'बहुत॥', 'सच']],
    ['dandas without a space', 'आलसी है।मोटा है।', ['आलसी है।', 'मोटा है।']],
    ['Urdu marks', 'کیا حال ہے؟ ٹھیک۔ اچھا', ['کیا حال ہے؟', 'ٹھیک۔', 'اچھا']],
    ['line breaks of every kind', 'एक\nदो\r\nतीन\rचार\u2028पाँच\n\n\nछह', ['एक', 'दो', 'तीन', 'चार', 'पाँच', 'छह']],
    ['a line break after an abbreviation', 'डॉ.\u2028शर्मा', ['डॉ.', 'शर्मा']],
    ['long dash runs', 'एक ----- दो ——— तीन ═ चार', ['एक', 'दो', 'तीन ═ चार']],
  ])('cuts at %s', (_what, text, pieces) => {
    expect(splitForTranslation(text).pieces).toEqual(pieces);
  });

  it.each([
    '3.5 किलो का कुत्ता',
    'dog.png देखो',
    'डॉ. शर्मा का कुत्ता',
    'Mr. Smith and Mrs. Smith',
    'एक - दो -- तीन',
    'well-known',
  ])('leaves %j whole', (text) => {
    expect(splitForTranslation(text).pieces).toEqual([text]);
  });

  it('sends no run of dashes long enough to hang the model', () => {
    for (const dash of ['-', '–', '—', '―', '\u2212', '_', '=', '~', '─', '━']) {
      const { pieces, join } = splitForTranslation(`आलसी${dash.repeat(500)}कुत्ता`);
      expect(pieces).toEqual(['आलसी', 'कुत्ता']);
      expect(join(['Lazy', 'dog'])).toBe(`Lazy${dash.repeat(500)}dog`);
    }
  });

  it('keeps emoji at the edges out of the pieces and in their place', () => {
    const { pieces, join } = splitForTranslation('😂🤣 तेरा कुत्ता ❤️ आलसी है 👨‍👩‍👧🇮🇳1️⃣\n🐶\nहाँ 👍🏽');
    expect(pieces).toEqual(['तेरा कुत्ता ❤️ आलसी है', 'हाँ']);
    expect(join(['Your dog is lazy', 'Yes'])).toBe('😂🤣 Your dog is lazy 👨‍👩‍👧🇮🇳1️⃣\n🐶\nYes 👍🏽');
  });

  it('knows emoji without their variation selector, and joined ones that no font has', () => {
    const { pieces, join } = splitForTranslation('❤ आलसी ☺\n🐕\u200d🐈 मोटा 🐕\u200d🐈\u200d🐎');
    expect(pieces).toEqual(['आलसी', 'मोटा']);
    expect(join(['Lazy', 'Fat'])).toBe('❤ Lazy ☺\n🐕\u200d🐈 Fat 🐕\u200d🐈\u200d🐎');
  });

  it('sends no piece without a letter', () => {
    expect(splitForTranslation('... 2024. 😂! ---- ?!\n100%\n').pieces).toEqual([]);
    expect(splitForTranslation('').pieces).toEqual([]);
  });

  it('asks the caller’s own test what is worth sending', () => {
    expect(splitForTranslation('LOL! आलसी। OK', (piece) => /[^\p{ASCII}]/u.test(piece)).pieces).toEqual(['आलसी।']);
  });

  it('cuts a long sentence at commas, else at spaces, into long stretches', () => {
    const clause = `${'शब्द '.repeat(30)}अंत`;
    const byComma = splitForTranslation(`${clause}, ${clause}, ${clause}, ${clause}`).pieces;
    expect(byComma).toHaveLength(2);
    expect(byComma[0]).toBe(`${clause}, ${clause},`);

    const bySpace = splitForTranslation('शब्दों '.repeat(250)).pieces;
    expect(new Set(bySpace.flatMap((piece) => piece.split(' ')))).toEqual(new Set(['शब्दों']));
    expect(bySpace.length).toBeLessThan(6);
  });

  it('cuts a text without spaces between graphemes, never inside one', () => {
    const { pieces } = splitForTranslation(`अ${'क्षि'.repeat(400)}`);
    expect(pieces.length).toBeGreaterThan(1);
    for (const piece of pieces) expect(piece).toMatch(/^अ?(?:क्षि)+$/u);
  });

  it('cuts even one endless grapheme', () => {
    const { pieces, join } = splitForTranslation(`क${'\u0301'.repeat(3_000)}`);
    expect(pieces.every((piece) => estimateTokens(piece) <= pieceTokensMax)).toBe(true);
    expect(join(pieces)).toBe(`क${'\u0301'.repeat(3_000)}`);
  });
});

describe('joining', () => {
  it('puts spaces, tabs and line breaks back exactly', () => {
    const { join } = splitForTranslation('  एक।\t दो।\r\n\r\n   तीन  ');
    expect(join(['One.', 'Two.', 'Three'])).toBe('  One.\t Two.\r\n\r\n   Three  ');
  });

  it('adds the space that English needs where the Indic text had none', () => {
    expect(splitForTranslation('आलसी है।मोटा है।').join(['He is lazy.', 'He is fat.'])).toBe('He is lazy. He is fat.');
    expect(splitForTranslation('आलसी है।"मोटा"').join(['He is lazy.', '"fat"'])).toBe('He is lazy."fat"');
  });

  it('refuses another number of translations', () => {
    const { join } = splitForTranslation('एक। दो।');
    expect(() => join(['One.'])).toThrow(RangeError);
    expect(() => join(['One.', 'Two.', 'Three.'])).toThrow(RangeError);
  });
});

describe('the token estimate', () => {
  it('counts letters, vowel signs and spaces half, and what may stand alone whole', () => {
    expect(estimateTokens('कुत्ता')).toBe(3);
    expect(estimateTokens('lazy dog')).toBe(4);
    expect(estimateTokens('123!')).toBe(4);
    expect(estimateTokens('😂')).toBe(1);
    expect(estimateTokens('ᱥᱮᱛᱟ')).toBe(4);
    expect(estimateTokens('')).toBe(0);
  });

  it('counts a compatibility form as what it stands for', () => {
    expect(estimateTokens('\ufdfa')).toBe(9);
  });
});

/** Everything a text may be made of: each script, marks, joiners, emoji, every line break, dashes, odd spaces. */
const alphabet = [
  ...'कखगाि्ंबंগাৰறாతుકੁକುമ്ꯀꯥᱟᱥکٻؠًabéÉß',
  ...'.!?।॥۔؟…,;:،؛"()«»',
  ...' \t\u00a0\u3000\u200b\u200c\u200d\ufeff',
  ...['\n', '\r\n', '\r', '\u2028', '\u0085', '\n\n', '  '],
  ...['-', '---', '—', '———', '____', '====='],
  ...['😂', '👨‍👩‍👧', '❤️', '👍🏽', '🇮🇳', '1️⃣', '®'],
  ...['0', '3.5', 'Mr. ', 'डॉ. ', '\ufdfa', 'ﷺ', 'ﬁ', '\ud800', '\udc00', '\0'],
];

describe('any text', () => {
  it('joins its untouched pieces to itself, and every piece has a letter and fits (2000 generated texts)', () => {
    const random = seededRandom(20_261_124);
    let pieceCount = 0;
    for (let run = 0; run < 2_000; run += 1) {
      const text = generate(random, run % 20 === 0 ? 1_500 : 60);
      const { pieces, join } = splitForTranslation(text);
      expect(join(pieces)).toBe(text);
      expect(pieces.filter((piece) => !isFitToSend(piece))).toEqual([]);
      pieceCount += pieces.length;
    }
    expect(pieceCount).toBeGreaterThan(10_000);
  });

  it('of the greatest length that is accepted is split in half a second', () => {
    const hardest = [' ', '😂', 'क', '।', 'a\u0301', '-', '\n', ', ', 'क। ', '😂 '];
    for (const unit of hardest) {
      const text = unit.repeat(Math.floor(5_000 / unit.length));
      const started = performance.now();
      const { pieces, join } = splitForTranslation(`अ${text}अ`);
      expect(join(pieces)).toBe(`अ${text}अ`);
      expect(performance.now() - started, JSON.stringify(unit)).toBeLessThan(500);
    }
  });
});

function isFitToSend(piece: string): boolean {
  const isClean = piece === piece.trim() && !/[\n\r]|[\p{Pd}_=]{3}/u.test(piece);
  return isClean && /\p{L}/u.test(piece) && estimateTokens(piece) <= pieceTokensMax;
}

function generate(random: () => number, unitsMax: number): string {
  // A few letters of the alphabet at a time, or long runs of one kind would never come up.
  const some = Array.from({ length: 1 + Math.floor(random() * 12) }, () => pick(random, alphabet));
  return Array.from({ length: Math.floor(random() * unitsMax) }, () => pick(random, some)).join('');
}

function pick(random: () => number, from: readonly string[]): string {
  return from[Math.floor(random() * from.length)] ?? '';
}

/** Mulberry32: the same texts in every run, so that a failure can be looked at. */
function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
