/**
 * Step `project`: every event goes into its job's projection. Of a job that is erased none does: then whatever is left of
 * it, or came later, is erased here, so an erasing whose process died in the middle is finished by itself.
 */
import {
  type Broker,
  deletePhoto,
  isKind,
  JobErased,
  type Stage,
  type StoredEvent,
  subjectOf,
} from '@pet-roast/shared';
import { countEvent } from './count-event.ts';
import { finishErasing } from './erase.ts';
import type { Projection } from './projection.ts';

export function eventsToProjection(deps: { readonly broker: Broker; readonly projection: Projection }): Stage {
  return {
    step: 'project',
    async handle(event) {
      if (isKind(event, 'erased')) return finishErasing(event, deps);
      // Before Redis is written: while that is away, nobody's photo is kept longer for it.
      if (isKind(event, 'rendered', 'failed', 'cancelled')) await deleteUpload(event.job_id);
      try {
        await deps.projection.write([event]);
      } catch (error) {
        // Nor is what comes late to an erased job; with Redis there, that is found out below.
        await eraseIfErased(event.job_id);
        throw error;
      }
      if (isKind(event, 'received')) return undefined;
      // Redis may have been emptied in the middle of a job: then its hash is made whole again here.
      const projected = await deps.projection.read(event.job_id);
      countEvent(event, projected);
      if (!projected.some((other) => isKind(other, 'received'))) await writeWhole(event.job_id);
      return undefined;
    },
    // Nothing is lost with it: a status read that misses goes to the stream and writes what it finds.
    async fail(_event: StoredEvent) {},
  };

  /** The job is over, so the vendor has what it needed; of a job that is replayed the photo is gone. */
  async function deleteUpload(jobId: string): Promise<void> {
    const received = await deps.broker.readLast(subjectOf('received', jobId));
    const id = isKind(received, 'received') ? received.data.image_id : undefined;
    if (id !== undefined) await deletePhoto(deps.broker.photos, id);
  }

  async function eraseIfErased(jobId: string): Promise<void> {
    const last = await deps.broker.readLast(subjectOf('received', jobId));
    if (isKind(last, 'erased')) await finishErasing(last, deps);
  }

  async function writeWhole(jobId: string): Promise<void> {
    try {
      await deps.projection.write(await deps.broker.readJob(jobId));
    } catch (error) {
      if (!(error instanceof JobErased)) throw error;
      await finishErasing(error.tombstone, deps);
    }
  }
}
