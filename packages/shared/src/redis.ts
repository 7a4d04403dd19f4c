/** A connection to Redis that fails fast and comes back by itself: whatever it is asked for can be done without it. */
import { readFileSync } from 'node:fs';
import { Redis } from 'ioredis';
import { exitForConfig } from './config.ts';
import type { Log } from './log.ts';
import { reasonOf } from './server-errors.ts';

/** While Redis is away, commands throw at once. Says so once, with `without` for what that means, until it is back. */
export function openRedis(options: {
  readonly url: string;
  /** PEM file of the authority that signed the server's certificate, for `rediss://`. */
  readonly caFile?: string | undefined;
  readonly commandTimeoutMs: number;
  readonly without: string;
  readonly log: Log;
}): Redis {
  const { url, caFile } = options;
  if (caFile !== undefined && !url.startsWith('rediss:')) {
    exitForConfig('REDIS_URL', 'has to begin with rediss://, since REDIS_TLS_CA_FILE is set');
  }
  const redis = new Redis(url, {
    ...(caFile === undefined ? {} : { tls: { ca: readFileSync(caFile) } }),
    // Dual-stack: private networks that only speak IPv6 resolve no IPv4 address.
    family: 0,
    commandTimeout: options.commandTimeoutMs,
    connectTimeout: 5_000,
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
    retryStrategy: (times) => Math.min(times * 100, 2_000),
  });
  let isReported = false;
  redis.on('error', (error: Error) => {
    // The error itself carries the command that failed: at a login that is the password.
    const reason = reasonOf(error, { name: 'Redis' });
    if (!isReported) options.log.warn({ reason }, `Redis: no connection; ${options.without}`);
    isReported = true;
  });
  redis.on('ready', () => {
    isReported = false;
  });
  return redis;
}
