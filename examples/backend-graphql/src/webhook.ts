/** `POST /webhooks/pet-roast-complete`: how a job ended, told by Pet Roast. */
import type { WebhookEvent } from '@pet-roast/client';
import express, { type Request, Router } from 'express';
import { Webhook, WebhookVerificationError } from 'svix';
import { log } from './log';
import { type SendPush, tell } from './push';
import type { Roasts } from './roasts';

export type WebhookDeps = { readonly secret: string; readonly roasts: Roasts; readonly sendPush: SendPush };

// docs:start webhook
/** Mount it before any `express.json()`: the signature is over the bytes as they came. */
export function webhookRoutes({ secret, roasts, sendPush }: WebhookDeps): Router {
  const webhook = new Webhook(secret);

  return Router().post('/webhooks/pet-roast-complete', express.raw({ type: () => true }), async (request, response) => {
    const event = verify(webhook, request);
    if (event === undefined) {
      response.status(401).json({ error: 'the signature is missing, wrong, or older than five minutes' });
      return;
    }
    if (event.status !== 'test') {
      const { isRepeat, roast } = await roasts.recordOutcome(event);
      log('webhook', { webhookId: event.webhook_id, jobId: event.job_id, status: event.status, isRepeat });
      if (roast) await tell(roast, sendPush);
    }
    // Any 2xx says: taken, do not send it again. An error above becomes a 500, and then it comes again.
    response.json({ received: true });
  });
}
// docs:end

// docs:start verify
/** The event, or undefined when the request is not from Pet Roast, or an old one of its requests. */
function verify(webhook: Webhook, request: Request): WebhookEvent | undefined {
  // Only these three: `svix` would prefer headers of its own, and a repeat could come under another webhook-id.
  const headers = {
    'webhook-id': request.header('webhook-id') ?? '',
    'webhook-timestamp': request.header('webhook-timestamp') ?? '',
    'webhook-signature': request.header('webhook-signature') ?? '',
  };
  try {
    const body: Buffer = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
    webhook.verify(body, headers);
    return { ...JSON.parse(body.toString('utf8')), webhook_id: headers['webhook-id'] };
  } catch (error) {
    if (error instanceof WebhookVerificationError) return undefined;
    throw error;
  }
}
// docs:end
