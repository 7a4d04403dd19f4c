import { createEvent, type StoredEvent } from '@pet-roast/shared';
import { Webhook } from 'standardwebhooks';
import { describe, expect, it } from 'vitest';
import { signWebhook, webhookBody, webhookIdOf } from './webhook.ts';

const secret = `whsec_${Buffer.alloc(24, 7).toString('base64')}`;
const other = `whsec_${Buffer.alloc(24, 9).toString('base64')}`;
const now = new Date();
const rendered = {
  ...createEvent('rendered', 'job-1', { video_url: 'https://v.example/1.mp4', told_by: 'callback' }, { now }),
  seq: 5,
} as StoredEvent;
const failed = (notify: boolean, run = 1) =>
  ({
    ...createEvent('failed', 'job-1', { code: 'render_failed', at: 'watch', notify }, { now, run }),
    seq: 5,
  }) as StoredEvent;

describe('the webhook', () => {
  it('has 1.x’s payload', () => {
    expect(webhookBody(rendered)).toEqual({
      job_id: 'job-1',
      status: 'completed',
      video_url: 'https://v.example/1.mp4',
      error: null,
      error_code: null,
      timestamp: now.toISOString(),
    });
    expect(webhookBody(failed(true))).toMatchObject({ status: 'failed', video_url: null, error_code: 'render_failed' });
  });

  it('is not sent where the caller was told in the answer', () => {
    expect(webhookBody(failed(false))).toBeUndefined();
  });

  it('has one id for all attempts of an outcome, and another for a replayed run', () => {
    expect(webhookIdOf(rendered)).toBe('msg_job-1');
    expect(webhookIdOf(failed(true, 2))).toBe('msg_job-1_2');
  });

  it('carries 1.x’s headers, and signatures that the public library verifies with either secret', () => {
    const { body, headers } = signWebhook('msg_job-1', { job_id: 'job-1' }, [secret, other], now);
    expect(headers).toMatchObject({
      'x-webhook-source': 'pet-roast-ai',
      'x-job-id': 'job-1',
      'webhook-id': 'msg_job-1',
    });
    for (const one of [secret, other])
      expect(new Webhook(one).verify(body, { ...headers })).toEqual({ job_id: 'job-1' });
    const foreign = `whsec_${Buffer.alloc(24, 1).toString('base64')}`;
    expect(() => new Webhook(foreign).verify(body, { ...headers })).toThrow();
    expect(() => new Webhook(secret).verify(`${body} `, { ...headers })).toThrow();
  });
});
