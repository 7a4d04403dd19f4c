/**
 * Revid.ai's public API v3, with real videos. Every accepted render counts as paid, whatever becomes of the answer;
 * `renders()` is the bill.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { z } from 'zod';
import { addControls, createBehaviour, type Patch } from './controls.ts';
import { createFaultQueue } from './faults.ts';
import { createApp, type ListenOptions, openServer, type SandboxServer } from './http-server.ts';
import { createRecordLog, type RecordLog } from './record-log.ts';
import {
  type RevidBehaviour,
  type RevidFault,
  type RevidFaultInput,
  revidBehaviourSchema,
  revidFaultSchema,
} from './revid/behaviour.ts';
import { createCallbacks, type SentCallback } from './revid/callbacks.ts';
import { addFileRoutes } from './revid/files.ts';
import { fetchPhoto } from './revid/photo.ts';
import { createRenders, type Render, type StatusPayload } from './revid/renders.ts';
import { photoUrlOf, type RenderRequest, scriptOf } from './revid/request.ts';
import { addApiRoutes, apiPath, type RevidCall } from './revid/routes.ts';
import { createVideoMaker, type MadeVideo, type VideoMaker } from './video.ts';

export type { RevidBehaviour, RevidFaultInput } from './revid/behaviour.ts';
export type { SentCallback } from './revid/callbacks.ts';
export type { StatusPayload } from './revid/renders.ts';
export type { RevidCall } from './revid/routes.ts';

const thumbnailWidth = 360;

/** One accepted, and so paid, render. */
export type RenderRecord = {
  readonly pid: string;
  /** Our job's id, from the request's metadata or its callback address. */
  readonly jobId: string | undefined;
  readonly body: RenderRequest;
  readonly acceptedAt: string;
  readonly status: StatusPayload;
  /** Where the finished video lies on this machine. */
  readonly videoPath: string | undefined;
};

export type RevidOptions = ListenOptions & {
  readonly apiKey?: string;
  readonly behaviour?: Patch<RevidBehaviour>;
  /** Where videos lie; a temporary folder, removed at the end, unless given. */
  readonly workDir?: string;
  readonly videoMaker?: VideoMaker;
};

export type Revid = SandboxServer & {
  /** The address of the API, with its version. */
  readonly baseUrl: string;
  readonly apiKey: string;
  readonly videoKind: VideoMaker['kind'];
  renders(): readonly RenderRecord[];
  /** The first paid render, past or to come, that fits; asked again whenever one ends. Rejects after `timeoutMs` (10 s). */
  waitForRender(fits: (render: RenderRecord) => boolean, timeoutMs?: number): Promise<RenderRecord>;
  /** Every call to the API, paid or not. */
  readonly calls: RecordLog<RevidCall>;
  readonly callbacks: RecordLog<SentCallback>;
  setBehaviour(patch: Patch<RevidBehaviour>): void;
  pushFaults(...faults: readonly RevidFaultInput[]): void;
  clearFaults(): void;
  /** Ends a render now; the way that its behaviour says unless told. */
  finish(pid: string, end?: { readonly result?: 'ready' | 'failed'; readonly error?: string }): void;
  /** Sends one more callback of a render; `patch` overrides fields of its payload. */
  sendCallback(
    pid: string,
    options?: { readonly form?: 'revid' | 'v1'; readonly patch?: object },
  ): Promise<SentCallback>;
};

/** Starts the fake on 127.0.0.1 (any free port unless told). */
export async function startRevid(options: RevidOptions = {}): Promise<Revid> {
  const apiKey = options.apiKey ?? 'sandbox-revid-key';
  const workDir = options.workDir ?? (await mkdtemp(join(tmpdir(), 'pet-roast-revid-')));
  const behaviour = createBehaviour<RevidBehaviour>(revidBehaviourSchema, options.behaviour);
  const faults = createFaultQueue<RevidFault, RevidFaultInput>(revidFaultSchema);
  const calls = createRecordLog<RevidCall>('call to Revid');
  const stop = new AbortController();
  const maker = options.videoMaker ?? (await createVideoMaker({ workDir, signal: stop.signal }));
  const callbacks = createCallbacks(stop.signal);
  const producer = createProducer(maker, stop.signal);
  // Made before the first render asks for it: a render takes the time it is told, also on a slow machine.
  if (behaviour.current().video === 'sample') await producer.sample();
  const renders = createRenders({
    callbacks,
    closing: stop.signal,
    produce: producer.produce,
    urlOf: (render, kind) =>
      kind === 'video'
        ? `${server.url}/videos/${render.pid}.${maker.kind}`
        : `${server.url}/thumbnails/${render.pid}.jpg`,
  });
  const finish: Revid['finish'] = (pid, end = {}) => known(renders.find(pid), pid).finished.resolve(end);
  const sendCallback: Revid['sendCallback'] = (pid, { form = 'revid', patch } = {}) =>
    renders.callBack(known(renders.find(pid), pid), form, patch);
  const recordOf = recordsFrom(renders.status);
  const all = () => renders.log.all().map(recordOf);

  const app = createApp();
  const behaviourWith = (patch: Patch<RevidBehaviour>) =>
    createBehaviour(revidBehaviourSchema, behaviour.current()).set(patch);
  addApiRoutes(app, { apiKey, behaviour, faults, renders, calls, behaviourWith });
  addFileRoutes(app, renders.find);
  addControls(app, {
    behaviour,
    faults: { ...faults, push: (...given) => faults.push(...(given as RevidFaultInput[])) },
    records: { renders: all, calls: calls.all, callbacks: callbacks.sent.all },
    actions: {
      finish: (body) => {
        const { pid, ...end } = finishBody.parse(body);
        finish(pid, end);
      },
      callbacks: (body) => {
        const { pid, ...rest } = callbackBody.parse(body);
        return sendCallback(pid, rest);
      },
    },
  });

  const server = await openServer(app, options);
  const close = async (): Promise<void> => {
    stop.abort();
    await server.close();
    if (options.videoMaker === undefined) await renders.idle();
    if (options.workDir === undefined) await rm(workDir, { recursive: true, force: true });
  };
  return {
    ...server,
    ...{ apiKey, calls, finish, sendCallback, close },
    baseUrl: `${server.url}${apiPath}`,
    videoKind: maker.kind,
    renders: all,
    waitForRender: async (fits, timeoutMs) =>
      recordOf(await renders.log.waitFor((it) => fits(recordOf(it)), timeoutMs)),
    callbacks: callbacks.sent,
    setBehaviour: behaviour.set,
    pushFaults: faults.push,
    clearFaults: faults.clear,
    [Symbol.asyncDispose]: close,
  };
}

const finishBody = z.strictObject({
  pid: z.string(),
  result: z.enum(['ready', 'failed']).exactOptional(),
  error: z.string().exactOptional(),
});
const callbackBody = z.strictObject({
  pid: z.string(),
  form: z.enum(['revid', 'v1']).exactOptional(),
  patch: z.looseObject({}).exactOptional(),
});

/** Makes a render's files: of its own photo and words, or the one sample that is made once. */
function createProducer(maker: VideoMaker, closing: AbortSignal) {
  let sample: Promise<MadeVideo> | undefined;
  const makeSample = async (): Promise<MadeVideo> => {
    const background = { r: 64, g: 96, b: 128 };
    const image = await sharp({ create: { width: 320, height: 240, channels: 3, background } })
      .png()
      .toBuffer();
    return maker.make({ image, text: 'Sandbox sample' });
  };
  const sampleOnce = (): Promise<MadeVideo> => {
    sample ??= makeSample();
    return sample;
  };
  const produce = async ({ body, behaviour }: Render): Promise<NonNullable<Render['made']>> => {
    const url = photoUrlOf(body);
    if (url === undefined) throw new Error('no media provided');
    const image = await fetchPhoto(url, closing);
    const thumbnail = await sharp(image)
      .autoOrient()
      .resize({ width: thumbnailWidth })
      .jpeg()
      .toBuffer()
      .catch((cause: unknown) => {
        throw new Error('media generation failed: unsupported media', { cause });
      });
    const text = body.captions?.enabled === false ? '' : scriptOf(body);
    const video = await (behaviour.video === 'sample' ? sampleOnce() : maker.make({ image, text }));
    return { video, thumbnail };
  };
  return { produce, sample: sampleOnce };
}

function recordsFrom(statusOf: (render: Render) => StatusPayload): (render: Render) => RenderRecord {
  return (render) => {
    const { pid, jobId, body, acceptedAt } = render;
    return { pid, jobId, body, acceptedAt, status: statusOf(render), videoPath: render.made?.video.path };
  };
}

function known(render: Render | undefined, pid: string): Render {
  if (render === undefined) throw new Error(`there is no render ${pid}`);
  return render;
}
