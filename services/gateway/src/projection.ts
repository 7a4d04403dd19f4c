/**
 * The job's projection in Redis: a hash of its events, one field a kind, under `pet_roast:job:<id>`; a status read
 * folds them. A field is only replaced by an event later in the stream, so that the order of arrival does not matter,
 * repeats change nothing, and an older event never overwrites a newer one. `erased` takes the place of all others and
 * lets none in again. A job's hash lives until `ttlMs` after its newest event happened, whenever it is written.
 */
import { isKind, type Log, parseEvent, type StoredEvent } from '@pet-roast/shared';
import { openRedis } from '@pet-roast/shared/redis';
import type { ChainableCommander } from 'ioredis';
import { followOpenJobs, openJobsKey, ownerField } from './follow-open-jobs.ts';

export type Projection = {
  /** Adds events to their jobs' hashes. Throws when Redis does not answer within a second. */
  write(events: readonly StoredEvent[]): Promise<void>;
  /** A job's events; empty when it is not there. Throws when Redis does not answer within a second. */
  read(jobId: string): Promise<StoredEvent[]>;
  /**
   * Whether Redis has lost everything and this caller is the one to write it again: the epoch key is gone with the rest.
   * Whoever gets true holds it for `holdMs`, renews that with `holdRebuild`, and ends with `endRebuild`; both throw where
   * Redis has lost everything once more.
   */
  claimRebuild(holdMs: number): Promise<boolean>;
  holdRebuild(holdMs: number): Promise<void>;
  endRebuild(): Promise<void>;
  check(): Promise<void>;
  close(): Promise<void>;
};

const commandTimeoutMs = 1_000;

/** KEYS: the hash. ARGV: field, sequence, `<sequence> <event>`, ms that it has left. */
const writeIfNewer = `
if redis.call('HEXISTS', KEYS[1], 'erased') == 1 then return 0 end
local old = redis.call('HGET', KEYS[1], ARGV[1])
if not old or tonumber(string.match(old, '^%d+')) < tonumber(ARGV[2]) then
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
end
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[4]) then redis.call('PEXPIRE', KEYS[1], ARGV[4]) end
return 1`;

/** KEYS: the hash. ARGV: `<sequence> <tombstone>`, ms that it has left. */
const replaceAll = `
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'erased', ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1`;

/** Opens the projection; a Redis that is away makes calls fail fast, never wait: the stream has every answer too. */
export function openProjection(options: {
  readonly url: string;
  readonly caFile?: string | undefined;
  readonly ttlMs: number;
  readonly log: Log;
}): Projection {
  const redis = openRedis({ ...options, commandTimeoutMs, without: 'status is answered from the stream' });

  return {
    async write(events) {
      if (events.length === 0) return;
      const pipeline = redis.pipeline();
      for (const event of events) {
        const leftMs = Date.parse(event.time) + options.ttlMs - Date.now();
        if (leftMs > 0) addTo(pipeline, event, leftMs);
      }
      const failed = (await pipeline.exec())?.find(([error]) => error !== null);
      if (failed?.[0]) throw failed[0];
    },
    async claimRebuild(holdMs) {
      return (await redis.set(epochKey, 'rebuilding', 'PX', holdMs, 'NX')) === 'OK';
    },
    async holdRebuild(holdMs) {
      expectThere(await redis.set(epochKey, 'rebuilding', 'PX', holdMs, 'XX'));
    },
    async endRebuild() {
      expectThere(await redis.set(epochKey, `complete since ${new Date().toISOString()}`, 'XX'));
    },
    async read(jobId) {
      const fields = Object.entries(await redis.hgetall(keyOf(jobId)));
      return fields.flatMap(([field, value]) => (field === ownerField ? [] : [readField(value)]));
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

function expectThere(answer: string | null): void {
  if (answer === null) throw new Error('Redis was emptied again while the projection was written');
}

/** Adds to a write what an event means for its job's hash and for its owner's open jobs. */
function addTo(write: ChainableCommander, event: StoredEvent, leftMs: number): void {
  const { seq, ...rest } = event;
  const { job_id: jobId } = rest;
  const value = `${seq} ${JSON.stringify(rest)}`;
  if (isKind(event, 'erased')) {
    write.eval(replaceAll, 1, keyOf(jobId), value, leftMs);
    if (event.data.owner !== undefined) write.zrem(openJobsKey(event.data.owner), jobId);
    return;
  }
  write.eval(writeIfNewer, 1, keyOf(jobId), fieldOf(event), seq, value, leftMs);
  followOpenJobs(write, keyOf(jobId), event, fieldOf);
}

function keyOf(jobId: string): string {
  return `pet_roast:job:${jobId}`;
}

function fieldOf(event: Pick<StoredEvent, 'kind' | 'run'>): string {
  return event.run > 1 ? `${event.kind}:${event.run}` : event.kind;
}

function readField(value: string): StoredEvent {
  const space = value.indexOf(' ');
  return { ...parseEvent(Buffer.from(value.slice(space + 1))), seq: Number(value.slice(0, space)) };
}
