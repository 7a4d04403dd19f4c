/**
 * The token in a job's callback address. The vendor signs nothing, so the address itself is the secret: an HMAC over
 * the job and an expiry, which nobody can make who has not one of our secrets.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';

export type CallbackQuery = {
  readonly job_id: string;
  readonly run: string;
  readonly expires: string;
  readonly token: string;
};

export type CallbackTokens = {
  /** The address for the callback of one job's run, valid until `expiresAt`. */
  urlFor(jobId: string, run: number, expiresAt: Date): string;
  /** Whether the token was made for this job and run, and has not expired. */
  verify(query: CallbackQuery, now?: Date): boolean;
};

/** @param secrets the first one signs, all of them are accepted: that is how they are rotated */
export function createCallbackTokens(publicUrl: string, secrets: readonly string[]): CallbackTokens {
  const [signing] = secrets;
  if (signing === undefined) throw new Error('no secret for the callback tokens');
  return {
    urlFor(jobId, run, expiresAt) {
      const expires = String(Math.floor(expiresAt.getTime() / 1_000));
      const url = new URL(`${publicUrl.replace(/\/$/, '')}/api/webhook/video-complete`);
      const query = { job_id: jobId, run: String(run), expires };
      url.search = new URLSearchParams({ ...query, token: sign(signing, query) }).toString();
      return url.href;
    },
    verify({ token, ...query }, now = new Date()) {
      const { expires } = query;
      if (!/^\d{1,12}$/.test(expires) || Number(expires) * 1_000 < now.getTime()) return false;
      return secrets.some((secret) => equal(sign(secret, query), token));
    },
  };
}

function sign(secret: string, { job_id, run, expires }: Omit<CallbackQuery, 'token'>): string {
  return createHmac('sha256', secret).update(`callback.v1\n${job_id}\n${run}\n${expires}`).digest('base64url');
}

function equal(expected: string, given: string): boolean {
  const [a, b] = [Buffer.from(expected), Buffer.from(given)];
  return a.length === b.length && timingSafeEqual(a, b);
}
