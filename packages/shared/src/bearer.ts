/** Bearer tokens (RFC 6750), compared by hash, so that neither the time nor the length says anything of the right one. */
import { createHash, timingSafeEqual } from 'node:crypto';

/** The token of an `Authorization` header; undefined where it has none. The scheme's case does not matter (RFC 9110 section 11.1). */
export function bearerOf(header: string | undefined): string | undefined {
  return /^Bearer +(\S+) *$/i.exec(header ?? '')?.[1];
}

/** Whether an `Authorization` header has this token. Where there is none to have, nothing has it. */
export function hasBearer(header: string | undefined, token: string | undefined): boolean {
  const given = bearerOf(header);
  return given !== undefined && token !== undefined && timingSafeEqual(secretHash(given), secretHash(token));
}

/** SHA-256: enough for secrets that are long and random, which a dictionary has not. */
export function secretHash(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}
