/** One POST to the backend: no redirect is followed, the answer's body is read only as far as it is shown. */
import { parseRetryAfterMs } from '@pet-roast/shared';
import { Agent, request } from 'undici';
import type { AttemptResult } from '../core/attempt.ts';
import type { SignedWebhook } from '../core/webhook.ts';

export type PostWebhook = (webhook: SignedWebhook) => Promise<AttemptResult & { readonly bodyStart?: string }>;

const bodyStartLengthMax = 200;
const bodyBytesMax = 16 * 1024;

/** A sender of webhooks to `url`; `timeoutMs` is for the whole attempt, of which connecting may take 5 s. */
export function createPostWebhook(options: { readonly url: string; readonly timeoutMs: number }) {
  // Over HTTP/2 one connection that has died would take every attempt with it.
  const connect = { timeout: Math.min(5_000, options.timeoutMs) };
  const dispatcher = new Agent({ connect, connections: 64, allowH2: false });

  const post: PostWebhook = async (webhook) => {
    try {
      const answer = await request(options.url, {
        method: 'POST',
        headers: webhook.headers,
        body: webhook.body,
        dispatcher,
        signal: AbortSignal.timeout(options.timeoutMs),
      });
      const retryAfterMs = parseRetryAfterMs(answer.headers['retry-after']);
      return { kind: 'answer', status: answer.statusCode, retryAfterMs, bodyStart: await readStart(answer.body) };
    } catch (error) {
      return resultOf(error);
    }
  };

  return { post, close: () => dispatcher.close() };
}

/** The start of the body; an answer counts by its status, so what goes wrong here is not its failure. */
async function readStart(body: AsyncIterable<Buffer> & { destroy(): unknown }): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of body) {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes > bodyBytesMax) break;
    }
  } catch {
    body.destroy();
  }
  return Buffer.concat(chunks).toString('utf8').slice(0, bodyStartLengthMax);
}

function resultOf(error: unknown): AttemptResult {
  const { name, code = '', errors } = error as { name: string; code?: string; errors?: { code?: string }[] };
  if (name === 'TimeoutError' || code.endsWith('_TIMEOUT')) return { kind: 'timeout' };
  return { kind: 'network', code: code || errors?.[0]?.code || name };
}
