import { expect, it } from 'vitest';
import { maskSecret, maskUrl, quote } from './mask.ts';

it('shows four characters of a secret and its length, and of a short one only the length', () => {
  expect(maskSecret('abcdefghijkl')).toBe('abcd… (12 characters)');
  expect(maskSecret('abcdefghijk')).toBe('… (11 characters)');
});

it('shows no user name and no password of an address', () => {
  expect(maskUrl('nats://a:b@one:4222,nats://c:d@two:4222')).toBe('nats://***@one:4222,nats://***@two:4222');
});

it('quotes a stranger without the secrets in his words, also where the cut would fall into one', () => {
  expect(quote('bad key topsecret!', ['topsecret', ''])).toBe('bad key ***!');
  expect(quote(`${'x'.repeat(196)}topsecret`, ['topsecret'])).toBe(`${'x'.repeat(196)}***`);
});
