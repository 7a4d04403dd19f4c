/**
 * Writes the projection again when Redis has lost it: the epoch key is gone with everything else, one gateway takes it,
 * and gives Redis every event that the stream holds. Until then, and if it fails, status is answered from the stream.
 */
import type { Broker, Log } from '@pet-roast/shared';
import type { Projection } from './projection.ts';

const lookEveryMs = 2_000;
const holdMs = 30_000;
const batchMax = 500;

export function watchForRebuild(deps: {
  readonly broker: Pick<Broker, 'replay'>;
  readonly projection: Projection;
  readonly log: Log;
}): { stop(): Promise<void> } {
  const { broker, projection, log } = deps;
  let looking: Promise<void> = Promise.resolve();
  let busy = false;

  async function look(): Promise<void> {
    if (!(await projection.claimRebuild(holdMs))) return;
    const started = performance.now();
    const events = await broker.replay(async (batch) => {
      await projection.write(batch);
      await projection.holdRebuild(holdMs);
    }, batchMax);
    await projection.endRebuild();
    log.info({ events, took_ms: Math.round(performance.now() - started) }, 'the projection was written again');
  }

  const timer = setInterval(() => {
    if (busy) return;
    busy = true;
    // Redis or NATS being away is told elsewhere; the hold runs out, and somebody looks again.
    looking = look()
      .catch((error: unknown) => log.debug({ error }, 'the projection could not be written again'))
      .finally(() => {
        busy = false;
      });
  }, lookEveryMs);
  return {
    async stop() {
      clearInterval(timer);
      await looking;
    },
  };
}
