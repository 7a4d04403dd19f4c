/**
 * How long a refusal takes must not tell how much of a guess was right. A timed test would be noise; what is watched is that
 * the bytes of every secret from outside are compared by `timingSafeEqual` alone, whichever of them differ.
 */
import { timingSafeEqual } from 'node:crypto';
import { hasBearer, secretHash } from '@pet-roast/shared';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { findKey } from '../services/gateway/src/callers.ts';
import { createPhotoUrls } from '../services/gateway/src/photo-urls.ts';
import { createCallbackTokens } from '../services/revid-bridge/src/core/callback-token.ts';

vi.mock('node:crypto', async (original) => {
  const real = await original<typeof import('node:crypto')>();
  return { ...real, timingSafeEqual: vi.fn(real.timingSafeEqual) };
});

const later = new Date(Date.now() + 60_000);
const comparisons = () => vi.mocked(timingSafeEqual).mock.calls;
const secrets = ['first-secret-0123456789', 'second-secret-0123456789'] as const;

beforeEach(() => void vi.mocked(timingSafeEqual).mockClear());

describe('in constant time', () => {
  it.each(['first', 'second', 'third', 'no'])(
    'an API key is compared with every key, when it is the %s one',
    (mine) => {
      const keys = ['first', 'second', 'third'].map((name) => ({ name, hash: secretHash(name) }));
      expect(findKey(keys, secretHash(mine))?.name).toBe(mine === 'no' ? undefined : mine);
      expect(comparisons().map(([key]) => key)).toEqual(keys.map(({ hash }) => hash));
    },
  );

  it.each([
    ['the right one', 'admin-token', true],
    ['wrong in its first letter', 'Admin-token', false],
    ['wrong in its last letter', 'admin-tokeN', false],
    ['shorter', 'admin', false],
    ['longer', 'admin-token-and-more', false],
  ])('a bearer token is compared as a hash, when it is %s', (_, given, expected) => {
    expect(hasBearer(`Bearer ${given}`, 'admin-token')).toBe(expected);
    expect(comparisons()).toEqual([[secretHash(given), secretHash('admin-token')]]);
  });

  describe.each(['the right one', 'wrong in its first letter', 'wrong in its last letter'])(
    'when it is %s',
    (which) => {
      const right = which === 'the right one';
      const changed = (text: string) => {
        if (right) return text;
        const at = which.includes('first') ? 0 : text.length - 1;
        return `${text.slice(0, at)}${text[at] === 'A' ? 'B' : 'A'}${text.slice(at + 1)}`;
      };

      it('the signature of a photo’s address is compared with that of every secret', () => {
        const urls = createPhotoUrls('https://gateway.example', secrets);
        const query = Object.fromEntries(new URL(urls.urlFor('photo', later)).searchParams);
        expect(urls.verify('photo', { ...query, signature: changed(query['signature'] ?? '') })).toBe(right);
        expect(comparisons()).toHaveLength(right ? 1 : secrets.length);
      });

      it('the token of a callback’s address is compared with that of every secret', () => {
        const tokens = createCallbackTokens('https://bridge.example', secrets);
        const query = Object.fromEntries(new URL(tokens.urlFor('job', 1, later)).searchParams);
        const { job_id = '', run = '', expires = '', token = '' } = query;
        expect(tokens.verify({ job_id, run, expires, token: changed(token) })).toBe(right);
        expect(comparisons()).toHaveLength(right ? 1 : secrets.length);
      });
    },
  );
});
