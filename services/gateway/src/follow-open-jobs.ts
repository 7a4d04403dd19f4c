/**
 * The projection's part in counting open jobs (see `open-jobs.ts`): whatever it writes, also after Redis was emptied,
 * leaves a job among its owner's open ones if, and only if, the projection has its request and no outcome.
 */
import { isKind, type StoredEvent } from '@pet-roast/shared';
import type { ChainableCommander } from 'ioredis';

type FieldOf = (event: Pick<StoredEvent, 'kind' | 'run'>) => string;

/** Beside a job's events in its hash: the owner, who is named in one of the events alone. */
export const ownerField = 'owner';

const outcomes = ['rendered', 'failed', 'cancelled'] as const;

/**
 * KEYS: the job's hash. ARGV: start of the owners' keys, job, owner and deadline (of a request), the field of this run's
 * `received`, of the next run's, of this run's outcomes. The hash alone decides, so that the order in which events are
 * written does not matter.
 */
const script = `
if redis.call('HEXISTS', KEYS[1], ARGV[5]) == 0 or redis.call('HEXISTS', KEYS[1], ARGV[6]) == 1 then return end
if ARGV[3] ~= '' then redis.call('HSET', KEYS[1], '${ownerField}', ARGV[3]) end
local owner = redis.call('HGET', KEYS[1], '${ownerField}')
if not owner then return end
local open = ARGV[1] .. owner
for outcome = 7, #ARGV do
  if redis.call('HEXISTS', KEYS[1], ARGV[outcome]) == 1 then return redis.call('ZREM', open, ARGV[2]) end
end
redis.call('ZADD', open, ARGV[4], ARGV[2])
redis.call('PEXPIREAT', open, redis.call('ZREVRANGE', open, 0, 0, 'WITHSCORES')[2])`;

/** Adds to a write, behind the event itself, what the event means for its owner's open jobs. */
export function followOpenJobs(write: ChainableCommander, hash: string, event: StoredEvent, fieldOf: FieldOf): void {
  const isStart = isKind(event, 'received');
  if (!isStart && !isKind(event, ...outcomes)) return;
  if (isStart && event.data.owner === undefined) return;
  const [owner, deadlineMs] = isStart ? [event.data.owner ?? '', Date.parse(event.data.deadline_at)] : ['', 0];
  const { job_id, run } = event;
  const starts = [fieldOf({ kind: 'received', run }), fieldOf({ kind: 'received', run: run + 1 })];
  const ends = outcomes.map((kind) => fieldOf({ kind, run }));
  write.eval(script, 1, hash, openJobsKey(''), job_id, owner, deadlineMs, ...starts, ...ends);
}

/** The sorted set of a caller's open jobs. */
export function openJobsKey(owner: string): string {
  return `pet_roast:open:${owner}`;
}
