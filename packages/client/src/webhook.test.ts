import type { IncomingHttpHeaders } from 'node:http';
import { Webhook } from 'standardwebhooks';
import { describe, expect, it } from 'vitest';
import { isCompleted } from './guards.ts';
import { verifyWebhook, type WebhookReason, WebhookVerificationError } from './webhook.ts';

const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const otherSecret = 'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD';
const completed = {
  job_id: 'job-1',
  status: 'completed',
  video_url: 'https://v.example/1.mp4',
  error: null,
  error_code: null,
  timestamp: '2026-01-01T00:00:00.000Z',
};
const ended = { ...completed, video_url: null, error: 'No video.', error_code: 'render_failed' };

function sign(body: string, options: { with?: string; atMs?: number; id?: string } = {}): IncomingHttpHeaders {
  const { with: key = secret, atMs = Date.now(), id = 'msg_job-1' } = options;
  return {
    'content-type': 'application/json',
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(atMs / 1_000)),
    'webhook-signature': new Webhook(key).sign(id, new Date(atMs), body),
  };
}

function reasonOf(verify: () => unknown): WebhookReason | undefined {
  try {
    verify();
    return undefined;
  } catch (error) {
    if (error instanceof WebhookVerificationError) return error.reason;
    throw error;
  }
}

const body = JSON.stringify(completed);

describe('a webhook', () => {
  it.each([
    ['a string', body],
    ['a Buffer', Buffer.from(body)],
    ['a Uint8Array', new TextEncoder().encode(body)],
    ['a part of a larger buffer', Buffer.from(`xx${body}xx`).subarray(2, -2)],
  ])('verified from %s is its event and the id by which repeats are dropped', (_what, raw) => {
    const event = verifyWebhook(raw, sign(body), secret);
    expect(event).toEqual({ ...completed, webhook_id: 'msg_job-1' });
    expect(isCompleted(event) && event.video_url).toBe('https://v.example/1.mp4');
  });

  it.each([
    ['Node', (headers: IncomingHttpHeaders) => headers],
    ['fetch', (headers: IncomingHttpHeaders) => new Headers(headers as Record<string, string>)],
    [
      'Lambda',
      (headers: IncomingHttpHeaders) => ({
        'Webhook-Id': headers['webhook-id'],
        'Webhook-Timestamp': headers['webhook-timestamp'],
        'Webhook-Signature': headers['webhook-signature'],
      }),
    ],
    [
      'a gateway with lists',
      (headers: IncomingHttpHeaders) =>
        Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [String(value)]])),
    ],
  ])('may come with the headers of %s', (_what, as) => {
    expect(verifyWebhook(body, as(sign(body)), secret).job_id).toBe('job-1');
  });

  it.each([
    ['failed', { ...ended, status: 'failed' }],
    ['cancelled', { ...ended, status: 'cancelled', error: null, error_code: null }],
    ['test', { job_id: 'test_connection', status: 'test', message: 'Connection test' }],
    ['with a field that is new', { ...completed, mood: 'grim' }],
  ])('may be %s', (_what, payload) => {
    const raw = JSON.stringify(payload);
    expect(verifyWebhook(raw, sign(raw), secret)).toEqual({ ...payload, webhook_id: 'msg_job-1' });
  });

  it('keeps the id of its signed header, whatever its body says', () => {
    const raw = JSON.stringify({ ...completed, webhook_id: 'another' });
    expect(verifyWebhook(raw, sign(raw), secret).webhook_id).toBe('msg_job-1');
  });

  it('is verified by any of several secrets and any of several signatures, as rotation needs', () => {
    expect(verifyWebhook(body, sign(body), [otherSecret, secret]).job_id).toBe('job-1');
    const both = {
      ...sign(body),
      'webhook-signature': `${sign(body, { with: otherSecret })['webhook-signature']} ${sign(body)['webhook-signature']}`,
    };
    expect(verifyWebhook(body, both, secret).job_id).toBe('job-1');
  });

  it.each<[WebhookReason, string, () => unknown]>([
    ['wrong_signature', 'another secret', () => verifyWebhook(body, sign(body, { with: otherSecret }), secret)],
    ['wrong_signature', 'another body', () => verifyWebhook(`${body} `, sign(body), secret)],
    ['wrong_signature', 'another id', () => verifyWebhook(body, { ...sign(body), 'webhook-id': 'msg_2' }, secret)],
    [
      'wrong_signature',
      'a signature that is none',
      () => verifyWebhook(body, { ...sign(body), 'webhook-signature': 'v1' }, secret),
    ],
    [
      'wrong_signature',
      'a newer time than it was signed with',
      () =>
        verifyWebhook(
          body,
          {
            ...sign(body, { atMs: Date.now() - 400_000 }),
            'webhook-timestamp': String(Math.floor(Date.now() / 1_000)),
          },
          secret,
        ),
    ],
    [
      'stale_timestamp',
      'a time over five minutes ago',
      () => verifyWebhook(body, sign(body, { atMs: Date.now() - 302_000 }), secret),
    ],
    [
      'stale_timestamp',
      'a time over five minutes ahead',
      () => verifyWebhook(body, sign(body, { atMs: Date.now() + 302_000 }), secret),
    ],
    [
      'stale_timestamp',
      'a time that is none',
      () => verifyWebhook(body, { ...sign(body), 'webhook-timestamp': 'now' }, secret),
    ],
    ['missing_headers', 'no headers', () => verifyWebhook(body, {}, secret)],
    [
      'missing_headers',
      'no signature',
      () => verifyWebhook(body, { ...sign(body), 'webhook-signature': undefined }, secret),
    ],
    ['missing_headers', 'two ids', () => verifyWebhook(body, { ...sign(body), 'webhook-id': ['a', 'b'] }, secret)],
    ['unknown_body', 'a body that is not JSON', () => verifyWebhook('hello', sign('hello'), secret)],
    ['unknown_body', 'an empty body', () => verifyWebhook('', sign(''), secret)],
    [
      'unknown_body',
      'a status that is not known',
      () => verifyWebhook('{"job_id":"1","status":"sold"}', sign('{"job_id":"1","status":"sold"}'), secret),
    ],
  ])('is refused as %s with %s', (reason, _what, verify) => {
    expect(reasonOf(verify)).toBe(reason);
  });

  it('that is refused gives nothing of its body away', () => {
    const raw = JSON.stringify({ ...completed, job_id: 'forged-job' });
    try {
      verifyWebhook(raw, sign(body), secret);
      expect.unreachable();
    } catch (error) {
      expect(JSON.stringify([error, String(error), (error as Error).stack, (error as Error).cause])).not.toContain(
        'forged-job',
      );
    }
  });

  it('that was parsed already is the programmer’s error, and says what to do', () => {
    expect(() => verifyWebhook(completed as unknown as string, sign(body), secret)).toThrow(/express\.raw/);
    expect(() => verifyWebhook(completed as unknown as string, sign(body), secret)).toThrow(TypeError);
  });

  it.each(['', 'whsec_', 'not base64!'])('cannot be verified with the secret %j', (wrong) => {
    expect(() => verifyWebhook(body, sign(body), wrong)).toThrow(/^The webhook secret/);
    expect(() => verifyWebhook(body, sign(body), [secret, wrong])).toThrow(TypeError);
  });

  it('cannot be verified without a secret', () => {
    expect(() => verifyWebhook(body, sign(body), [])).toThrow('There is no webhook secret');
  });
});
