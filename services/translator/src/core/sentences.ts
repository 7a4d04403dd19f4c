import { hasLetters } from './language.ts';

/**
 * Cutting a text into pieces that the model can take, and putting the translations back where the pieces were.
 *
 * IndicTrans2 is a sentence model: it reads at most 256 tokens and silently drops the rest (`engine.py`), and its
 * authors ask for one sentence at a time. So a text becomes a row of parts, each either *sent* or *kept*:
 *
 *   text → lines → sentences → (only what is too long) clauses → words → graphemes → code points
 *
 * Kept, and put back exactly: line breaks and the spaces around pieces, emoji at their edges (the model drops
 * them), long dash runs (they have hung the model), and every piece without a letter to translate.
 */

/** 256 less the two language tags and the end mark, less a fifth for what the estimate gets wrong. */
export const pieceTokensMax = 200;

export type SplitText = {
  /** What is sent, in order; each has a letter and is at most `pieceTokensMax` by the estimate. */
  readonly pieces: readonly string[];
  /**
   * The text with its pieces replaced. `join(pieces)` is the original text, character for character.
   * @throws {RangeError} when there are not as many translations as pieces.
   */
  readonly join: (translated: readonly string[]) => string;
};

/** Splits a text of any length; `isWorthSending` decides per piece, by default whether it has a letter. */
export function splitForTranslation(text: string, isWorthSending: (piece: string) => boolean = hasLetters): SplitText {
  const parts = cutAtSeparators(text)
    .flatMap((part) =>
      part.sent
        ? sentencesOf(part.text)
            .flatMap((sentence) => fit(sentence))
            .map(send)
        : [part],
    )
    .flatMap((part) => (part.sent ? withoutEdges(part.text) : [part]))
    .map((part) => (part.sent && isWorthSending(part.text) ? part : keep(part.text)));
  const pieces = parts.filter((part) => part.sent).map((part) => part.text);

  return {
    pieces,
    join: (translated) => {
      if (translated.length !== pieces.length) {
        throw new RangeError(`${translated.length} translations for ${pieces.length} pieces`);
      }
      return joinParts(parts, translated);
    },
  };
}

/**
 * How many of the model's tokens a text takes at most, short of gibberish.
 *
 * An estimate, since the vocabularies are not at hand: everyday text is taken to have three characters to a token, so
 * a letter, vowel sign or space counts half a token, which leaves a third in hand. Ol Chiki and Meetei Mayek count a
 * whole one, for the models saw little of them; so does every digit, sign and unknown letter, which is the worst that
 * a vocabulary without byte pieces can do. Compatibility forms count as what the model's normaliser makes of them.
 */
export function estimateTokens(text: string): number {
  const normalized = text.normalize('NFKC');
  const half = normalized.match(halfTokenCharacters)?.length ?? 0;
  return [...normalized].length - half / 2;
}

type Part = { readonly sent: boolean; readonly text: string };

const send = (text: string): Part => ({ sent: true, text });
const keep = (text: string): Part => ({ sent: false, text });

const halfTokenCharacters =
  /[ \p{Script=Latin}\p{Script=Devanagari}\p{Script=Bengali}\p{Script=Gurmukhi}\p{Script=Gujarati}\p{Script=Oriya}\p{Script=Tamil}\p{Script=Telugu}\p{Script=Kannada}\p{Script=Malayalam}\p{Script=Arabic}]/gu;

/** Line breaks (the vendor turns them into spaces) and runs of three or more dashes or rules. */
const separators = /([\n\r\v\f\u0085\u2028\u2029]+|[\p{Pd}\u2212_=~\u2500\u2501]{3,})/u;

/** `split` with one capturing group: texts at even places, separators at odd ones. */
function cutAtSeparators(text: string): Part[] {
  return text.split(separators).map((part, index) => (index % 2 === 0 ? send(part) : keep(part)));
}

/** ICU's rules (UAX 29) know . ! ? । ॥ ۔ ؟ and leave "3.5" and "dog.png" whole; their segments add up to the input. */
const sentenceSegmenter = new Intl.Segmenter('en', { granularity: 'sentence' });
const graphemeSegmenter = new Intl.Segmenter('en', { granularity: 'grapheme' });

/** Titles and units whose full stop ends no sentence, which UAX 29 cannot know. */
const abbreviationAtEnd = /(?:^|[\s(])(?:Mr|Mrs|Ms|Dr|St|Prof|vs|No|डॉ|श्री|श्रीमती|प्रो|पं|कि|मी|रु|डा|ডঃ|ডা)\.\s*$/u;

function sentencesOf(text: string): string[] {
  const sentences: string[] = [];
  for (const { segment } of sentenceSegmenter.segment(text)) {
    const last = sentences.at(-1);
    if (last !== undefined && abbreviationAtEnd.test(last)) sentences[sentences.length - 1] = last + segment;
    else sentences.push(segment);
  }
  return sentences;
}

/** From the gentlest cut to the harshest; the last one always fits. */
const cuts: readonly ((text: string) => string[])[] = [
  (text) => text.split(/(?<=[,;:،؛—–]\s)/u),
  (text) => text.split(/(?<=\s)(?=\S)/u),
  (text) => Array.from(graphemeSegmenter.segment(text), ({ segment }) => segment),
  (text) => [...text],
];

/** Cuts what is over the bound, packing as much as fits into each piece, so that the model sees long stretches. */
function fit(text: string, level = 0): string[] {
  const cut = cuts[level];
  if (cut === undefined || estimateTokens(text) <= pieceTokensMax) return [text];

  const packed: string[] = [];
  let tokens = Number.POSITIVE_INFINITY;
  for (const unit of cut(text).flatMap((part) => fit(part, level + 1))) {
    const unitTokens = estimateTokens(unit);
    if (tokens + unitTokens <= pieceTokensMax) {
      packed.push((packed.pop() ?? '') + unit);
      tokens += unitTokens;
    } else {
      packed.push(unit);
      tokens = unitTokens;
    }
  }
  return packed;
}

function withoutEdges(text: string): Part[] {
  const units = text.match(edgeOrAny) ?? [];
  const start = units.findIndex((unit) => !isEdge.test(unit));
  if (start === -1) return [keep(text)];
  const end = units.findLastIndex((unit) => !isEdge.test(unit)) + 1;
  return [
    keep(units.slice(0, start).join('')),
    send(units.slice(start, end).join('')),
    keep(units.slice(end).join('')),
  ];
}

const isEdge = /^(?:\s|\p{RGI_Emoji}|\p{Extended_Pictographic})/v;
/** One white space, emoji or other character at a time: one expression for a whole edge would backtrack for ever. */
const edgeOrAny = /\s|(?:\p{RGI_Emoji}|\p{Extended_Pictographic})[\uFE0F\u200D\p{Emoji_Modifier}]*|./gsv;

function joinParts(parts: readonly Part[], translated: readonly string[]): string {
  let joined = '';
  let index = 0;
  for (const part of parts) {
    if (!part.sent) {
      joined += part.text;
      continue;
    }
    const text = translated[index] ?? '';
    index += 1;
    // "है।और" has no space after its danda, English needs one after its full stop.
    if (text !== part.text && /[.!?]$/u.test(joined) && /^[\p{L}\p{N}]/u.test(text)) joined += ' ';
    joined += text;
  }
  return joined;
}
