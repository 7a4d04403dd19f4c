/**
 * `POST /api/webhook/video-complete`: the vendor's callback, in its own form (`{pid,status,videoUrl,error}`) or
 * 1.x's (`{job_id,status,video_url,error}`). It is stored first and answered then; judging it is step `settle`'s.
 */
import { createHash } from 'node:crypto';
import {
  type Broker,
  createEvent,
  type EventData,
  HttpError,
  type HttpServer,
  type Log,
  subjectOf,
  videoUrlLengthMax,
} from '@pet-roast/shared';
import { z } from 'zod';
import type { CallbackTokens } from '../core/callback-token.ts';
import { countCallback } from '../count-callback.ts';

const querySchema = z.object({
  job_id: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/),
  run: z.string().regex(/^[1-9]\d{0,5}$/),
  expires: z.string(),
  token: z.string(),
});

export const bodySchema = z.looseObject({
  job_id: z.string().optional(),
  // Read as leniently as can be: for a claim whose answer was lost, the callback may be all there is.
  pid: z.union([z.string().max(200), z.number()]).nullish(),
  status: z.string().min(1).max(50).default('completed'),
  videoUrl: z.string().nullish(),
  video_url: z.string().nullish(),
  error: z.unknown().optional(),
});

const errorLengthMax = 500;
/**
 * Callbacks of one run that are taken, counted by this process for the last `runsCountedMax` runs: a vendor sends a few,
 * and one address that has become known must not fill the stream.
 */
const callbacksPerRunMax = 50;
const runsCountedMax = 10_000;
const tellRefusedEveryMs = 60_000;

export function videoComplete(
  app: HttpServer,
  deps: { readonly broker: Broker; readonly tokens: CallbackTokens },
): void {
  const countOf = new Map<string, number>();
  const refusals = { told: Number.NEGATIVE_INFINITY, untold: 0 };

  app.post('/api/webhook/video-complete', async (request) => {
    const query = querySchema.safeParse(request.query);
    if (!query.success || !deps.tokens.verify(query.data)) {
      countCallback('refused');
      tellRefused(request.log);
      throw new HttpError('unauthorized');
    }
    const body = bodySchema.safeParse(request.body);
    if (!body.success) throw new HttpError('bad_request', { message: z.prettifyError(body.error) });
    const jobId = query.data.job_id;
    if (body.data.job_id !== undefined && body.data.job_id !== jobId) {
      throw new HttpError('invalid_field', { field: 'job_id', message: 'job_id: is not the job of this address' });
    }
    const run = Number(query.data.run);
    // Nothing of an erased job is kept, and nothing more of one that is over; the vendor has done its part, so it is
    // thanked all the same.
    const [isErased, outcome] = await Promise.all([
      deps.broker.isErased(jobId),
      deps.broker.readLast(subjectOf('outcome', jobId)),
    ]);
    if (isErased || (outcome && outcome.run >= run)) {
      countCallback('ignored');
      const message = `The job is ${isErased ? 'erased' : 'over'}; nothing is stored.`;
      return { status: 'success', message, job_id: jobId };
    }
    if (isOneTooMany(`${jobId} ${run}`)) {
      countCallback('too_many');
      throw new HttpError('rate_limited', { retryAfterS: 60 });
    }
    const data = contentOf(body.data);
    const digest = createHash('sha256').update(JSON.stringify(data)).digest('hex').slice(0, 32);
    const event = createEvent('callback', jobId, data, { run, part: digest });
    const stored = await deps.broker.publish(event);
    if (stored.event.time !== event.time) countCallback('repeated');
    return { status: 'success', message: 'The callback is stored.', job_id: jobId };
  });

  /** Anybody may call here as often as they like: the log hears of it once a minute, the counter of each. */
  function tellRefused(log: Pick<Log, 'warn'>): void {
    refusals.untold += 1;
    if (performance.now() - refusals.told < tellRefusedEveryMs) return;
    log.warn({ callbacks: refusals.untold }, 'callbacks without a valid token were refused');
    refusals.told = performance.now();
    refusals.untold = 0;
  }

  function isOneTooMany(key: string): boolean {
    const count = (countOf.get(key) ?? 0) + 1;
    countOf.delete(key);
    countOf.set(key, count);
    const [oldest] = countOf.keys();
    if (countOf.size > runsCountedMax && oldest !== undefined) countOf.delete(oldest);
    return count > callbacksPerRunMax;
  }
}

function contentOf(body: z.infer<typeof bodySchema>): EventData<'callback'> {
  const videoUrl = body.videoUrl ?? body.video_url ?? undefined;
  const error = body.error === undefined || body.error === null ? undefined : textOf(body.error);
  return {
    status: body.status,
    ...(body.pid === undefined || body.pid === null || body.pid === '' ? {} : { pid: String(body.pid) }),
    ...(videoUrl === undefined || videoUrl === '' || videoUrl.length > videoUrlLengthMax
      ? {}
      : { video_url: videoUrl }),
    ...(error === undefined ? {} : { error }),
  };
}

function textOf(error: unknown): string {
  return (typeof error === 'string' ? error : JSON.stringify(error)).slice(0, errorLengthMax);
}
