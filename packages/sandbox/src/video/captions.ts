/** Splits a roast into a few caption pages and gives each its time. Pure. */

/** Characters that are shown; a longer text ends with an ellipsis. */
const charactersShownMax = 1_400;
const pagesMax = 4;
/** The comfortable length of a page, of which a whole sentence may take more. */
const charactersPerPageWanted = 60;
const charactersPerPageMax = 80;
const onePageCharactersMax = 30;
/** Longer words are cut into pieces, so that any text can be put on pages. */
const wordCharactersMax = 24;
const secondsMin = 6;
const secondsMax = 12;
const charactersPerSecond = 40;
/** How much of a page's length a break may move to fall on the end of a sentence, or on a comma. */
const sentencePull = 0.35;
const clausePull = 0.15;
/** Counted beside a page's characters, so that a short page is not gone before it is seen. */
const lookingCharacters = 20;

export type CaptionPage = { readonly text: string; readonly fromSeconds: number; readonly toSeconds: number };
export type CaptionPlan = { readonly pages: readonly CaptionPage[]; readonly durationSeconds: number };

/**
 * Plans the captions: 2 to 4 pages (one for up to 30 characters, none for no text), broken at sentence ends where
 * they are near, shown one after the other over 6 to 12 seconds.
 */
export function planCaptions(text: string): CaptionPlan {
  const shown = shorten(cleaned(text));
  const durationSeconds = Math.min(secondsMax, Math.max(secondsMin, Math.ceil(shown.length / charactersPerSecond)));
  const texts = paginate(shown);
  const weights = texts.map((page) => page.length + lookingCharacters);
  const weightSum = weights.reduce((sum, weight) => sum + weight, 0);
  let before = 0;
  const pages = texts.map((page, index) => {
    const fromSeconds = (before / weightSum) * durationSeconds;
    before += weights[index] ?? 0;
    return { text: page, fromSeconds, toSeconds: (before / weightSum) * durationSeconds };
  });
  return { pages, durationSeconds };
}

function cleaned(text: string): string {
  return text
    .toWellFormed()
    .replaceAll(/[\p{Cc}\s]+/gu, ' ')
    .trim();
}

function shorten(text: string): string {
  if (text.length <= charactersShownMax) return text;
  const cut = text.slice(0, charactersShownMax - 1);
  const lastSpace = cut.lastIndexOf(' ');
  return `${(lastSpace > 0 ? cut.slice(0, lastSpace) : cut).toWellFormed()}…`;
}

function paginate(text: string): readonly string[] {
  const words = text.split(' ').flatMap((word) => word.match(wordPieces) ?? []);
  if (words.length < 2 || text.length <= onePageCharactersMax) return words.length === 0 ? [] : [words.join(' ')];
  const least = Math.min(pagesMax, Math.max(2, Math.ceil(text.length / charactersPerPageMax)));
  const most = Math.min(pagesMax, Math.max(2, Math.ceil(text.length / charactersPerPageWanted)), words.length);
  const splits = [];
  for (let count = least; count <= most; count += 1) splits.push(split(words, count));
  const [best] = splits.sort((one, other) => one.cost - other.cost);
  const breaks = best?.breaks ?? [];
  return [0, ...breaks].map((from, index) => words.slice(from, breaks[index] ?? words.length).join(' '));
}

const wordPieces = new RegExp(`.{1,${wordCharactersMax}}`, 'gu');

/** The words that begin the second and later pages, and how badly the breaks fall: the worst one, in page lengths. */
function split(words: readonly string[], count: number): { breaks: readonly number[]; cost: number } {
  const ends: number[] = [];
  for (const word of words) ends.push((ends.at(-1) ?? 0) + word.length + 1);
  const pageLength = (ends.at(-1) ?? 0) / count;
  const breaks: number[] = [];
  let worst = Number.NEGATIVE_INFINITY;
  for (let page = 1; page < count; page += 1) {
    const first = (breaks.at(-1) ?? 0) + 1;
    const last = words.length - (count - page);
    let best = first;
    let bestCost = Number.POSITIVE_INFINITY;
    for (let index = first; index <= last; index += 1) {
      const distance = Math.abs((ends[index - 1] ?? 0) / pageLength - page);
      const cost = distance - pullOf(words[index - 1] ?? '');
      if (cost < bestCost) [best, bestCost] = [index, cost];
    }
    breaks.push(best);
    worst = Math.max(worst, bestCost);
  }
  return { breaks, cost: worst };
}

function pullOf(word: string): number {
  if (/[.!?।…]["'”’)]*$/u.test(word)) return sentencePull;
  return /[,;:–—]["'”’)]*$/u.test(word) ? clausePull : 0;
}
