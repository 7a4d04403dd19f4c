import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ImageHost, type Revid, type RevidOptions, startImageHost, startRevid } from '../../src/index.ts';
import { type Answer, ask } from './http.ts';
import { makePhoto } from './photo.ts';
import { type Receiver, startReceiver } from './receiver.ts';

/** What the stub video's file holds: ten known bytes, for ranges. */
export const stubVideoBytes = '0123456789';

export type RevidBench = AsyncDisposable & {
  readonly revid: Revid;
  readonly images: ImageHost;
  readonly receiver: Receiver;
  /** A valid body; `patch` replaces top-level fields. */
  body(jobId: string, patch?: object): Record<string, unknown>;
  render(body: object, timeoutMs?: number): Promise<Answer>;
  get(path: string, timeoutMs?: number): Promise<Answer>;
};

/** A Revid whose renders take no time and whose videos are a stub, with a photo and a receiver of callbacks. */
export async function startBench(options: RevidOptions = {}): Promise<RevidBench> {
  await using starting = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'revid-test-'));
  starting.defer(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, 'stub.mp4');
  await writeFile(path, stubVideoBytes);
  const videoMaker = {
    kind: 'mp4',
    make: async () => ({ path, contentType: 'video/mp4', durationSeconds: 6 }),
  } as const;
  const receiver = starting.use(await startReceiver());
  const images = starting.use(await startImageHost({ files: { 'pet.jpg': await makePhoto() } }));
  const revid = starting.use(
    await startRevid({ videoMaker, ...options, behaviour: { renderMs: 0, ...options.behaviour } }),
  );
  const stack = starting.move();
  const headers = { key: revid.apiKey };
  return {
    revid,
    images,
    receiver,
    body: (jobId, patch = {}) => ({
      workflow: 'script-to-video',
      source: { text: 'My cat sleeps twenty hours a day.' },
      aspectRatio: '9:16',
      webhookUrl: `${receiver.url}/api/webhook/video-complete?job_id=${jobId}&token=t`,
      media: {
        ...{ type: 'custom', useOnlyProvided: true, turnImagesIntoVideos: true, animation: 'soft' },
        provided: [{ url: images.urlOf('/pet.jpg'), type: 'image', title: `pet-roast ${jobId}` }],
      },
      voice: { enabled: true, voiceId: 'aria-en-us', speed: 1, language: 'en-US' },
      captions: { enabled: true, preset: 'Wrap 1', position: 'bottom' },
      options: { useOnlyProvidedMedia: true, summarizationPreference: 'no-summarization' },
      render: { resolution: '1080p', frameRate: 30 },
      metadata: { job_id: jobId },
      ...patch,
    }),
    render: (body, timeoutMs = 5_000) => ask(`${revid.baseUrl}/render`, { headers, body, timeoutMs }),
    get: (path, timeoutMs = 5_000) => ask(`${revid.baseUrl}${path}`, { headers, timeoutMs }),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}
