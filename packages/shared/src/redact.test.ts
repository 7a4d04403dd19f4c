import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { maskConfig, secret } from './config.ts';
import { shownError } from './log.ts';
import { hide, hideIn, learnSecrets, redact } from './redact.ts';

const environment = {
  SOME_TOKEN: 'tok-3n with "quotes" & more',
  SOME_KEYS: 'app:key-of-the-app, shop:key-of-the-shop',
  SOME_STORE: 'redis://user:pass%40word@store.example:6379/0?family=0',
  SOME_URL: 'https://only-a-token@api.example/v3',
  SOME_HOOK: 'https://hooks.example/in?token=hook-token&source=a-long-name-of-a-source',
  SOME_SERVERS: 'nats://one.example:4222,nats://bob:bobs-password@two.example:4222',
  SHORT: 'abc',
};
learnSecrets(environment, (name) => ['SOME_TOKEN', 'SOME_KEYS', 'SOME_STORE', 'SHORT'].includes(name));

describe('a text that is logged', () => {
  it.each([
    ['as it is', environment.SOME_TOKEN],
    ['in JSON', JSON.stringify({ a: environment.SOME_TOKEN })],
    ['in a URL', `https://x.example/?a=${encodeURIComponent(environment.SOME_TOKEN)}`],
    ['one of a list', 'got key-of-the-shop here'],
    ['a store’s password', 'AUTH pass%40word'],
    ['a store’s password as it is sent', 'AUTH pass@word'],
    ['a token in front of a host', 'only-a-token'],
    ['a token in a query', 'hook-token'],
    ['a long value in a query', 'a-long-name-of-a-source'],
    ['a server’s password, in a list of servers', 'bobs-password'],
    ['credentials that nobody knew of', 'GET https://anna:unknown@photos.example/1.jpg failed'],
    ['a token that nobody knew of', 'POST /api/webhook/video-complete?job_id=1&token=unknown&expires=2'],
  ])('holds no secret %s', (_how, text) => {
    const shown = redact(text);
    expect(shown).toContain('***');
    for (const word of ['tok-3n', 'quotes', 'shop', 'word', 'only-a-token', 'hook-token', 'a-long', 'unknown']) {
      expect(shown).not.toContain(word);
    }
  });

  it('keeps what is none, and values too short to be one', () => {
    for (const text of ['abc', 'redis://store.example:6379', 'mail@photos.example', 'at /app/x.ts:1:2 (key=1)']) {
      expect(redact(text)).toBe(text);
    }
    expect(redact(`x ${environment.SOME_TOKEN} y`)).toBe('x *** y');
  });
});

describe('what a job is about', () => {
  const roast = 'My dog Bruno is so very lazy that "fetch" is a rumour.\nSad.';
  it.each([
    ['whole', `refused: ${roast}`, 'refused: ***'],
    ['in JSON', JSON.stringify({ input: roast, code: 1 }), '{"input":"***","code":1}'],
    ['cut', `refused: ${roast.slice(0, 30)}…`, 'refused: ***…'],
    ['twice', `${roast}|${roast}`, '***|***'],
    ['twice in two ways', `${roast}|${JSON.stringify(roast)}`, '***|"***"'],
    ['not at all', 'refused: too long', 'refused: too long'],
  ])('is hidden where others quote it %s', (_how, text, shown) => {
    expect(hide(text, [roast, ''])).toBe(shown);
  });

  it('is hidden in every text of a value, and nothing else is changed', () => {
    const said = { error: [{ input: roast, at: 3 }], pid: null, ok: false };
    expect(hideIn(said, [roast])).toEqual({ error: [{ input: '***', at: 3 }], pid: null, ok: false });
    // A text that looks like JSON cannot break what it is in.
    expect(hideIn({ a: 'b', c: 1 }, ['","c":1', '{"a":"b"'])).toEqual({ a: 'b', c: 1 });
    expect(hideIn({ a: 'x\ud800yyyyyy' }, ['x\ud800yyyyyy'])).toEqual({ a: '***' });
  });
});

describe('an error that is logged', () => {
  it('shows how it reads, its codes and its causes, and nothing that a client has hung on it', () => {
    const cause = Object.assign(new Error('ERR too big'), {
      command: { name: 'eval', args: ['canary-4711'] },
      code: 'X',
    });
    const error = new AggregateError([new Error('first')], 'all failed', { cause });
    const shown = shownError(error);
    expect(shown).toMatchObject({
      type: 'AggregateError',
      message: 'all failed',
      errors: [{ message: 'first' }],
      cause: { message: 'ERR too big', code: 'X', stack: expect.stringContaining('redact.test.ts') },
    });
    expect(JSON.stringify(shown)).not.toContain('canary-4711');
  });

  it('ends where its causes go round in a circle', () => {
    const error = new Error('round');
    error.cause = error;
    expect(JSON.stringify(shownError(error)).match(/"message":"round"/g)).toHaveLength(6);
  });
});

describe('a configuration that is printed', () => {
  it('shows no secret, no credentials and no query, however deep', () => {
    const shape = { TOKEN: secret(z.string()), URLS: z.array(z.string()), EXTRA: z.unknown(), PORT: z.number() };
    const config = {
      TOKEN: 'x',
      URLS: ['https://u:p@a.example/b?c=d', 'plain'],
      EXTRA: { deep: { url: 'https://a.example/?x=y' } },
      PORT: 1,
    };
    expect(maskConfig(shape, config)).toEqual({
      TOKEN: '***',
      URLS: ['https://***@a.example/b?***', 'plain'],
      EXTRA: { deep: { url: 'https://a.example/?***' } },
      PORT: 1,
    });
  });
});
