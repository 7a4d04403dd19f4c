import { describe, expect, it } from 'vitest';
import { normalizeBaseUrl } from './base-url.ts';

describe('a base address', () => {
  it.each([
    ['https://roast.example', 'https://roast.example'],
    ['https://roast.example/', 'https://roast.example'],
    ['https://roast.example/api', 'https://roast.example'],
    ['https://roast.example/api/', 'https://roast.example'],
    ['https://roast.example//', 'https://roast.example'],
    ['http://[::1]:8000/api', 'http://[::1]:8000'],
    ['https://example.com/roast/api', 'https://example.com/roast'],
    ['https://example.com/my-api', 'https://example.com/my-api'],
    ['https://example.com/api/api', 'https://example.com/api'],
  ])('may be written %s', (written, meant) => {
    expect(normalizeBaseUrl(written)).toBe(meant);
  });

  it.each([
    '',
    'roast.example',
    '/api',
    'ftp://roast.example',
    'https://roast.example/?x=1',
    'https://roast.example/#x',
  ])('may not be %j', (written) => {
    expect(() => normalizeBaseUrl(written)).toThrow(TypeError);
  });

  it('with a password is refused without showing it', () => {
    expect(() => normalizeBaseUrl('https://me:hunter2@roast.example')).toThrow(/^baseUrl must have no credentials/);
  });
});
