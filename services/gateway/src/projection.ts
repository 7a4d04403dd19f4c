/**
 * The job's projection in Redis: a hash of its events, one field a kind, under `pet_roast:job:<id>`; a status read
 * folds them. A field is only replaced by an event later in the stream, so that the order of arrival does not matter,
 * repeats change nothing, and an older event never overwrites a newer one.
 */
import { type Log, parseEvent, type StoredEvent } from '@pet-roast/shared';
import { Redis } from 'ioredis';

export type Projection = {
  /** Adds events to their jobs' hashes. Throws when Redis does not answer within a second. */
  write(events: readonly StoredEvent[]): Promise<void>;
  /** A job's events; empty when it is not there. Throws when Redis does not answer within a second. */
  read(jobId: string): Promise<StoredEvent[]>;
  /**
   * Whether Redis has lost everything and this caller is the one to write it again: the epoch key is gone with the rest.
   * Whoever gets true holds it for `holdMs`, renews that with `holdRebuild`, and ends with `endRebuild`.
   */
  claimRebuild(holdMs: number): Promise<boolean>;
  holdRebuild(holdMs: number): Promise<void>;
  endRebuild(): Promise<void>;
  check(): Promise<void>;
  close(): Promise<void>;
};

const commandTimeoutMs = 1_000;

/** KEYS: the hash. ARGV: field, sequence, `<sequence> <event>`, TTL in ms. */
const writeIfNewer = `
local old = redis.call('HGET', KEYS[1], ARGV[1])
if not old or tonumber(string.match(old, '^%d+')) < tonumber(ARGV[2]) then
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
end
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 1`;

/** Opens the projection; a Redis that is away makes calls fail fast, never wait: the stream has every answer too. */
export function openProjection(options: {
  readonly url: string;
  readonly ttlMs: number;
  readonly log: Log;
}): Projection {
  const redis = new Redis(options.url, {
    // Dual-stack: private networks that only speak IPv6 resolve no IPv4 address.
    family: 0,
    commandTimeout: commandTimeoutMs,
    connectTimeout: 5_000,
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
    retryStrategy: (times) => Math.min(times * 100, 2_000),
  });
  let reported = '';
  redis.on('error', (error: Error) => {
    if (reported !== error.message)
      options.log.warn({ error }, 'Redis: no connection; status is answered from the stream');
    reported = error.message;
  });
  redis.on('ready', () => {
    reported = '';
  });

  return {
    async write(events) {
      if (events.length === 0) return;
      const pipeline = redis.pipeline();
      for (const event of events) {
        const { seq, ...rest } = event;
        const value = `${seq} ${JSON.stringify(rest)}`;
        pipeline.eval(writeIfNewer, 1, keyOf(event.job_id), fieldOf(event), seq, value, options.ttlMs);
      }
      const failed = (await pipeline.exec())?.find(([error]) => error !== null);
      if (failed?.[0]) throw failed[0];
    },
    async claimRebuild(holdMs) {
      return (await redis.set(epochKey, 'rebuilding', 'PX', holdMs, 'NX')) === 'OK';
    },
    async holdRebuild(holdMs) {
      await redis.set(epochKey, 'rebuilding', 'PX', holdMs);
    },
    async endRebuild() {
      await redis.set(epochKey, `complete since ${new Date().toISOString()}`);
    },
    async read(jobId) {
      return Object.values(await redis.hgetall(keyOf(jobId))).map(readField);
    },
    async check() {
      await redis.ping();
    },
    async close() {
      await redis.quit().catch(() => redis.disconnect());
    },
  };
}

const epochKey = 'pet_roast:epoch';

function keyOf(jobId: string): string {
  return `pet_roast:job:${jobId}`;
}

function fieldOf(event: StoredEvent): string {
  return event.run > 1 ? `${event.kind}:${event.run}` : event.kind;
}

function readField(value: string): StoredEvent {
  const space = value.indexOf(' ');
  return { ...parseEvent(Buffer.from(value.slice(space + 1))), seq: Number(value.slice(0, space)) };
}
