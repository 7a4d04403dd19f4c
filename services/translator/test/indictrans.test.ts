import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createIndicTrans, type IndicTransOptions } from '../src/adapters/indictrans.ts';
import type { Route } from '../src/translate.ts';
import { type Answer, type Call, startVendor } from './vendor-server.ts';

const tamilToEnglish: Route = { source: 'ta', target: 'en' };
const never = new AbortController().signal;
const apiKey = 'indictrans-key-93ad';

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

describe('indictrans', () => {
  it('posts each piece with its languages, never auto, and answers in order', async () => {
    const { server, translateBatch } = await start();
    expect(await translateBatch(['ஒன்று', 'இரண்டு'], tamilToEnglish, never)).toEqual(['en:ஒன்று', 'en:இரண்டு']);
    expect(server.calls.map((call) => call.body)).toContainEqual({
      input: 'ஒன்று',
      source_language: 'ta',
      target_language: 'en',
    });
    expect(server.calls[0]).toMatchObject({ path: '/translate', method: 'POST' });
    expect(server.calls[0]?.headers).not.toHaveProperty('authorization');
  });

  it('sends the key as a bearer token, and keeps the base address’s path', async () => {
    const { server, translateBatch } = await start(echo, { apiKey }, '/nmt/');
    await translateBatch(['ஒன்று'], tamilToEnglish, never);
    expect(server.calls[0]).toMatchObject({ path: '/nmt/translate', headers: { authorization: `Bearer ${apiKey}` } });
  });

  it('has at most the allowed number of calls in flight, whichever end first', async () => {
    const pieces = Array.from({ length: 12 }, (_, index) => `துண்டு ${index}`);
    // A slow server, and slower for earlier pieces.
    const { server, translateBatch } = await start(
      async (call) => {
        await delay(80 - 5 * pieces.indexOf(call.body.input));
        return echo(call);
      },
      { concurrencyMax: 3 },
    );
    expect(await translateBatch(pieces, tamilToEnglish, never)).toEqual(pieces.map((piece) => `en:${piece}`));
    expect(server.inFlightMost()).toBe(3);
  });

  it('gives up the other pieces when one fails, also those in flight', async () => {
    const hanging = Promise.withResolvers<void>();
    const { server, translateBatch } = await start(
      async (call) => {
        if (call.body.input === 'hangs') {
          hanging.resolve();
          return new Promise<Answer>(() => {});
        }
        await hanging.promise;
        return { status: 503 };
      },
      { concurrencyMax: 2 },
    );
    const translating = translateBatch(['hangs', 'fails', 'c', 'd'], tamilToEnglish, never);
    await expect(translating).rejects.toMatchObject({ name: 'RetryLater', message: expect.stringContaining('503') });
    await vi.waitFor(() => expect(server.inFlight()).toBe(0));
    expect(server.calls.map((call) => call.body.input).sort()).toEqual(['fails', 'hangs']);
  });

  it('goes on from where an attempt was broken off: no piece is translated twice', async () => {
    const pieces = Array.from({ length: 9 }, (_, index) => `துண்டு ${index}`);
    let isSlow = true;
    const { server, translateBatch } = await start(
      async (call) => (isSlow && call.body.input === pieces[6] ? new Promise<Answer>(() => {}) : echo(call)),
      { concurrencyMax: 1 },
    );
    const attempt = new AbortController();
    const first = translateBatch(pieces, tamilToEnglish, attempt.signal);
    await vi.waitFor(() => expect(server.calls).toHaveLength(7));
    attempt.abort();
    await expect(first).rejects.toThrow();
    isSlow = false;
    expect(await translateBatch(pieces, tamilToEnglish, never)).toEqual(pieces.map((piece) => `en:${piece}`));
    expect(server.calls.map((call) => call.body.input)).toEqual([...pieces.slice(0, 7), ...pieces.slice(6)]);
    await translateBatch(pieces.slice(0, 1), tamilToEnglish, never);
    expect(server.calls).toHaveLength(11);
  });

  it.each([408, 429, 500, 502, 503])('takes %i for a reason to retry, when the server says', async (status) => {
    const { translateBatch } = await start(() => ({
      status,
      body: { detail: 'Model not loaded yet' },
      headers: { 'retry-after': '15' },
    }));
    await expect(translateBatch(['ஒன்று'], tamilToEnglish, never)).rejects.toMatchObject({
      name: 'RetryLater',
      code: 'translation_failed',
      retryAfterMs: 15_000,
    });
  });

  it.each([400, 401, 403, 404, 413, 422])('takes %i for final', async (status) => {
    const { translateBatch } = await start(() => ({ status, body: { detail: 'no' } }));
    await expect(translateBatch(['ஒன்று'], tamilToEnglish, never)).rejects.toMatchObject({
      name: 'Permanent',
      code: 'translation_failed',
    });
  });

  it.each([400, 422])('takes %i about a language for a language that is not supported', async (status) => {
    const { translateBatch } = await start(() => ({ status, body: { detail: 'Unsupported language code: brx' } }));
    await expect(translateBatch(['ஒன்று'], tamilToEnglish, never)).rejects.toMatchObject({
      name: 'Permanent',
      code: 'language_not_supported',
    });
  });

  it.each([
    ['a page', '<html></html>'],
    ['no output', { translated: 'x' }],
    ['an output that is no text', { output: ['x'] }],
    ['too much', { output: 'x'.repeat(2_000_001) }],
  ])('takes 200 with %s for a reason to retry', async (_what, body) => {
    const { translateBatch } = await start(() => ({ body }));
    await expect(translateBatch(['ஒன்று'], tamilToEnglish, never)).rejects.toMatchObject({
      name: 'RetryLater',
      code: 'translation_failed',
    });
  });

  it('retries later after its time-out, the caller’s deadline, or a refused connection', async () => {
    const hanging = () => new Promise<Answer>(() => {});
    const slow = await start(hanging, { requestTimeoutMs: 200 });
    await expect(slow.translateBatch(['ஒன்று'], tamilToEnglish, never)).rejects.toMatchObject({
      name: 'RetryLater',
      message: expect.stringContaining('TimeoutError'),
    });
    const patient = await start(hanging);
    await expect(patient.translateBatch(['ஒன்று'], tamilToEnglish, AbortSignal.timeout(100))).rejects.toMatchObject({
      name: 'RetryLater',
    });
    const gone = await start();
    await gone.server[Symbol.asyncDispose]();
    await expect(gone.translateBatch(['ஒன்று'], tamilToEnglish, never)).rejects.toMatchObject({
      name: 'RetryLater',
      message: expect.stringContaining('ECONNREFUSED'),
    });
  });

  it('tells no secret in its errors, also when the server echoes it', async () => {
    // Placed so that a cut after 200 characters would leave half of it.
    const { translateBatch } = await start(() => ({ status: 400, body: `${'x'.repeat(190)}${apiKey}` }), { apiKey });
    const error = await translateBatch(['ஒன்று'], tamilToEnglish, never).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ name: 'Permanent', message: expect.stringContaining('xxx***'), cause: undefined });
    expect(`${String(error)} ${JSON.stringify(error)}`).not.toContain(apiKey.slice(0, 6));
  });

  it('refuses an address that is none', () => {
    expect(() => createIndicTrans({ url: 'localhost:5000' })).toThrow();
    expect(() => createIndicTrans({ url: '' })).toThrow();
  });
});

function echo(call: Call): Answer {
  const { input, source_language, target_language } = call.body;
  return { body: { output: `${target_language}:${input}`, source_language, target_language } };
}

async function start(
  answer: (call: Call) => Answer | Promise<Answer> = echo,
  options: Partial<IndicTransOptions> = {},
  basePath = '',
) {
  const server = await startVendor(answer);
  const indictrans = createIndicTrans({ url: `${server.url}${basePath}`, ...options });
  closers.push(server[Symbol.asyncDispose], indictrans.close);
  return { server, translateBatch: indictrans.translateBatch };
}
