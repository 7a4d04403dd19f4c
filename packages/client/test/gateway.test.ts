/** The client against the gateway as its own process, with a real NATS and Redis; the test plays the services behind it. */
import { type Broker, createEvent, isKind, type StoredEvent } from '@pet-roast/shared';
import { brokerForTest, natsForTest, type RunningService, redisForTest, spawnService, until } from '@pet-roast/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type Client,
  createClient,
  InvalidRequestError,
  JobCancelledError,
  JobNotFoundError,
  type JobStatus,
  NoPetsDetectedError,
  NotReadyError,
  RateLimitedError,
  RenderFailedError,
  UnauthorizedError,
  UnavailableError,
} from '../src/index.ts';

const publicUrl = 'https://gateway.example';
let nats: Awaited<ReturnType<typeof natsForTest>>;
let redis: Awaited<ReturnType<typeof redisForTest>>;
let gateway: RunningService;
let broker: Broker;
let client: Client;
/** What the detector says of a photo, by the end of its address. */
let detector: { stop(): Promise<void> };

beforeAll(async () => {
  [nats, redis] = await Promise.all([natsForTest(), redisForTest()]);
  gateway = await spawnService({
    entry: 'services/gateway/src/main.ts',
    env: {
      ...{ SANDBOX: 'true', NATS_URL: nats.url, REDIS_URL: redis.url, DETECT_WAIT_MS: '2000' },
      ...{ GATEWAY_PUBLIC_URL: publicUrl, PHOTO_URL_SECRET: 'photo-secret-of-this-test' },
    },
  });
  broker = await brokerForTest(nats.url);
  await gateway.ready();
  detector = await broker.follow('received', (event) => void detect(event));
  client = createClient({ baseUrl: `${gateway.url}/api` });
});
afterAll(async () => {
  await detector?.stop();
  await broker?.close();
  await gateway?.stop();
  await Promise.all([nats?.close(), redis?.close()]);
});

const dog = { text: 'My dog is lazy.', image_url: 'https://photos.example/dog.jpg' };
const late = { ...dog, image_url: 'https://photos.example/late.jpg' };
const stone = { ...dog, image_url: 'https://photos.example/stone.jpg' };
const aDog = { label: 'dog', score: 0.9, box: { x: 1, y: 2, width: 3, height: 4 } };
const unknownId = '00000000-0000-4000-8000-000000000000';

describe('the gateway, asked by the client', () => {
  it('accepts a video whose photo has a pet', async () => {
    const job = await client.generateVideo({ ...dog, source_language: 'en', metadata: { row: 7 } });
    expect(job).toEqual({ job_id: expect.any(String), status: 'queued', stage: 'detected', replayed: false });
    const status = await client.getStatus(job.job_id);
    expect(status).toMatchObject({ status: 'queued', video_url: null, error: null, detection: { pets: [aDog] } });
  });

  it('takes a photo itself, keeps it under an address of its own, and makes one job of two calls with one key', async () => {
    const photo = Buffer.concat([Buffer.from([0xff, 0xd8, 0xff, 0xe0]), Buffer.alloc(300_000, 'x')]);
    const options = { idempotencyKey: 'row-with-a-photo' };
    const first = await client.generateVideo({ text: dog.text, image: photo, metadata: { row: 8 } }, options);
    const second = await client.generateVideo(
      { text: dog.text, image: new Blob([photo]), metadata: { row: 8 } },
      options,
    );
    expect([first.replayed, second]).toEqual([false, { ...first, replayed: true }]);
    const { data } = await broker.readReceived(first.job_id);
    expect(data).toMatchObject({ text: dog.text, metadata: { row: 8 }, image_id: first.job_id });
    expect(Buffer.from(await (await fetch(data.image_url.replace(publicUrl, gateway.url))).arrayBuffer())).toEqual(
      photo,
    );
    const wrong = client.generateVideo({ text: dog.text, image: Buffer.from('no photo') });
    await expect(wrong).rejects.toMatchObject({
      name: 'InvalidRequestError',
      code: 'image_not_an_image',
      field: 'image',
    });
  });

  it('makes one job of two calls with one key', async () => {
    const options = { idempotencyKey: 'row-7' };
    const first = await client.generateVideo(dog, options);
    const second = await client.generateVideo(dog, options);
    expect([second.job_id, first.replayed, second.replayed]).toEqual([first.job_id, false, true]);
    const other = client.generateVideo({ ...dog, text: 'Another roast' }, options);
    await expect(other).rejects.toMatchObject({ name: 'InvalidRequestError', code: 'idempotency_key_reused' });
  });

  it('refuses a photo without a pet, with what to tell people', async () => {
    const error = await client.generateVideo(stone).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(NoPetsDetectedError);
    expect(error).toMatchObject({ status: 400, suggestion: expect.stringContaining('clear photo of your pet') });
  });

  it('names the field that is wrong', async () => {
    const error = await client.generateVideo({ ...dog, text: '' }).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(InvalidRequestError);
    expect(error).toMatchObject({ field: 'text', requestId: expect.stringMatching(/^[0-9a-f-]{36}$/) });
  });

  it('knows no job that is not there, in any of its calls', async () => {
    for (const ask of [client.getStatus, client.getResult, client.cancel, client.erase, client.waitForVideo]) {
      await expect(ask(unknownId)).rejects.toBeInstanceOf(JobNotFoundError);
    }
  });

  it('has a result once the video is there, and a wait then ends', async () => {
    const { job_id } = await client.generateVideo(dog);
    await expect(client.getResult(job_id)).rejects.toBeInstanceOf(NotReadyError);
    const seen: JobStatus[] = [];
    const waiting = client.waitForVideo(job_id, { pollEveryMs: 50, timeoutMs: 20_000, onStatus: (s) => seen.push(s) });
    await until(() => seen.length > 0, { what: 'the first status' });
    await broker.publish(createEvent('rendered', job_id, { video_url: 'https://v.example/1.mp4', told_by: 'poll' }), 0);
    expect((await waiting).video_url).toBe('https://v.example/1.mp4');
    expect(seen.map(({ status }) => status)).toEqual(['queued', 'completed']);
    expect(await client.getResult(job_id)).toMatchObject({ status: 'completed', video_url: 'https://v.example/1.mp4' });
  });

  it('fails a wait with the code of the job’s failure, and the result likewise, without retries', async () => {
    const { job_id } = await client.generateVideo(dog);
    await broker.publish(createEvent('failed', job_id, { code: 'render_timed_out', at: 'watch', notify: true }), 0);
    for (const ask of [client.waitForVideo, client.getResult]) {
      const error = await ask(job_id).catch((e: unknown) => e);
      expect(error).toBeInstanceOf(RenderFailedError);
      expect(error).toMatchObject({ code: 'render_timed_out', suggestion: 'Send the request again later.' });
    }
  });

  it('cancels a job once, says so again to a repeat, and a wait and the result then say so', async () => {
    const { job_id } = await client.generateVideo(late);
    expect(await client.cancel(job_id)).toMatchObject({ job_id, status: 'cancelled' });
    expect(await client.cancel(job_id)).toMatchObject({ job_id, status: 'cancelled' });
    await expect(client.waitForVideo(job_id)).rejects.toBeInstanceOf(JobCancelledError);
    await expect(client.getResult(job_id)).rejects.toBeInstanceOf(JobCancelledError);
  });

  it('cannot cancel what is over', async () => {
    const { job_id } = await client.generateVideo(dog);
    await broker.publish(createEvent('rendered', job_id, { video_url: 'https://v.example/1.mp4', told_by: 'poll' }), 0);
    await expect(client.cancel(job_id)).rejects.toMatchObject({ code: 'job_already_over', status: 409 });
  });

  it('erases a job that is over, and says so again to a repeat; then there is no such job, also under its key', async () => {
    const options = { idempotencyKey: 'row-to-erase' };
    const { job_id } = await client.generateVideo(late, options);
    await expect(client.erase(job_id)).rejects.toMatchObject({ code: 'job_not_over', status: 409 });
    await client.cancel(job_id);
    expect(await client.erase(job_id)).toBeUndefined();
    expect(await client.erase(job_id)).toBeUndefined();
    await expect(client.getStatus(job_id)).rejects.toBeInstanceOf(JobNotFoundError);
    const again = client.generateVideo(late, options);
    await expect(again).rejects.toMatchObject({ name: 'JobNotFoundError', code: 'job_erased', status: 410 });
  });

  it('wants a key where it has some, knows a key’s jobs alone, and says when its caller asks too often', async () => {
    const [mine, theirs] = ['my-secret-0123456789-abcdef', 'their-secret-0123456789-abc'];
    await using keyed = await spawnService({
      entry: 'services/gateway/src/main.ts',
      env: {
        ...{ NATS_URL: nats.url, REDIS_URL: redis.url, DETECT_WAIT_MS: '2000' },
        ...{ API_KEYS: `mine:${mine},theirs:${theirs}`, RATE_LIMIT_JOBS_PER_MINUTE: '1' },
      },
    });
    await keyed.ready();
    const as = (apiKey?: string) => createClient({ baseUrl: keyed.url, apiKey });
    for (const nobody of [as(), as(`${mine}x`)]) {
      await expect(nobody.generateVideo(dog)).rejects.toBeInstanceOf(UnauthorizedError);
      await expect(nobody.waitForVideo(unknownId)).rejects.toBeInstanceOf(UnauthorizedError);
    }
    const { job_id } = await as(mine).generateVideo(dog);
    expect(await as(mine).getStatus(job_id)).toMatchObject({ status: 'queued' });
    for (const ask of [as(theirs).getStatus, as(theirs).getResult, as(theirs).cancel, as(theirs).waitForVideo]) {
      await expect(ask(job_id)).rejects.toBeInstanceOf(JobNotFoundError);
    }
    const hasty = createClient({ baseUrl: keyed.url, apiKey: mine, retriesMax: 0 });
    const error = await hasty.generateVideo(dog).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(RateLimitedError);
    expect((error as RateLimitedError).retryAfterMs).toBeGreaterThan(0);
  });

  it('says that it does not know the notifier', async () => {
    expect(await client.testBackendConnection()).toMatchObject({ status: 'not_configured' });
  });

  it('is asked again until NATS is back, and says that it is unavailable if that takes too long', async () => {
    await nats.kill();
    const hasty = createClient({ baseUrl: gateway.url, retriesMax: 0 });
    await expect(hasty.generateVideo(dog)).rejects.toBeInstanceOf(UnavailableError);
    const patient = createClient({ baseUrl: gateway.url, retriesMax: 20 }).generateVideo(late);
    await nats.restart();
    expect((await patient).status).toBe('queued');
  });
});

async function detect(event: StoredEvent): Promise<void> {
  // An erased job's tombstone comes here too.
  if (!isKind(event, 'received') || event.data.image_url === late.image_url) return;
  const { image_url } = event.data;
  const verdict =
    image_url === stone.image_url
      ? createEvent('rejected', event.job_id, { code: 'no_pets_detected', late: false })
      : createEvent('detected', event.job_id, { pets: [aDog], late: false });
  await broker.publish(verdict, 0);
}
