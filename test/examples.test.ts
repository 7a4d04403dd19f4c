/** The example backends, built and run as what they are: the backend at the end of a real journey. */
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RunningService } from '@pet-roast/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { apiOf } from './helpers/api.ts';
import { deliver, type ExampleWorld, inDisguise, startExampleWorld } from './helpers/example-backends.ts';
import { graphqlOf } from './helpers/example-graphql.ts';

const text = 'मेरा कुत्ता बहुत आलसी है।';
const nowhere = 'http://127.0.0.1:9';
let world: ExampleWorld;

beforeAll(async () => {
  world = await startExampleWorld();
});
afterAll(async () => {
  await world?.[Symbol.asyncDispose]();
});

const connection = async () => (await fetch(`${world.t.system.gatewayUrl}/api/test-backend-connection`)).json();
const renders = () => world.t.world.revid.renders();
const refuseNextRender = () => world.t.world.revid.pushFaults({ at: 'render', kind: 'http', status: 422, times: 1 });

describe('backend-graphql', () => {
  const { generate, refused, find, pushes } = graphqlOf(() => backend);
  const startVideo = (more = {}) => generate({ text, imageUrl: world.petUrl, ...more });
  let backend: RunningService;
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'pet-roast-example-'));
    backend = await world.start('backend-graphql', { DATABASE_DIR: folder });
  });
  afterAll(async () => {
    await backend?.[Symbol.asyncDispose]();
    if (folder) await rm(folder, { recursive: true, force: true });
  });

  it('starts a video, takes its webhook, shows the video, and tells the user once', async () => {
    const { id, jobId, status } = await startVideo();
    expect(status).toBe('queued');
    const webhook = await world.webhookOf(jobId);
    const videoUrl = JSON.parse(webhook.body).video_url;
    expect((await fetch(videoUrl)).status).toBe(200);
    expect(await find(id)).toMatchObject({ id, jobId, status: 'completed', videoUrl, errorCode: null });
    const push = { deviceToken: 'a-phone', data: { id, status: 'completed', videoUrl } };
    expect(pushes(id)).toEqual([expect.objectContaining(push)]);

    expect(await deliver(backend, webhook)).toBe(200);
    expect(pushes(id)).toHaveLength(1);
  });

  it('makes one roast of a mutation that the app repeats', async () => {
    const paid = renders().length;
    const requestId = randomUUID();
    const [first, second] = await Promise.all([startVideo({ requestId }), startVideo({ requestId })]);
    expect(second).toEqual(first);
    await world.webhookOf(first.jobId);
    await world.t.settled();
    expect(renders()).toHaveLength(paid + 1);
  });

  it('tells the app of a photo without pets, in words for its user', async () => {
    const { message, extensions } = await refused({ text, imageUrl: world.skyUrl });
    expect(extensions).toEqual({ code: 'NO_PETS_DETECTED' });
    expect(message).toMatch(/^No pets were found in the photo\. Please upload a clear photo of your pet/);
  });

  it('tells the app what is wrong with a request', async () => {
    const { extensions } = await refused({ text, imageUrl: 'ftp://photos.example/1.jpg' });
    expect(extensions).toEqual({ code: 'BAD_USER_INPUT', reason: 'invalid_field', field: 'image_url' });
    expect(await refused({ text, imageUrl: world.petUrl, requestId: '7' })).toMatchObject({
      extensions: { code: 'BAD_USER_INPUT' },
    });
  });

  it('tells the user of a job that failed, and works off each of its outcomes once', async () => {
    refuseNextRender();
    const { id, jobId } = await startVideo();
    const webhook = await world.webhookOf(jobId);
    const failed = { status: 'failed', videoUrl: null, errorCode: 'render_refused' };
    expect(await find(id)).toMatchObject(failed);
    expect(pushes(id)).toEqual([expect.objectContaining({ body: 'The video service refused the job.' })]);

    const failure = JSON.parse(webhook.body);
    const video = {
      ...failure,
      status: 'completed',
      video_url: 'https://v.example/1.mp4',
      error: null,
      error_code: null,
    };
    expect(await deliver(backend, world.sign(`msg_${jobId}`, video))).toBe(200);
    expect(await find(id)).toMatchObject(failed);

    // An operator replays the job; the webhook of its first run comes after that of its second.
    expect(await deliver(backend, world.sign(`msg_${jobId}_2`, video))).toBe(200);
    expect(await deliver(backend, world.sign(`msg_${jobId}_late`, failure))).toBe(200);
    expect(await find(id)).toMatchObject({ status: 'completed', videoUrl: video.video_url, errorCode: null });
    expect(pushes(id).map(({ data }) => data['status'])).toEqual(['failed', 'completed']);
  });

  it('refuses webhooks that are forged, changed, old or bare, and a repeat in disguise', async () => {
    refuseNextRender();
    const { id, jobId } = await startVideo();
    const webhook = await world.webhookOf(jobId);
    const video = { ...JSON.parse(webhook.body), status: 'completed', video_url: 'https://v.example/1.mp4' };
    const signed = world.sign('msg_new', video);
    const bad = [
      {
        ...signed,
        headers: { ...signed.headers, 'webhook-signature': `v1,${Buffer.alloc(32, 1).toString('base64')}` },
      },
      { ...signed, headers: webhook.headers },
      world.sign('msg_new', video, new Date(Date.now() - 360_000)),
      { ...signed, headers: { 'content-type': 'application/json' } },
      { headers: signed.headers, body: '' },
      inDisguise(webhook),
    ];
    for (const one of bad) expect(await deliver(backend, one)).toBe(401);
    expect(await find(id)).toMatchObject({ status: 'failed', videoUrl: null });
    expect(pushes(id)).toHaveLength(1);
  });

  it('takes a webhook of a job that is not its own, so that it is not sent again', async () => {
    const other = { job_id: 'other', status: 'cancelled', video_url: null, error: null, error_code: null };
    expect(await deliver(backend, world.sign('msg_other', other))).toBe(200);
  });

  it('asks how a job ended whose webhook never came', async () => {
    const { id } = await startUnheard();
    expect(await find(id)).toMatchObject({ status: 'completed', videoUrl: expect.stringMatching(/^http/) });
    expect(pushes(id)).toEqual([]);
  });

  it('takes the connection test', async () => {
    expect(await connection()).toMatchObject({ status: 'success', response_code: 200 });
  });

  it('ends cleanly on SIGTERM, and after a restart knows what it has seen, also while Pet Roast is away', async () => {
    const heard = await startVideo();
    const webhook = await world.webhookOf(heard.jobId);
    const before = await find(heard.id);
    const unheard = await startUnheard();
    expect(await backend.stop()).toBe(0);

    backend = await world.start('backend-graphql', { DATABASE_DIR: folder, PET_ROAST_URL: nowhere });
    expect(await deliver(backend, webhook)).toBe(200);
    expect(await find(heard.id)).toEqual(before);
    expect(pushes(heard.id)).toEqual([]);
    expect(await find(unheard.id)).toMatchObject({ status: 'queued' });
    const { extensions } = await refused({ text, imageUrl: world.petUrl });
    expect(extensions).toEqual({ code: 'TRY_AGAIN_LATER', reason: 'network_error' });
  });

  /** A roast whose job is over, and whose webhook no backend took. */
  async function startUnheard() {
    world.relay.leadTo(undefined);
    const roast = await startVideo();
    expect(await apiOf(world.t).ended(roast.jobId)).toMatchObject({ stage: 'undeliverable' });
    world.relay.leadTo(backend.url);
    return roast;
  }
});

describe('backend-nestjs', () => {
  type Roast = { readonly id: string; readonly jobId: string; readonly error: string | null };
  let backend: RunningService;

  beforeAll(async () => {
    backend = await world.start('backend-nestjs');
  });
  afterAll(async () => {
    await backend?.[Symbol.asyncDispose]();
  });

  it('starts a video and takes its webhook once, and no forged one', async () => {
    const { status, body } = await startVideo(world.petUrl);
    expect(status).toBe(202);
    const webhook = await world.webhookOf(body.jobId);
    const { video_url: videoUrl, ...event } = JSON.parse(webhook.body);
    const completed = { id: body.id, jobId: body.jobId, status: 'completed', videoUrl, error: null };
    expect(await find(body.id)).toEqual(completed);

    const failed = world.sign(`msg_${body.jobId}`, { ...event, status: 'failed', video_url: null, error: 'no' });
    expect(await deliver(backend, failed)).toBe(200);
    expect(await deliver(backend, { ...failed, headers: webhook.headers })).toBe(401);
    expect(await deliver(backend, inDisguise(webhook))).toBe(401);
    expect(await find(body.id)).toEqual(completed);
  });

  it('makes one roast of a request that the app repeats, also once it is over', async () => {
    const paid = renders().length;
    const requestId = randomUUID();
    const [first, second] = await Promise.all([1, 2].map(() => startVideo(world.petUrl, requestId)));
    expect(second).toEqual(first);
    await world.webhookOf(first?.body.jobId ?? '');
    const repeated = await startVideo(world.petUrl, requestId);
    expect(repeated).toMatchObject({ status: 202, body: { id: requestId, status: 'completed' } });
    await world.t.settled();
    expect(renders()).toHaveLength(paid + 1);
    expect(await startVideo(world.petUrl, 'not a UUID')).toMatchObject({ status: 400 });
  });

  it('asks how a job ended whose webhook never came', async () => {
    world.relay.leadTo(undefined);
    const { body } = await startVideo(world.petUrl);
    expect(await apiOf(world.t).ended(body.jobId)).toMatchObject({ stage: 'undeliverable' });
    world.relay.leadTo(backend.url);
    expect(await find(body.id)).toMatchObject({ status: 'completed', videoUrl: expect.stringMatching(/^http/) });
  });

  it('says that there are no pets in the photo', async () => {
    expect(await startVideo(world.skyUrl)).toMatchObject({ status: 400, body: { error: 'no_pets_detected' } });
  });

  it('takes the connection test', async () => {
    expect(await connection()).toMatchObject({ status: 'success', response_code: 200 });
  });

  async function startVideo(imageUrl: string, requestId?: string): Promise<{ status: number; body: Roast }> {
    const answer = await fetch(`${backend.url}/pet-roasts`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ text, imageUrl, requestId }),
    });
    return { status: answer.status, body: (await answer.json()) as Roast };
  }

  async function find(id: string): Promise<unknown> {
    return (await fetch(`${backend.url}/pet-roasts/${id}`)).json();
  }
});
