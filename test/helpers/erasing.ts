/** Erasing through the API, and looking whether it is true. */

import type { RawNats } from '@pet-roast/testing';
import { type TestSystem, until } from '@pet-roast/testing';
import type { Redis } from 'ioredis';
import { expect } from 'vitest';
import { content, heldOf } from './erased-job.ts';

export type Erased = { readonly status: number; readonly code: string | undefined };

export function erasingOf(t: TestSystem, raw: RawNats, redis: Redis) {
  async function erase(jobId: string): Promise<Erased> {
    const answer = await fetch(`${t.system.gatewayUrl}/api/jobs/${jobId}`, { method: 'DELETE' });
    const text = await answer.text();
    const code = text === '' ? undefined : (JSON.parse(text) as { detail: { error: string } }).detail.error;
    return { status: answer.status, code };
  }

  /** What streams and Redis hold of a job, but for its tombstones. */
  async function left(jobId: string): Promise<unknown[]> {
    const { [`jobs.v1.received.${jobId}`]: requests = 0, ...others } = await heldOf(raw, jobId);
    const { erased = '', ...fields } = await redis.hgetall(`pet_roast:job:${jobId}`);
    const keys = await redis.keys(`*${jobId}*`);
    return [
      ...Object.keys(others),
      ...(requests === 1 ? [] : [`${requests} requests`]),
      ...Object.keys(fields),
      ...(erased.includes(content) ? [erased] : []),
      ...keys.filter((key) => key !== `pet_roast:job:${jobId}`),
    ];
  }

  return {
    erase,
    left,
    /** Erases a job, and fails where anything is left of it then. */
    async erased(jobId: string): Promise<void> {
      expect(await erase(jobId)).toEqual({ status: 204, code: undefined });
      expect(await left(jobId)).toEqual([]);
    },
    /** Waits until nothing is left of a job. */
    nothingLeft: (jobId: string, timeoutMs = 15_000) =>
      until(
        async () => {
          const found = await left(jobId);
          if (found.length > 0) throw new Error(`there is ${found.join(', ')}`);
          return true;
        },
        { what: `nothing to be left of job ${jobId}`, timeoutMs },
      ),
  };
}
