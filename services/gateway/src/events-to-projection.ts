/** Step `project`: every event goes into its job's projection. */
import { type Broker, isKind, type Stage, type StoredEvent } from '@pet-roast/shared';
import type { Projection } from './projection.ts';

export function eventsToProjection(deps: { readonly broker: Broker; readonly projection: Projection }): Stage {
  return {
    step: 'project',
    async handle(event) {
      await deps.projection.write([event]);
      if (isKind(event, 'received')) return undefined;
      // Redis may have been emptied in the middle of a job: then its hash is made whole again here.
      const projected = await deps.projection.read(event.job_id);
      if (!projected.some((other) => isKind(other, 'received'))) {
        await deps.projection.write(await deps.broker.readJob(event.job_id));
      }
      return undefined;
    },
    // Nothing is lost with it: a status read that misses goes to the stream and writes what it finds.
    async fail(_event: StoredEvent) {},
  };
}
