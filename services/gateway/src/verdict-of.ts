/** Waiting for a job's verdict: told by its event, and looked up at once (a repeat's is long there) and every second. */
import { type Broker, isKind, type StoredEvent, subjectOf } from '@pet-roast/shared';
import type { JobEvents } from './job-events.ts';

export type VerdictOf = (jobId: string, timeoutMs: number) => Promise<StoredEvent | undefined>;

const lookEveryMs = 1_000;

export function createVerdictOf(deps: {
  readonly broker: Pick<Broker, 'readLast'>;
  readonly events: JobEvents;
}): VerdictOf {
  return async (jobId, timeoutMs) => {
    const until = performance.now() + timeoutMs;
    for (;;) {
      const leftMs = until - performance.now();
      if (leftMs <= 0) return undefined;
      const told = deps.events.next(jobId, isVerdict, Math.min(lookEveryMs, leftMs));
      const there = deps.broker.readLast(subjectOf('verdict', jobId)).catch(() => undefined);
      const verdict = (await Promise.race([told, there.then((event) => event ?? told)])) ?? undefined;
      if (verdict) return verdict;
    }
  };
}

function isVerdict(event: StoredEvent): boolean {
  return isKind(event, 'answered', 'detected', 'rejected');
}
