/**
 * The addresses of uploaded photos. The video vendor has no key of ours, so an address is its own permission: an HMAC over
 * the photo and an expiry, which nobody can make who has not one of our secrets.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';

export type PhotoUrls = {
  /** The address of a photo, valid until `expiresAt`. */
  urlFor(id: string, expiresAt: Date): string;
  /** Whether the address of a photo, by its query, is one of ours and has not expired. */
  verify(id: string, query: unknown, now?: Date): boolean;
};

/** Further in the future than any job can be; it keeps what is compared short. */
const expiresPattern = /^\d{1,12}$/;

/** @param secrets the first one signs, all of them are accepted: that is how they are rotated */
export function createPhotoUrls(publicUrl: string, secrets: readonly [string, ...string[]]): PhotoUrls {
  const base = publicUrl.replace(/\/$/, '');
  return {
    urlFor(id, expiresAt) {
      const expires = String(Math.ceil(expiresAt.getTime() / 1_000));
      const query = new URLSearchParams({ expires, signature: sign(secrets[0], id, expires) });
      return `${base}/photos/${encodeURIComponent(id)}?${query}`;
    },
    verify(id, query, now = new Date()) {
      const { expires, signature } = query as { readonly expires?: unknown; readonly signature?: unknown };
      // A name that is given twice comes as a list.
      if (typeof expires !== 'string' || typeof signature !== 'string') return false;
      if (!expiresPattern.test(expires) || Number(expires) * 1_000 < now.getTime()) return false;
      return secrets.some((secret) => equal(sign(secret, id, expires), signature));
    },
  };
}

function sign(secret: string, id: string, expires: string): string {
  return createHmac('sha256', secret).update(`photo.v1\n${id}\n${expires}`).digest('base64url');
}

function equal(expected: string, given: string): boolean {
  const [a, b] = [Buffer.from(expected), Buffer.from(given)];
  return a.length === b.length && timingSafeEqual(a, b);
}
