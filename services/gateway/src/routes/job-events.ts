/**
 * `GET /api/jobs/{id}/events`: a job's status as server-sent events (WHATWG HTML, section 9.2), one `status` event for
 * each change, whose id is the place of the job's newest event in the stream. `Last-Event-ID` resumes: what the caller
 * has seen is not sent again. The stream ends when nothing can change any more, when the job is erased, after 15 minutes,
 * or when the process stops. Whoever comes back where nothing can change any more, as an EventSource does, hears 204: do
 * not come again.
 */
import { Readable } from 'node:stream';
import {
  type Broker,
  foldJob,
  HttpError,
  type HttpServer,
  JobErased,
  type JobView,
  type StoredEvent,
} from '@pet-roast/shared';
import { checkOwner } from '../callers.ts';
import type { JobEvents } from '../job-events.ts';
import { refused } from '../refusals.ts';
import { checkedJobId } from './video-status.ts';

const streamMsMax = 15 * 60_000;
const streamsMax = 2_000;
/** Of these, one caller's: whoever opens more must not keep the others out. */
const streamsOfCallerMax = 500;
/** Proxies cut connections that say nothing; at each look the stream says something. */
const lookEveryMs = 10_000;
const retryMs = 2_000;

export function jobEvents(app: HttpServer, deps: { readonly broker: Broker; readonly events: JobEvents }): void {
  let open = 0;
  const openOf = new Map<string, number>();

  // A HEAD would have a stream that nobody reads.
  app.get<{ Params: { id: string } }>('/api/jobs/:id/events', { exposeHeadRoute: false }, async (request, reply) => {
    const jobId = checkedJobId(request.params.id);
    const seen = Number(request.headers['last-event-id'] ?? 0);
    const job = await read(jobId);
    if (job === undefined) throw new HttpError('job_not_found');
    checkOwner(job.events, request.caller);
    if (isDone(job.view) && seen >= job.seq) return reply.code(204).send();
    const caller = request.caller;
    if (open >= streamsMax) throw new HttpError('overloaded', { retryAfterS: 5 });
    if (caller !== undefined && (openOf.get(caller) ?? 0) >= streamsOfCallerMax) {
      throw refused('rate_limited', 5);
    }
    return reply
      .type('text/event-stream')
      .header('cache-control', 'no-store')
      .header('x-accel-buffering', 'no')
      .send(Readable.from(counted(caller, statuses(jobId, Number.isSafeInteger(seen) ? seen : 0))));
  });

  /** The stream, counted as long as it is read. */
  async function* counted(caller: string | undefined, stream: AsyncGenerator<string>): AsyncGenerator<string> {
    const count = (by: 1 | -1) => {
      open += by;
      if (caller === undefined) return;
      const left = (openOf.get(caller) ?? 0) + by;
      if (left > 0) openOf.set(caller, left);
      else openOf.delete(caller);
    };
    count(1);
    try {
      yield* stream;
    } finally {
      count(-1);
    }
  }

  async function* statuses(jobId: string, seen: number): AsyncGenerator<string> {
    yield `retry: ${retryMs}\n\n`;
    let last = seen;
    for (const until = Date.now() + streamMsMax; Date.now() < until; ) {
      // Waiting begins before the look, so that no event falls between the two.
      const changed = deps.events.nextChange(jobId, lookEveryMs);
      const now = await read(jobId).catch((error: unknown) => (error instanceof JobErased ? 'erased' : undefined));
      if (now === 'erased') return;
      // Subjects are read one by one. A delivery without its outcome is no status, nor a place to go on from.
      const isWhole = now && (isOver(now.view) || !isSettled(now.view));
      if (now && isWhole && now.seq > last) {
        last = now.seq;
        yield `event: status\nid: ${now.seq}\ndata: ${JSON.stringify(now.view)}\n\n`;
      }
      if (now && isDone(now.view)) return;
      const event = await changed;
      if (event === undefined) {
        if (deps.events.ended()) return;
        yield ': waiting\n\n';
      }
    }
  }

  async function read(jobId: string): Promise<{ view: JobView; seq: number; events: StoredEvent[] } | undefined> {
    const events = await deps.broker.readJob(jobId);
    const view = foldJob(events);
    return view && { view, seq: Math.max(...events.map((event) => event.seq)), events };
  }
}

/** Nothing changes after these; a replay is a new story, and a new stream. */
function isDone(view: JobView): boolean {
  return isOver(view) && isSettled(view);
}

function isOver({ status }: JobView): boolean {
  return ['completed', 'failed', 'cancelled'].includes(status);
}

function isSettled({ stage }: JobView): boolean {
  return ['notified', 'undeliverable', 'rejected'].includes(stage);
}
