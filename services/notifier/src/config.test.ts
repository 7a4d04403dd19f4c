import { describe, expect, it } from 'vitest';
import { configSchema, webhookUrlFault } from './config.ts';

const faultOf = (url: string) => webhookUrlFault(String(configSchema.BACKEND_WEBHOOK_URL.parse(url)));

describe('the address of webhooks', () => {
  it.each([
    'https://backend.example/hook',
    'HTTPS://10.0.0.7',
    'http://localhost:4000',
    'http://127.0.0.1:4000',
    'http://0x7f.1:4000',
    'http://[::1]:4000',
    'http://backend.railway.internal:4000/webhooks',
  ])('may be %s', (url) => {
    expect(faultOf(url)).toBeUndefined();
  });

  it.each([
    'http://backend.example',
    'http://backend:4000',
    'http://10.0.0.7',
    'http://128.0.0.1',
    'http://127.0.0.1.evil.example',
    'http://localhost.evil.example',
    'http://railway.internal',
    'http://railway.internal.evil.example',
    'http://evil-railway.internal',
    'http://127.0.0.1@evil.example',
    'http://evil.example/?.railway.internal',
    'http://evil.example#.railway.internal',
    'http://[::ffff:8.8.8.8]',
  ])('is not %s outside the sandbox', (url) => {
    expect(faultOf(url)).toContain('https://');
  });
});
