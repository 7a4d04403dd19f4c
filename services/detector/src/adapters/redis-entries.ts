/**
 * The cache's entries in Redis, shared by all detectors. Each lives for `ttlMs`; beyond `entriesMax` the ones that were
 * not used for longest go. A sorted set has them all by their last use.
 */
import type { Log } from '@pet-roast/shared';
import { openRedis } from '@pet-roast/shared/redis';
import type { Entries } from '../verdict-cache.ts';

/** What a photo may wait for the cache, while Redis is there and does not answer. */
const commandTimeoutMs = 200;
/** After a failure nothing is asked for so long: a photo asks twice, and there are many photos. */
const pauseMs = 5_000;
const prefix = 'pet_roast:detect:';
const index = `${prefix}by-last-use`;
const removedAtOnceMax = 100;

/** KEYS: the sorted set, the entry. ARGV: now. */
const getScript = `
local value = redis.call('GET', KEYS[2])
if value then redis.call('ZADD', KEYS[1], 'XX', ARGV[1], KEYS[2]) end
return value`;

/** KEYS: the sorted set, the entry. ARGV: now, value, ms to live, the most entries that there may be. */
const putScript = `
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
redis.call('ZADD', KEYS[1], ARGV[1], KEYS[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[1] - ARGV[3])
local surplus = math.min(redis.call('ZCARD', KEYS[1]) - ARGV[4], ${removedAtOnceMax})
if surplus > 0 then
  local oldest = redis.call('ZRANGE', KEYS[1], 0, surplus - 1)
  redis.call('DEL', unpack(oldest))
  redis.call('ZREM', KEYS[1], unpack(oldest))
end`;

export function openRedisEntries(options: {
  readonly url: string;
  readonly caFile?: string | undefined;
  readonly ttlMs: number;
  readonly entriesMax: number;
  readonly log: Log;
}): Entries & { close(): Promise<void> } {
  const { ttlMs, entriesMax, log } = options;
  const redis = openRedis({ ...options, commandTimeoutMs, without: 'every photo is downloaded and looked at' });
  let pausedUntil = 0;
  let isReported = false;

  async function ask<T>(command: () => Promise<T>): Promise<T | undefined> {
    if (redis.status !== 'ready' || Date.now() < pausedUntil) return undefined;
    try {
      const answer = await command();
      isReported = false;
      return answer;
    } catch (error) {
      pausedUntil = Date.now() + pauseMs;
      if (!isReported) log.warn({ error }, 'Redis: no answer; every photo is downloaded and looked at');
      isReported = true;
      return undefined;
    }
  }

  return {
    async get(name) {
      const value = await ask(() => redis.eval(getScript, 2, index, prefix + name, Date.now()));
      return typeof value === 'string' ? value : undefined;
    },
    put(name, value) {
      void ask(() => redis.eval(putScript, 2, index, prefix + name, Date.now(), value, ttlMs, entriesMax));
    },
    close: async () => redis.disconnect(),
  };
}
