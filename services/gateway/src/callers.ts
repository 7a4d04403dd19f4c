/**
 * Who may call: `API_KEYS` is a list of `name:secret`. The name is the caller and owns its jobs; several keys may have one
 * name, and that is how a key is changed without a gap. Of a secret nothing is kept but its SHA-256, and nothing is shown
 * but that hash's first 8 digits.
 */
import { timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import {
  bearerOf,
  callerNameMax,
  exitForConfig,
  HttpError,
  isKind,
  type Log,
  type StoredEvent,
  secretHash,
} from '@pet-roast/shared';
import { z } from 'zod';

export type ApiKey = { readonly name: string; readonly hash: Buffer };

/** As many comparisons as this cost a request a tenth of a millisecond. */
const keysMax = 200;
const namePattern = new RegExp(`^[a-z0-9-]{1,${callerNameMax}}$`);
/** Visible ASCII, so that it can be a header's value, without the two separators. */
const secretPattern = /^[\x21-\x2b\x2d-\x39\x3b-\x7e]+$/;
const secretLengthMin = 24;
const prefixDigits = 8;
const missing =
  'is missing: outside the sandbox every caller needs a key. Set it to name:secret, such as backend:$(openssl rand -hex 24), several separated by commas';

/** The variable `API_KEYS`. Its messages name an entry by its place, never by what it holds. */
export function apiKeys() {
  return z.string().transform((text, context): readonly ApiKey[] => {
    const entries = text.split(',').map((entry) => entry.trim());
    const keys = entries.filter((entry) => entry !== '').map((entry) => splitAtColon(entry));
    const wrong = keys.map(({ name, secret }, index) => problemOf(name, secret, index + 1)).find(Boolean);
    if (wrong) context.addIssue(wrong);
    const hashed = keys.map(({ name, secret }) => ({ name, hash: secretHash(secret) }));
    if (hashed.length === 0) context.addIssue('has no entry');
    if (hashed.length > keysMax) context.addIssue(`has more than ${keysMax} entries`);
    if (hashed.some((key) => hashed.some((other) => other.name !== key.name && other.hash.equals(key.hash)))) {
      context.addIssue('has one secret under two names');
    }
    return hashed;
  });
}

/** The keys of a configuration; undefined where everybody may call, which is the sandbox alone: elsewhere the process ends. */
export function demandKeys(
  config: { readonly API_KEYS?: readonly ApiKey[] | undefined; readonly SANDBOX: boolean },
  log: Log,
): readonly ApiKey[] | undefined {
  const { API_KEYS: keys, SANDBOX } = config;
  if (keys === undefined && !SANDBOX) exitForConfig('API_KEYS', missing);
  if (keys === undefined) log.warn('API_KEYS is not set: everybody may call');
  else log.info({ api_keys: keys.map(({ name, hash }) => ({ name, key: hashPrefix(hash) })) }, 'who may call');
  return keys;
}

/** The key of a secret with this hash. Every key is looked at, and each for the same time, whichever it is. */
export function findKey(keys: readonly ApiKey[], hash: Buffer): ApiKey | undefined {
  let found: ApiKey | undefined;
  for (const key of keys) if (timingSafeEqual(key.hash, hash)) found = key;
  return found;
}

/** The secret in `X-API-Key` or, without that header, in `Authorization: Bearer`; undefined where there is neither. */
export function secretOf(headers: IncomingHttpHeaders): string | undefined {
  const own = headers['x-api-key'];
  return own === undefined ? bearerOf(headers.authorization) : String(own);
}

/** What may be logged of a secret: it tells two keys apart, and leads back to neither. */
export function hashPrefix(hash: Buffer): string {
  return hash.toString('hex').slice(0, prefixDigits);
}

/**
 * Throws `HttpError('job_not_found')` where a job, by its events, is another caller's: it must look like no job at all. One
 * without an owner was made when no keys were asked for, and whoever asks for none now sees every job.
 */
export function checkOwner(events: readonly StoredEvent[], caller: string | undefined): void {
  const owned = events.find((event) => isKind(event, 'received', 'erased'));
  const owner = owned?.data.owner;
  if (caller !== undefined && owner !== undefined && owner !== caller) throw new HttpError('job_not_found');
}

function splitAtColon(entry: string): { name: string; secret: string } {
  const colon = entry.indexOf(':');
  return colon === -1 ? { name: '', secret: entry } : { name: entry.slice(0, colon), secret: entry.slice(colon + 1) };
}

function problemOf(name: string, secret: string, place: number): string | undefined {
  const entry = `entry ${place}: `;
  if (!namePattern.test(name)) {
    return `${entry}must be name:secret, the name of 1 to ${callerNameMax} lower-case letters, digits and hyphens`;
  }
  if (secret.length < secretLengthMin) return `${entry}the secret must have at least ${secretLengthMin} characters`;
  if (!secretPattern.test(secret)) return `${entry}the secret must be visible ASCII without a comma or colon`;
  return undefined;
}
