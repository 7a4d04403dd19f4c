/**
 * The hook that says whose request it is. Who has sent wrong keys is not answered for a while, right keys included, or
 * guessing would cost nothing; but a key that has been used from an address goes on there, or one stranger behind a
 * common address could lock everybody else out.
 */
import rateLimit, { normalizeIP } from '@fastify/rate-limit';
import { createCounter, type HttpServer, secretHash } from '@pet-roast/shared';
import type { FastifyRequest } from 'fastify';
import { type ApiKey, findKey, hashPrefix, secretOf } from './callers.ts';
import { refused } from './refusals.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** The caller's name; undefined where no key is asked for. */
    caller: string | undefined;
  }
}

/** Tells when an old key is no longer used. */
const countRequest = createCounter(
  'pet_roast_requests_with_key_total',
  'Requests by the key that they came with: its name, and the beginning of its hash as in the log',
  'key',
);

const wrongKeysAMinute = 30;
/** Addresses whose wrong keys are counted, the oldest forgotten. Each process counts for itself, so it needs no Redis. */
const addressesMax = 5_000;
const knownPlacesMax = 100;
const addressLengthMax = 64;

/** Asks for a key on every route of this scope; without `keys` for none, and then all callers are one. */
export async function authenticate(scope: HttpServer, keys: readonly ApiKey[] | undefined): Promise<void> {
  scope.decorateRequest('caller', undefined);
  if (keys === undefined) return;
  await scope.register(rateLimit, {
    global: false,
    max: wrongKeysAMinute,
    timeWindow: 60_000,
    cache: addressesMax,
    keyGenerator: addressOf,
  });
  const countWrongKey = scope.createRateLimit();
  const places = createPlaces();

  scope.addHook('onRequest', async (request, reply) => {
    const secret = secretOf(request.headers);
    if (secret === undefined) throw refused('unauthorized');
    const hash = secretHash(secret);
    const key = findKey(keys, hash);
    const address = addressOf(request);
    if (key === undefined || !places.knows(key, address)) {
      const tries = await countWrongKey(request, { increment: key === undefined });
      if (!tries.isAllowed && tries.isExceeded) {
        const { max, remaining, ttlInSeconds } = tries;
        reply.headers({ 'ratelimit-limit': max, 'ratelimit-remaining': remaining, 'ratelimit-reset': ttlInSeconds });
        throw refused('rate_limited', ttlInSeconds);
      }
    }
    if (key === undefined) {
      request.log.warn({ request_id: request.id, key: hashPrefix(hash) }, 'a key that nobody has was refused');
      throw refused('unauthorized');
    }
    places.add(key, address);
    countRequest(`${key.name} ${hashPrefix(key.hash)}`);
    request.caller = key.name;
  });
}

/** Where a request comes from, as far as limits go: an IPv6 network of 64 bits is one place. */
export function addressOf(request: FastifyRequest): string {
  // A proxy that is trusted by mistake may send anything for an address.
  return normalizeIP(String(request.ip ?? '').slice(0, addressLengthMax));
}

/** The addresses that each key was used from, the oldest forgotten. */
function createPlaces() {
  const places = new Map<ApiKey, Set<string>>();
  return {
    knows: (key: ApiKey, address: string): boolean => places.get(key)?.has(address) ?? false,
    add(key: ApiKey, address: string): void {
      const known = places.get(key) ?? new Set();
      places.set(key, known.add(address));
      const [oldest] = known;
      if (known.size > knownPlacesMax && oldest !== undefined) known.delete(oldest);
    },
  };
}
