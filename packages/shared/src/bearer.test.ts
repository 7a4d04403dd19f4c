import { describe, expect, it } from 'vitest';
import { bearerOf, hasBearer } from './bearer.ts';

describe('an Authorization header', () => {
  it.each([
    ['Bearer abc', 'abc'],
    ['bearer abc', 'abc'],
    ['BEARER  abc ', 'abc'],
    ['Bearer ', undefined],
    ['Bearer', undefined],
    ['Bearer a b', undefined],
    ['Basic abc', undefined],
    ['xBearer abc', undefined],
    ['', undefined],
    [undefined, undefined],
  ])('%j has the token %j', (header, token) => {
    expect(bearerOf(header)).toBe(token);
  });

  it('has a token only where it is that one to the last character, and never where there is none', () => {
    expect(hasBearer('Bearer abc', 'abc')).toBe(true);
    for (const other of ['ab', 'abcd', 'ABC', '', undefined]) expect(hasBearer('Bearer abc', other)).toBe(false);
    expect(hasBearer(undefined, undefined)).toBe(false);
  });

  it('of any length is read in no time', () => {
    expect(hasBearer(`Bearer ${' '.repeat(100_000)}x y`, 'abc')).toBe(false);
  });
});
