/** Webhooks, verified as Standard Webhooks says (standardwebhooks.com, "Verifying webhook authenticity"). */
import { Webhook } from 'standardwebhooks';
import { parseObject } from './answers.ts';
import type { WebhookEvent } from './types.ts';

/** A request's headers, as Node, Express, Fastify, Lambda or fetch have them. */
export type WebhookHeaders =
  | { get(name: string): string | null }
  | { readonly [name: string]: string | readonly string[] | undefined };

export type WebhookReason = 'missing_headers' | 'stale_timestamp' | 'wrong_signature' | 'unknown_body';

/** The request is not to be trusted: answer 400 (or 401) and do nothing. It holds nothing of the body. */
export class WebhookVerificationError extends Error {
  override readonly name = 'WebhookVerificationError';
  readonly reason: WebhookReason;
  constructor(reason: WebhookReason, message: string) {
    super(message);
    this.reason = reason;
  }
}

/** As standardwebhooks has it: clocks may differ, and a request that was overheard is worthless after this. */
const toleranceMs = 300_000;

/**
 * The event of a webhook whose signature, by one of the secrets (`whsec_…`), and time are right.
 *
 * `rawBody` is the body as it came: with Express, `express.raw({ type: 'application/json' })` on this route.
 * Throws `WebhookVerificationError` with a `reason`; `TypeError` for a body that was parsed already, and for a secret that
 * is empty or not base64, since no request can be right then.
 */
export function verifyWebhook(
  rawBody: string | Uint8Array,
  headers: WebhookHeaders,
  secret: string | readonly string[],
): WebhookEvent {
  const body = textOf(rawBody);
  const verifiers = (typeof secret === 'string' ? [secret] : secret).map(createVerifier);
  if (verifiers.length === 0) throw new TypeError('There is no webhook secret');

  const id = headerOf(headers, 'webhook-id');
  const timestamp = headerOf(headers, 'webhook-timestamp');
  const signature = headerOf(headers, 'webhook-signature');
  if (!id || !timestamp || !signature) {
    const named = Object.entries({ id, timestamp, signature }).filter(([, value]) => !value);
    const names = named.map(([name]) => `webhook-${name}`).join(', ');
    throw new WebhookVerificationError('missing_headers', `The request has no ${names}`);
  }
  const isRecent = /^\d{1,15}$/.test(timestamp) && Math.abs(Date.now() - Number(timestamp) * 1_000) <= toleranceMs;
  if (!isRecent)
    throw new WebhookVerificationError('stale_timestamp', 'webhook-timestamp is not within 5 minutes of now');

  const signed = { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signature };
  if (!verifiers.some((verifier) => isSignedBy(verifier, body, signed))) {
    throw new WebhookVerificationError('wrong_signature', 'No signature of the request is right for its body');
  }
  const event = { ...parseObject(body), webhook_id: id };
  if (!isEvent(event)) throw new WebhookVerificationError('unknown_body', 'The body is signed, but not an event');
  return event;
}

function textOf(rawBody: string | Uint8Array): string {
  if (typeof rawBody === 'string') return rawBody;
  if (rawBody instanceof Uint8Array) return Buffer.from(rawBody.buffer, rawBody.byteOffset, rawBody.length).toString();
  throw new TypeError(
    'rawBody must be the raw body: a string, Buffer or Uint8Array. With Express, put express.raw({ type: "application/json" }) on this route, before any express.json()',
  );
}

function createVerifier(secret: string): Webhook {
  try {
    return new Webhook(secret);
  } catch {
    throw new TypeError('The webhook secret is empty or not base64; it looks like whsec_…');
  }
}

function isSignedBy(verifier: Webhook, body: string, headers: Record<string, string>): boolean {
  try {
    verifier.verify(body, headers, { jsonParse: false });
    return true;
  } catch {
    return false;
  }
}

function headerOf(headers: WebhookHeaders, name: string): string | undefined {
  if (isFetchHeaders(headers)) return headers.get(name) ?? undefined;
  const value = Object.entries(headers).find(([key]) => key.toLowerCase() === name)?.[1];
  // Given twice, there is no telling which one is meant.
  return typeof value === 'string' ? value : value?.length === 1 ? value[0] : undefined;
}

function isFetchHeaders(headers: WebhookHeaders): headers is { get(name: string): string | null } {
  return typeof headers['get'] === 'function';
}

function isEvent(event: Readonly<Record<string, unknown>>): event is WebhookEvent & Record<string, unknown> {
  const has = (...names: string[]) => names.every((name) => typeof event[name] === 'string');
  if (!has('job_id')) return false;
  if (event['status'] === 'completed') return has('video_url', 'timestamp');
  if (event['status'] === 'failed') return has('error', 'error_code', 'timestamp');
  if (event['status'] === 'cancelled') return has('timestamp');
  return event['status'] === 'test';
}
