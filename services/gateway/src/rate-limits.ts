/**
 * How many requests a caller may make a minute, counted in Redis so that replicas share it. Without Redis nothing is
 * limited. The headers are those of draft-ietf-httpapi-ratelimit-headers-07: `RateLimit-Limit`, `-Remaining`, `-Reset`.
 */
import rateLimit from '@fastify/rate-limit';
import type { HttpServer } from '@pet-roast/shared';
import type { Redis } from 'ioredis';
import { addressOf } from './authenticate.ts';
import { refused } from './refusals.ts';

export type RateLimit = {
  /** Requests with different names are counted apart. */
  readonly name: string;
  /** 0: as many as come. */
  readonly perMinute: number;
  readonly redis: Redis;
};

const minuteMs = 60_000;
const [jobsPerMinute, readsPerMinute] = [60, 1_200];

/** The two limits of a caller. Without keys it is the sandbox, whose callers are tests and demos: only what is set counts. */
export function rateLimits(
  config: {
    readonly API_KEYS?: unknown;
    readonly RATE_LIMIT_JOBS_PER_MINUTE?: number | undefined;
    readonly RATE_LIMIT_READS_PER_MINUTE?: number | undefined;
  },
  redis: Redis,
): { readonly jobs: RateLimit; readonly reads: RateLimit } {
  const limit = (name: string, set: number | undefined, usual: number): RateLimit => ({
    name,
    perMinute: set ?? (config.API_KEYS === undefined ? 0 : usual),
    redis,
  });
  return {
    jobs: limit('jobs', config.RATE_LIMIT_JOBS_PER_MINUTE, jobsPerMinute),
    reads: limit('reads', config.RATE_LIMIT_READS_PER_MINUTE, readsPerMinute),
  };
}

/** Limits all routes that are added to this scope from now on: together, for each caller, or each address without one. */
export async function limitRate(scope: HttpServer, { name, perMinute, redis }: RateLimit): Promise<void> {
  if (perMinute === 0) return;
  await scope.register(rateLimit, {
    max: perMinute,
    timeWindow: minuteMs,
    enableDraftSpec: true,
    redis,
    nameSpace: `pet_roast:requests:${name}:`,
    keyGenerator: (request) => request.caller ?? `address ${addressOf(request)}`,
    // What an away Redis cannot count is not told in headers either.
    allowList: () => redis.status !== 'ready',
    skipOnError: true,
    errorResponseBuilder: (_request, { ttl }) => refused('rate_limited', Math.ceil(ttl / 1_000)),
  });
}
