import { describe, expect, it } from 'vitest';
import { headerValue, plainHttpFault, secretList, webUrl } from './config.ts';

describe('an address', () => {
  it.each(['https://pets.example', 'http://notifier:8002', 'http://[::1]:8001/api'])('may be %s', (value) => {
    expect(webUrl().safeParse(value).success).toBe(true);
  });

  it.each(['localhost:8001', 'notifier:8002', 'pets.example.com:8000/api', 'pets.example', 'ftp://pets.example', ''])(
    'is not %j: it would fail at the first request',
    (value) => {
      expect(webUrl().safeParse(value).success).toBe(false);
    },
  );

  it('is plain http where it does not stay on this machine or on Railway’s private network', () => {
    expect(plainHttpFault('http://pets.example', 'they read it')).toBe('has to begin with https://: they read it');
    for (const url of ['https://pets.example', 'http://127.0.0.1:8001', 'http://bridge.railway.internal']) {
      expect(plainHttpFault(url, '')).toBeUndefined();
    }
  });
});

describe('what goes out in a header', () => {
  it('is visible ASCII', () => {
    expect(headerValue().safeParse('rvd_A-1~').success).toBe(true);
    for (const value of ['', 'key\n', 'a key', 'schlüssel']) expect(headerValue().safeParse(value).success).toBe(false);
  });
});

describe('a list of secrets', () => {
  const long = 'x'.repeat(16);
  it('is one or more, none of them short', () => {
    expect(secretList().parse(`${long}, ${long}2`)).toEqual([long, `${long}2`]);
    for (const value of ['', ','.repeat(16), `abc,${long}`, long.slice(1)]) {
      expect(secretList().safeParse(value).success, value).toBe(false);
    }
  });
});
