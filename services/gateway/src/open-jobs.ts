/**
 * How many jobs of one caller are open: accepted, without an outcome. They are the members of a sorted set in Redis, with
 * their deadlines as scores, so that replicas share the count and nothing stays in it for ever. A job enters before it is
 * stored, and the projection, which sees every event, takes it out (or in again, when Redis was emptied). Without Redis
 * nothing is limited.
 */
import { type Broker, isKind, type Log, subjectOf } from '@pet-roast/shared';
import type { Redis } from 'ioredis';
import { openJobsKey } from './follow-open-jobs.ts';
import { refused } from './refusals.ts';

export type OpenJobs = {
  /**
   * Counts a job to its owner, unless it is counted or stored already; true where this call has added it. Throws
   * `HttpError('too_many_jobs')`.
   */
  enter(owner: string | undefined, jobId: string, deadlineMs: number): Promise<boolean>;
  /** Takes a job out that `enter` has added and that was not stored, or is over. */
  leave(owner: string | undefined, jobId: string): Promise<void>;
};

/** Jobs end in minutes; whoever has as many as are allowed gains nothing by asking sooner. */
const retryAfterS = 10;
const recountEveryMs = 10_000;
const recountMax = 200;

/** KEYS: the owner's open jobs. ARGV: now, job, deadline, the most that there may be. */
const enterScript = `
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[1])
if redis.call('ZSCORE', KEYS[1], ARGV[2]) then return 'there' end
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[4]) then return 'full' end
redis.call('ZADD', KEYS[1], ARGV[3], ARGV[2])
redis.call('PEXPIREAT', KEYS[1], redis.call('ZREVRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2])
return 'added'`;

export function createOpenJobs(deps: {
  readonly redis: Redis;
  readonly broker: Pick<Broker, 'readLast'>;
  readonly log: Log;
  readonly max: number;
}): OpenJobs {
  const { redis, broker, log, max } = deps;
  const recounts = new Map<string, number>();
  let isReported = false;

  /** What Redis answers; undefined when it does not. */
  async function ask<T>(command: () => Promise<T>): Promise<T | undefined> {
    try {
      const answer = await command();
      isReported = false;
      return answer;
    } catch (error) {
      if (!isReported) log.warn({ error }, 'open jobs cannot be counted, so they are not limited');
      isReported = true;
      return undefined;
    }
  }

  function tryToEnter(owner: string, jobId: string, deadlineMs: number): Promise<unknown> {
    return ask(() => redis.eval(enterScript, 1, openJobsKey(owner), Date.now(), jobId, deadlineMs, max));
  }

  /**
   * Takes out what is over or was never stored: a Redis that comes back with yesterday's content holds such, and so does
   * one whose gateway died at the wrong moment. Says whether there was any. Now and then only: it reads a stream.
   */
  async function recount(owner: string): Promise<boolean> {
    if (Date.now() - (recounts.get(owner) ?? 0) < recountEveryMs) return false;
    recounts.set(owner, Date.now());
    const jobIds = (await ask(() => redis.zrange(openJobsKey(owner), 0, String(recountMax - 1)))) ?? [];
    const open = await Promise.all(jobIds.map((jobId) => isOpen(jobId).catch(() => true)));
    const over = jobIds.filter((_jobId, index) => !open[index]);
    if (over.length === 0) return false;
    log.info({ caller: owner, jobs: over.length }, 'jobs that are over were still counted as open');
    return (await ask(() => redis.zrem(openJobsKey(owner), ...over))) !== undefined;
  }

  async function isOpen(jobId: string): Promise<boolean> {
    const [received, outcome] = await Promise.all([
      broker.readLast(subjectOf('received', jobId)),
      broker.readLast(subjectOf('outcome', jobId)),
    ]);
    return isKind(received, 'received') && (outcome === undefined || outcome.run < received.run);
  }

  return {
    async enter(owner, jobId, deadlineMs) {
      if (owner === undefined) return false;
      const first = await tryToEnter(owner, jobId, deadlineMs);
      if (first !== 'full') return first === 'added';
      // A repeat of a request that has its job is no new job, however many there are.
      if ((await broker.readLast(subjectOf('received', jobId))) !== undefined) return false;
      const second = (await recount(owner)) ? await tryToEnter(owner, jobId, deadlineMs) : 'full';
      if (second === 'full') throw refused('too_many_jobs', retryAfterS);
      return second === 'added';
    },
    async leave(owner, jobId) {
      if (owner !== undefined) await ask(() => redis.zrem(openJobsKey(owner), jobId));
    },
  };
}
