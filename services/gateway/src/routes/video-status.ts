/** `GET /api/video-status/{id}`, with `?wait=` as a long poll until the job is over, and `GET /api/video-result/{id}`. */
import { type ErrorCode, HttpError, type HttpServer, isOver } from '@pet-roast/shared';
import { z } from 'zod';
import type { JobEvents } from '../job-events.ts';
import type { ReadJob } from '../job-status.ts';

export const jobIdPattern = /^[A-Za-z0-9_-]{1,64}$/;

export const waitSchema = z.object({ wait: z.coerce.number().min(0).max(30).default(0) });
const lookEveryMs = 5_000;

type Params = { Params: { id: string } };

export function videoStatus(app: HttpServer, deps: { readonly readJob: ReadJob; readonly events: JobEvents }): void {
  app.get<Params>('/api/video-status/:id', async (request) => {
    const jobId = checkedJobId(request.params.id);
    const wait = waitSchema.safeParse(request.query);
    if (!wait.success)
      throw new HttpError('invalid_field', { field: 'wait', message: 'wait: must be 0 to 30 seconds' });
    const until = Date.now() + wait.data.wait * 1_000;
    for (;;) {
      // Waiting begins before the look, so that no event falls between the two.
      const leftMs = until - Date.now();
      const changed = leftMs > 0 ? deps.events.nextChange(jobId, Math.min(leftMs, lookEveryMs)) : undefined;
      const view = await deps.readJob(jobId, request.caller);
      if (changed === undefined || isOver(view) || deps.events.ended()) return view;
      await changed;
    }
  });

  app.get<Params>('/api/video-result/:id', async (request) => {
    const job = await deps.readJob(checkedJobId(request.params.id), request.caller);
    const { job_id, status, video_url, detail, error } = job;
    if (!isOver(job)) throw new HttpError('result_not_ready');
    if (status === 'cancelled') throw new HttpError('cancelled');
    if (error) throw new HttpError(error.error as ErrorCode, { status: 502 });
    return { job_id, status, video_url, detail };
  });
}

/** A job's id out of an address; one that cannot be a job's is a job that is not there. */
export function checkedJobId(id: string): string {
  if (!jobIdPattern.test(id)) throw new HttpError('job_not_found');
  return id;
}
