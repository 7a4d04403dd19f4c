import { expect, test } from 'vitest';
import { namedVariables } from './named-variables.ts';

const env = {
  ...{ PORT: '9000', NATS_URL: 'nats://x', HOME: '/root', LOG_LEVEL: 'debug', TARGET_LANGUAGE: '' },
  ...{
    REVID_API_KEY: 'real',
    BHASHINI_API_KEY: 'real',
    BACKEND_WEBHOOK_SECRET: 'mine',
    BACKEND_WEBHOOK_URL: 'https://b',
  },
};

test('in the sandbox a key is used with its owner’s address alone, and the start decides ports and servers', () => {
  expect(namedVariables(env, true)).toEqual({
    used: { LOG_LEVEL: 'debug', BACKEND_WEBHOOK_SECRET: 'mine', BACKEND_WEBHOOK_URL: 'https://b' },
    unused: expect.arrayContaining([
      { name: 'REVID_API_KEY', address: 'REVID_BASE_URL' },
      { name: 'BHASHINI_API_KEY', address: 'BHASHINI_CONFIG_URL' },
    ]),
  });
  const named = namedVariables({ ...env, REVID_BASE_URL: 'https://r', BHASHINI_API_KEY: '' }, true);
  expect(named).toMatchObject({ used: { REVID_API_KEY: 'real', REVID_BASE_URL: 'https://r' }, unused: [] });
});

test('outside of it every key is used', () => {
  expect(namedVariables(env, false)).toMatchObject({ used: { REVID_API_KEY: 'real' }, unused: [] });
});
