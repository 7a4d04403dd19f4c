import { describe, expect, it } from 'vitest';
import { createCallbackTokens } from './callback-token.ts';

const soon = new Date(Date.now() + 60_000);
const queryOf = (url: string) => {
  const query = new URL(url).searchParams;
  return {
    job_id: query.get('job_id') ?? '',
    run: query.get('run') ?? '',
    expires: query.get('expires') ?? '',
    token: query.get('token') ?? '',
  };
};

describe('the callback token', () => {
  const tokens = createCallbackTokens('https://bridge.example/', ['first-secret-of-16']);

  it('is accepted for its own job until it expires', () => {
    const query = queryOf(tokens.urlFor('job-1', 1, soon));
    expect(tokens.verify(query)).toBe(true);
    expect(tokens.verify(query, new Date(soon.getTime() + 2_000))).toBe(false);
  });

  it('is refused for another job, another expiry, another secret, and when it is no token at all', () => {
    const query = queryOf(tokens.urlFor('job-1', 1, soon));
    expect(tokens.verify({ ...query, job_id: 'job-2' })).toBe(false);
    expect(tokens.verify({ ...query, run: '2' })).toBe(false);
    expect(tokens.verify({ ...query, expires: String(Number(query.expires) + 9_999) })).toBe(false);
    expect(createCallbackTokens('https://b', ['other-secret-of-16']).verify(query)).toBe(false);
    for (const token of ['', 'x', query.token.slice(1), `${query.token}x`])
      expect(tokens.verify({ ...query, token })).toBe(false);
    expect(tokens.verify({ ...query, expires: 'never' })).toBe(false);
  });

  it('survives a rotation: what the old secret signed is accepted while both are there', () => {
    const query = queryOf(tokens.urlFor('job-1', 1, soon));
    expect(createCallbackTokens('https://b', ['new-secret-of-16!', 'first-secret-of-16']).verify(query)).toBe(true);
  });

  it('is in an address below the public one, without a doubled slash', () => {
    expect(tokens.urlFor('job-1', 1, soon)).toMatch(
      /^https:\/\/bridge\.example\/api\/webhook\/video-complete\?job_id=job-1&/,
    );
  });
});
