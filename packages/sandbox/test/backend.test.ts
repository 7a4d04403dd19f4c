import { Webhook } from 'standardwebhooks';
import { describe, expect, it } from 'vitest';
import { type Backend, startBackend, worldKeys } from '../src/index.ts';
import { type Answer, ask, errorOf } from './helpers/http.ts';

const secret = worldKeys.webhookSecret;
const impatientMs = 150;
/** Spaced as no JSON printer does it, so that a signature over re-printed JSON would not match. */
const rawBody = '{ "job_id":"job-1",  "status":"completed" }';

describe('the sandbox backend', () => {
  it('verifies the signature over the bytes as they were sent, and keeps all of the delivery', async () => {
    await using backend = await startBackend({ secret });
    expect((await deliver(backend, signed(rawBody))).status).toBe(200);
    expect(backend.deliveries()).toEqual([
      {
        at: expect.any(String),
        headers: expect.objectContaining({ 'webhook-id': 'msg_1', 'x-job-id': 'job-1' }),
        body: { job_id: 'job-1', status: 'completed' },
        rawBody,
        job_id: 'job-1',
        signature_valid: true,
        signature_error: undefined,
        answered: 200,
      },
    ]);
  });

  it.each([
    ['made with another secret', signed(rawBody, new Date(), `whsec_${Buffer.alloc(32, 1).toString('base64')}`)],
    ['over another body', { ...signed(rawBody), 'webhook-signature': signed('{}')['webhook-signature'] }],
    ['that is too old', signed(rawBody, new Date(Date.now() - 600_000))],
    ['that is missing', {}],
  ])('sees a signature %s', async (_name, headers) => {
    await using backend = await startBackend({ secret });
    await deliver(backend, headers);
    expect(backend.deliveries()).toMatchObject([{ signature_valid: false, signature_error: expect.any(String) }]);
  });

  it('takes one valid signature among several, as while secrets rotate', async () => {
    await using backend = await startBackend({ secret });
    const headers = signed(rawBody);
    const other = signed(rawBody, new Date(), `whsec_${Buffer.alloc(32, 1).toString('base64')}`);
    const both = `${other['webhook-signature']} ${headers['webhook-signature']}`;
    await deliver(backend, { ...headers, 'webhook-signature': both });
    expect(backend.deliveries()[0]?.signature_valid).toBe(true);
  });

  it('answers as it is told, one answer a delivery, then as usual', async () => {
    await using backend = await startBackend({ secret });
    backend.pushAnswers(
      { kind: 'http', status: 500 },
      { kind: 'http', status: 429, retryAfter: 3 },
      { kind: 'redirect', location: 'https://elsewhere.example/' },
      { kind: 'reset' },
      { kind: 'hang' },
    );
    expect((await deliver(backend)).status).toBe(500);
    expect(await deliver(backend)).toMatchObject({ status: 429, headers: { 'retry-after': '3' } });
    expect(await deliver(backend)).toMatchObject({ status: 307, headers: { location: 'https://elsewhere.example/' } });
    expect(await errorOf(deliver(backend))).toBe('ECONNRESET');
    expect(await errorOf(deliver(backend, {}, impatientMs))).toBe('TimeoutError');
    expect((await deliver(backend)).status).toBe(200);
    expect(backend.deliveries().map(({ answered }) => answered)).toEqual([500, 429, 307, 'reset', 'hang', 200]);
  });

  it('keeps an answer for the deliveries that it names', async () => {
    await using backend = await startBackend();
    backend.pushAnswers({ kind: 'http', status: 500, contains: 'job-2' });
    expect((await deliver(backend)).status).toBe(200);
    expect((await deliver(backend, {}, 5_000, '{"job_id":"job-2"}')).status).toBe(500);
  });

  it('refuses connections while down, and is back on the same port', async () => {
    await using backend = await startBackend();
    await backend.down();
    expect(await errorOf(deliver(backend))).toBe('ECONNREFUSED');
    await backend.up();
    expect((await deliver(backend)).status).toBe(200);
    expect(backend.deliveries()).toHaveLength(1);
  });

  it('wakes who waits for a delivery, also for one that was there already, and says in time that none came', async () => {
    await using backend = await startBackend();
    const waiting = backend.waitForDelivery(({ job_id }) => job_id === 'job-1');
    await deliver(backend);
    expect((await waiting).rawBody).toBe(rawBody);
    expect(await backend.waitForDelivery(({ job_id }) => job_id === 'job-1')).toBe(await waiting);
    await expect(backend.waitForDelivery(({ job_id }) => job_id === 'job-9', 50)).rejects.toThrow(
      'no fitting webhook delivery within 50 ms (1 seen)',
    );
  });

  it('shows its deliveries to other processes, and takes its answers from them', async () => {
    await using backend = await startBackend({ secret });
    await ask(`${backend.url}/__sandbox/faults`, { body: { kind: 'http', status: 410 } });
    expect((await deliver(backend, signed(rawBody))).status).toBe(410);
    const seen = await ask(`${backend.url}/__sandbox/deliveries`);
    expect(JSON.parse(seen.text)).toMatchObject([{ job_id: 'job-1', signature_valid: true, answered: 410 }]);
  });

  it('keeps a body that is not JSON as it is', async () => {
    await using backend = await startBackend();
    await deliver(backend, { 'x-job-id': 'job-7' }, 5_000, 'not json');
    expect(backend.deliveries()).toMatchObject([{ rawBody: 'not json', job_id: 'job-7' }]);
    expect(backend.deliveries()[0]?.body).toBeUndefined();
  });
});

function signed(body: string, at = new Date(), with_ = secret): Record<string, string> {
  return {
    'x-job-id': 'job-1',
    'webhook-id': 'msg_1',
    'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
    'webhook-signature': new Webhook(with_).sign('msg_1', at, body),
  };
}

function deliver(
  backend: Backend,
  headers: Record<string, string | undefined> = {},
  timeoutMs = 5_000,
  body = rawBody,
): Promise<Answer> {
  const given = Object.entries(headers).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return ask(backend.webhookUrl, { headers: Object.fromEntries(given), body, timeoutMs });
}
