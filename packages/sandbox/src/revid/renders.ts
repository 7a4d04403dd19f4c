/**
 * A render's life: accepted (and paid), `queued`, `rendering`, then `ready` or `failed`, then its callbacks. The way
 * to the end is computed from the clock; only the end itself is stored.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { createRecordLog, type RecordLog } from '../record-log.ts';
import type { MadeVideo } from '../video.ts';
import type { RevidBehaviour } from './behaviour.ts';
import type { Callbacks, SentCallback } from './callbacks.ts';
import { creditsOf, jobIdOf, type RenderRequest } from './request.ts';

/** The first share of a render's time, in which it is `queued`. */
const queuedShare = 0.1;
const unfinishedProgressMax = 99;

/** The vendor's status payload; fields that do not apply yet are absent. */
export type StatusPayload = {
  readonly pid: string;
  readonly status: 'queued' | 'rendering' | 'ready' | 'failed';
  readonly progress: number;
  readonly videoUrl?: string;
  readonly thumbnailUrl?: string;
  readonly durationSeconds?: number;
  readonly creditsUsed?: number;
  readonly error?: string;
};

export type Finish = { readonly result: 'ready' | 'failed'; readonly error: string };

/** One accepted, and so paid, render. */
export type Render = {
  readonly pid: string;
  /** Our job's id, where the request carries one. */
  readonly jobId: string | undefined;
  readonly body: RenderRequest;
  readonly acceptedAt: string;
  readonly behaviour: RevidBehaviour;
  readonly lastsMs: number;
  readonly finished: PromiseWithResolvers<Partial<Finish>>;
  end?: StatusPayload;
  made?: { readonly video: MadeVideo; readonly thumbnail: Buffer };
};

export type Renders = {
  readonly log: RecordLog<Render>;
  accept(body: RenderRequest, behaviour: RevidBehaviour): Render;
  /** Lives the render to its end, callbacks included. Never throws. */
  live(render: Render): Promise<void>;
  find(pid: string): Render | undefined;
  status(render: Render): StatusPayload;
  /** Waits until no video is being made. */
  idle(): Promise<void>;
  /** Sends one more callback; `patch` overrides fields of its payload. */
  callBack(render: Render, form: RevidBehaviour['callback']['form'], patch?: object): Promise<SentCallback>;
};

type Deps = {
  readonly callbacks: Callbacks;
  readonly closing: AbortSignal;
  readonly produce: (render: Render) => Promise<NonNullable<Render['made']>>;
  /** The address of a render's video or thumbnail. */
  readonly urlOf: (render: Render, kind: 'video' | 'thumbnail') => string;
};

export function createRenders({ callbacks, closing, produce, urlOf }: Deps): Renders {
  const log = createRecordLog<Render>('render');
  const making = new Set<Promise<unknown>>();
  const make = async (render: Render): Promise<NonNullable<Render['made']> | { error: string }> => {
    const work = settled(produce(render));
    making.add(work);
    return work.finally(() => making.delete(work));
  };

  const status = (render: Render): StatusPayload => {
    if (render.end !== undefined) return render.end;
    const share = render.lastsMs === 0 ? 1 : (Date.now() - Date.parse(render.acceptedAt)) / render.lastsMs;
    if (share < queuedShare) return { pid: render.pid, status: 'queued', progress: 0 };
    return { pid: render.pid, status: 'rendering', progress: Math.floor(Math.min(unfinishedProgressMax, share * 100)) };
  };

  const endOf = async (render: Render): Promise<StatusPayload> => {
    const { pid } = render;
    // The video is made while the render's time passes, so that the time is the behaviour's and not this machine's.
    const early = render.behaviour.result === 'ready' ? make(render) : undefined;
    const due = await dueOf(render, closing);
    if (due.result === 'failed') return { pid, status: 'failed', progress: 100, error: due.error };
    const made = await (early ?? make(render));
    if ('error' in made) return { pid, status: 'failed', progress: 100, error: made.error };
    render.made = made;
    return {
      ...{ pid, status: 'ready', progress: 100 },
      videoUrl: urlOf(render, 'video'),
      thumbnailUrl: urlOf(render, 'thumbnail'),
      durationSeconds: render.made.video.durationSeconds,
      creditsUsed: creditsOf(render.body).creditsEstimate,
    };
  };

  const callBack: Renders['callBack'] = (render, form, patch = {}) => {
    const { pid, jobId } = render;
    const payload = { ...(form === 'v1' ? formOfV1(status(render), jobId) : status(render)), ...patch };
    return callbacks.send({ pid, jobId, url: render.body.webhookUrl ?? '', payload });
  };

  return {
    log,
    status,
    callBack,
    idle: async () => void (await Promise.all(making)),
    find: (pid) => log.all().find((render) => render.pid === pid),
    accept: (body, behaviour) =>
      log.add({
        pid: `p_${randomBytes(10).toString('hex')}`,
        jobId: jobIdOf(body),
        body,
        acceptedAt: new Date().toISOString(),
        behaviour,
        lastsMs: behaviour.callback.early ? 0 : behaviour.renderMs + Math.random() * behaviour.jitterMs,
        finished: Promise.withResolvers<Partial<Finish>>(),
      }),
    live: async (render) => {
      try {
        render.end = await endOf(render);
        log.changed();
        const { none, delayMs, copies, form, early } = render.behaviour.callback;
        if (none || render.body.webhookUrl === undefined) return;
        if (!early) await pause(delayMs, undefined, { signal: closing });
        for (let copy = 0; copy < copies; copy += 1) await callBack(render, form);
      } catch (error) {
        if (!closing.aborted) throw error;
      }
    },
  };
}

/** Waits for the render's time, or for `finish`, which may also decide how it ends. */
async function dueOf(render: Render, closing: AbortSignal): Promise<Finish> {
  closing.throwIfAborted();
  const { result, error } = render.behaviour;
  const closed = Promise.withResolvers<never>();
  const onClose = (): void => closed.reject(closing.reason);
  closing.addEventListener('abort', onClose, { once: true });
  const timer = new AbortController();
  try {
    const time = pause(render.lastsMs, {}, { signal: timer.signal }).catch(() => ({}));
    const ends = [render.finished.promise, closed.promise, ...(result === 'never' ? [] : [time])];
    return { result: result === 'failed' ? 'failed' : 'ready', error, ...(await Promise.race(ends)) };
  } finally {
    timer.abort();
    closing.removeEventListener('abort', onClose);
  }
}

async function settled<T extends object>(work: Promise<T>): Promise<T | { error: string }> {
  try {
    return await work;
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
}

function formOfV1(status: StatusPayload, jobId: string | undefined) {
  return {
    job_id: jobId ?? status.pid,
    status: { queued: 'queued', rendering: 'processing', ready: 'completed', failed: 'failed' }[status.status],
    video_url: status.videoUrl ?? null,
    error: status.error ?? null,
  };
}
