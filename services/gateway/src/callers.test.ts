import { secretHash } from '@pet-roast/shared';
import { describe, expect, it } from 'vitest';
import { apiKeys, findKey, hashPrefix, secretOf } from './callers.ts';

const [one, two] = ['1'.repeat(24), '2'.repeat(24)];

describe('API_KEYS', () => {
  it('are names with secrets, of which the hashes are kept alone', () => {
    const keys = apiKeys().parse(` alice:${one}, alice:${two},b-2:~!"#$%&'()*+-./;<=>?@[\\]^_\`{|}`);
    expect(keys.map(({ name }) => name)).toEqual(['alice', 'alice', 'b-2']);
    expect(JSON.stringify(keys)).not.toContain(one);
    expect(findKey(keys, secretHash(two))).toBe(keys[1]);
    expect(findKey(keys, secretHash(two.slice(1)))).toBeUndefined();
    expect(findKey(keys, secretHash(''))).toBeUndefined();
  });

  it.each([
    ['no name', one, /entry 1: must be name:secret/],
    ['an empty name', `:${one}`, /entry 1: must be name:secret/],
    ['a name in capitals', `Alice:${one}`, /entry 1: must be name:secret/],
    ['a name that is too long', `${'a'.repeat(33)}:${one}`, /entry 1: must be name:secret/],
    ['a short secret', `alice:${one},bob:${two.slice(1)}`, /entry 2: the secret must have at least 24/],
    ['a secret with a colon', `alice:s:${one}`, /entry 1: the secret must be visible ASCII/],
    ['a secret with a space', `alice:s ${one}`, /entry 1: the secret must be visible ASCII/],
    ['a secret that is not ASCII', `alice:${'ß'.repeat(30)}`, /entry 1: the secret must be visible ASCII/],
    ['one secret under two names', `alice:${one},bob:${one}`, /one secret under two names/],
    ['nothing in it', ' , ', /has no entry/],
    ['too many', Array.from({ length: 201 }, (_, i) => `n${i}:${one}${i}`).join(), /more than 200/],
  ])('may not have %s, and the message shows no secret', (_what, text, why) => {
    const { error } = apiKeys().safeParse(text);
    expect(error?.issues[0]?.message).toMatch(why);
    expect(error?.message).not.toMatch(/1{20}|2{20}|ß/);
  });
});

describe('a request’s secret', () => {
  it('comes from X-API-Key first, from a bearer token else, and from nothing else', () => {
    const [key, authorization] = ['one', 'Bearer two'];
    expect(secretOf({ 'x-api-key': key, authorization })).toBe('one');
    expect(secretOf({ authorization })).toBe('two');
    expect(secretOf({ 'x-api-key': '', authorization })).toBe('');
    expect(secretOf({ authorization: 'Basic two' })).toBeUndefined();
    expect(secretOf({})).toBeUndefined();
  });

  it('is shown as 8 digits of its hash', () => {
    expect(hashPrefix(secretHash(one))).toMatch(/^[0-9a-f]{8}$/);
  });
});
