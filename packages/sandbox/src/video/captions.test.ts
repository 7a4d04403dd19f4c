import { describe, expect, it } from 'vitest';
import { planCaptions } from './captions.ts';

const texts = (text: string) => planCaptions(text).pages.map((page) => page.text);

describe('planCaptions', () => {
  it('breaks at the end of a sentence where one is near', () => {
    const first = 'My cat sleeps twenty hours a day.';
    const second = 'The other four hours she stares at me like I owe her the rent.';
    expect(texts(`${first} ${second}`)).toEqual([first, second]);
  });

  it('shows a short text on one page and none for no text', () => {
    expect(texts('Lazy cat')).toEqual(['Lazy cat']);
    expect(texts(' \n ')).toEqual([]);
  });

  it('keeps every word, in order, on two to four pages', () => {
    const words = new Array(150).fill(0).map((_, index) => `word${index}`);
    const pages = texts(words.join('\n'));
    expect(pages).toHaveLength(4);
    expect(pages.join(' ')).toBe(words.join(' '));
  });

  it('shows the pages one after the other without a gap, over 6 to 12 seconds', () => {
    for (const length of [1, 10, 40, 100, 200]) {
      const { pages, durationSeconds } = planCaptions('bark '.repeat(length));
      expect(durationSeconds).toBeGreaterThanOrEqual(6);
      expect(durationSeconds).toBeLessThanOrEqual(12);
      expect(pages[0]?.fromSeconds).toBe(0);
      expect(pages.at(-1)?.toSeconds).toBeCloseTo(durationSeconds);
      for (const [index, page] of pages.entries()) {
        expect(page.toSeconds - page.fromSeconds).toBeGreaterThan(1);
        expect(page.fromSeconds).toBe(pages[index - 1]?.toSeconds ?? 0);
      }
    }
  });

  it('ends a text that is too long with an ellipsis, and cuts words that fit no line', () => {
    const pages = texts('woof '.repeat(1_000));
    expect(pages.at(-1)).toMatch(/woof…$/);
    expect(pages.join(' ').length).toBeLessThanOrEqual(1_400);
    const pieces = texts('W'.repeat(5_000)).join(' ').split(' ');
    expect(Math.max(...pieces.map((piece) => piece.length))).toBe(24);
  });

  it('drops control characters and halves of characters, which no font can show', () => {
    expect(texts('a\u0000b\ud83d c')).toEqual(['a b\ufffd c']);
  });
});
