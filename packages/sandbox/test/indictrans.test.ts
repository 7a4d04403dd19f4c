import { describe, expect, it } from 'vitest';
import { startIndictrans } from '../src/index.ts';
import { ask, errorOf, json } from './helpers/http.ts';

const impatientMs = 150;
const request = {
  input: 'என் பூனை ஒரு நாளைக்கு இருபது மணி நேரம் தூங்குகிறது.',
  source_language: 'ta',
  target_language: 'en',
};

describe('the sandbox IndicTrans2 server', () => {
  it('translates', async () => {
    await using server = await startIndictrans();
    expect(json(await ask(`${server.url}/translate`, { body: request }))).toEqual({
      output: 'My cat sleeps twenty hours a day.',
      source_language: 'ta',
      target_language: 'en',
    });
    expect(server.calls.all()).toMatchObject([{ body: request, authorized: true }]);
  });

  it('takes auto for Hindi, whatever the text is', async () => {
    await using server = await startIndictrans();
    const answer = await ask(`${server.url}/translate`, { body: { ...request, source_language: 'auto' } });
    expect(json(answer)).toMatchObject({ source_language: 'hi', output: `[hi→en] ${request.input}` });
  });

  it('asks for the bearer token where it was given one', async () => {
    await using server = await startIndictrans({ apiKey: 'k' });
    expect((await ask(`${server.url}/translate`, { body: request })).status).toBe(401);
    const headers = { authorization: 'Bearer k' };
    expect((await ask(`${server.url}/translate`, { body: request, headers })).status).toBe(200);
  });

  it('answers 422 for a language that it has not', async () => {
    await using server = await startIndictrans();
    expect((await ask(`${server.url}/translate`, { body: { ...request, source_language: 'fr' } })).status).toBe(422);
  });

  it('answers 503 while it loads, as its own process or another says', async () => {
    await using server = await startIndictrans({ behaviour: { loading: true } });
    expect((await ask(`${server.url}/translate`, { body: request })).status).toBe(503);
    await ask(`${server.url}/__sandbox/behaviour`, { body: { loading: false } });
    expect((await ask(`${server.url}/translate`, { body: request })).status).toBe(200);
  });

  it('fails, resets and hangs on demand', async () => {
    await using server = await startIndictrans();
    server.pushFaults({ kind: 'http', status: 500 }, { kind: 'reset' }, { kind: 'hang' });
    const failed = await ask(`${server.url}/translate`, { body: request });
    expect(failed.status).toBe(500);
    expect(json(failed)).toEqual({ detail: 'Translation failed' });
    expect(await errorOf(ask(`${server.url}/translate`, { body: request }))).toBe('ECONNRESET');
    const hung = ask(`${server.url}/translate`, { body: request, timeoutMs: impatientMs });
    expect(await errorOf(hung)).toBe('TimeoutError');
  });
});
