/** The webhook itself: 1.x's payload and headers, and Standard Webhooks' signature over exactly those bytes. */
import { errorCatalogue, isKind, type PublicStatus, type StoredEvent } from '@pet-roast/shared';
import { Webhook } from 'standardwebhooks';

export type WebhookBody = {
  readonly job_id: string;
  readonly status: PublicStatus;
  readonly video_url: string | null;
  /** One sentence for people; `error_code` is the one for programs. */
  readonly error: string | null;
  readonly error_code: string | null;
  /** When the job ended. */
  readonly timestamp: string;
};

export type SignedWebhook = { readonly body: string; readonly headers: Readonly<Record<string, string>> };

/** What the backend is told of an outcome; undefined where it is not to be told. */
export function webhookBody(outcome: StoredEvent): WebhookBody | undefined {
  const common = { job_id: outcome.job_id, video_url: null, error: null, error_code: null, timestamp: outcome.time };
  if (isKind(outcome, 'rendered')) return { ...common, status: 'completed', video_url: outcome.data.video_url };
  if (isKind(outcome, 'cancelled')) {
    return outcome.data.notify ? { ...common, status: 'cancelled' } : undefined;
  }
  if (isKind(outcome, 'failed')) {
    return outcome.data.notify ? { ...common, status: 'failed', ...errorOf(outcome.data.code) } : undefined;
  }
  return undefined;
}

/** The id that is the same for every attempt of one outcome, so that a receiver can drop repeats. */
export function webhookIdOf(outcome: StoredEvent): string {
  return outcome.run > 1 ? `msg_${outcome.job_id}_${outcome.run}` : `msg_${outcome.job_id}`;
}

/**
 * Signs a body for one attempt (standardwebhooks.com, "Signature scheme": HMAC-SHA256 over `id.timestamp.body`, one
 * `v1,` signature for each active secret).
 */
export function signWebhook(
  id: string,
  payload: { readonly job_id: string },
  secrets: readonly string[],
  now: Date = new Date(),
): SignedWebhook {
  const body = JSON.stringify(payload);
  return {
    body,
    headers: {
      'content-type': 'application/json',
      'user-agent': 'pet-roast-ai/2',
      'x-webhook-source': 'pet-roast-ai',
      'x-job-id': payload.job_id,
      'webhook-id': id,
      'webhook-timestamp': String(Math.floor(now.getTime() / 1_000)),
      'webhook-signature': secrets.map((secret) => new Webhook(secret).sign(id, now, body)).join(' '),
    },
  };
}

function errorOf(code: keyof typeof errorCatalogue): { error: string; error_code: string } {
  return { error: errorCatalogue[code].message, error_code: code };
}
