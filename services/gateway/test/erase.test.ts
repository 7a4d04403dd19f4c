/** Whose jobs a caller may erase, against the gateway as its own process. */
import { createHash } from 'node:crypto';
import {
  type Broker,
  createEvent,
  createLog,
  type DeadLetter,
  JobErased,
  type StoredEvent,
  type StoredLetter,
  subjectOf,
} from '@pet-roast/shared';
import { brokerForTest, natsForTest, type RunningService, redisForTest, spawnService, until } from '@pet-roast/testing';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eraseJob, finishErasing } from '../src/erase.ts';
import { eventsToProjection } from '../src/events-to-projection.ts';
import { createReadJob } from '../src/job-status.ts';
import { openProjection, type Projection } from '../src/projection.ts';
import { replayLetter } from '../src/replay.ts';

const keys = { app: 'a-secret-of-the-app-0123456789', shop: 'a-secret-of-the-shop-012345678' };
let nats: Awaited<ReturnType<typeof natsForTest>>;
let redis: Awaited<ReturnType<typeof redisForTest>>;
let gateway: RunningService;
let broker: Broker;
let projection: Projection;
let client: Redis;
const log = createLog('test', 'silent');

beforeAll(async () => {
  [nats, redis] = await Promise.all([natsForTest(), redisForTest()]);
  const API_KEYS = Object.entries(keys)
    .map(([name, secret]) => `${name}:${secret}`)
    .join(',');
  const env = { NATS_URL: nats.url, REDIS_URL: redis.url, DETECT_WAIT_MS: '100', API_KEYS };
  gateway = await spawnService({ entry: 'services/gateway/src/main.ts', env });
  broker = await brokerForTest(nats.url);
  projection = openProjection({ url: redis.url, ttlMs: 60_000, log });
  client = new Redis(redis.url);
  await until(() => projection.check().then(() => true), { what: 'the connection to Redis' });
  await gateway.ready();
});
afterAll(async () => {
  client?.disconnect();
  await projection?.close();
  await broker?.close();
  await gateway?.stop();
  await Promise.all([nats?.close(), redis?.close()]);
});

const request = { text: 'My dog is lazy.', image_url: 'https://photos.example/1.jpg' };
type Answer = { readonly status: number; readonly jobId: string; readonly code: string | undefined };

async function call(caller: keyof typeof keys, method: string, path: string, body?: object): Promise<Answer> {
  const answer = await fetch(gateway.url + path, {
    method,
    headers: {
      authorization: `Bearer ${keys[caller]}`,
      ...(body ? { 'content-type': 'application/json', 'idempotency-key': keyOf(body) } : {}),
    },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  const text = await answer.text();
  const json = (text === '' ? {} : JSON.parse(text)) as { job_id?: string; detail?: { error: string } };
  return { status: answer.status, jobId: json.job_id ?? '', code: json.detail?.error };
}

/** The same request has the same key. */
function keyOf(body: object): string {
  return createHash('sha256').update(JSON.stringify(body)).digest('hex');
}

async function cancelledJob(): Promise<string> {
  const { jobId } = await call('app', 'POST', '/api/generate-video', { ...request, text: crypto.randomUUID() });
  await call('app', 'POST', `/api/jobs/${jobId}/cancel`);
  return jobId;
}

/** A job on a broker of the test's own. */
async function receivedOn(quiet: Broker, jobId: string): Promise<StoredEvent> {
  const data = {
    ...request,
    target_language: 'en',
    request_id: 'r',
    request_sha256: 's',
    deadline_at: '2099-01-01T00:00:00Z',
  };
  return (await quiet.publish(createEvent('received', jobId, data), 0)).event;
}

/** One that is over, and whose backend was told. */
async function overOn(quiet: Broker, jobId: string): Promise<StoredEvent[]> {
  const received = await receivedOn(quiet, jobId);
  const video = { video_url: 'https://v.example/1.mp4', told_by: 'poll' } as const;
  const rendered = await quiet.publish(createEvent('rendered', jobId, video), 0);
  const notified = await quiet.publish(createEvent('notified', jobId, { attempt: 1, response_status: 200 }), 0);
  return [received, rendered.event, notified.event];
}

describe('a job', () => {
  it('is erased by its owner alone, and looks like none to others, before and after', async () => {
    const { jobId } = await call('app', 'POST', '/api/generate-video', request);
    await call('app', 'POST', `/api/jobs/${jobId}/cancel`);
    expect(await call('shop', 'DELETE', `/api/jobs/${jobId}`)).toMatchObject({ status: 404, code: 'job_not_found' });
    expect(await broker.readReceived(jobId)).toMatchObject({ data: { text: request.text, owner: 'app' } });

    expect(await call('app', 'DELETE', `/api/jobs/${jobId}`)).toMatchObject({ status: 204, code: undefined });
    const tombstone = await broker.readLast(subjectOf('received', jobId));
    expect(tombstone).toMatchObject({ kind: 'erased', data: { owner: 'app' } });
    expect(await call('shop', 'DELETE', `/api/jobs/${jobId}`)).toMatchObject({ status: 404, code: 'job_not_found' });
    expect(await call('app', 'DELETE', `/api/jobs/${jobId}`)).toMatchObject({ status: 204 });

    // The key is each caller's own.
    const again = await call('app', 'POST', '/api/generate-video', request);
    expect(again).toMatchObject({ status: 410, code: 'job_erased' });
    expect(await call('shop', 'POST', '/api/generate-video', request)).toMatchObject({ status: 202 });
  });

  it('is erased for whoever asks while somebody else is erasing it', async () => {
    const jobId = await cancelledJob();
    let reads = 0;
    /** Between two looks of ours the other one does all that there is to do. */
    async function readLast(subject: string): Promise<StoredEvent | undefined> {
      const last = await broker.readLast(subject);
      if (++reads === 1) await eraseJob(jobId, 'app', { broker, projection });
      return last;
    }
    await eraseJob(jobId, 'app', { broker: { ...broker, readLast }, projection });
    expect(reads).toBe(2);
  });

  it('keeps no event that comes when its subject is emptied already, and Redis has not been told', async () => {
    // Without a gateway, whose steps would mend what is wrong here.
    await using alone = await natsForTest();
    const quiet = await brokerForTest(alone.url);
    const project = (event: StoredEvent) =>
      eventsToProjection({ broker: quiet, projection }).handle(event, {} as never);
    const received = await receivedOn(quiet, 'late');
    await project(received);
    const { event: tombstone } = await quiet.publish(createEvent('erased', 'late', {}), received.seq);
    async function deleteErased(erased: StoredEvent<'erased'>): Promise<void> {
      await quiet.deleteErased(erased);
      const notified = createEvent('notified', 'late', { attempt: 1, response_status: 200 });
      await project((await quiet.publish(notified, 0)).event);
    }
    await finishErasing(tombstone as StoredEvent<'erased'>, { broker: { ...quiet, deleteErased }, projection });
    expect(await quiet.readLast(subjectOf('delivery', 'late'))).toBeUndefined();
    expect(await projection.read('late')).toEqual([tombstone]);
    await quiet.close();
  });

  it('keeps no event that comes while Redis is away, and Redis hears of it when it is back', async () => {
    await using alone = await natsForTest();
    await using ownRedis = await redisForTest();
    const quiet = await brokerForTest(alone.url);
    const own = openProjection({ url: ownRedis.url, ttlMs: 60_000, log });
    const project = (event: StoredEvent) =>
      eventsToProjection({ broker: quiet, projection: own }).handle(event, {} as never);
    const [received] = await overOn(quiet, 'late');
    await eraseJob('late', undefined, { broker: quiet, projection });
    await ownRedis.kill();
    const late = createEvent('notified', 'late', { attempt: 1, response_status: 200 }, { part: 'late' });
    const { event: notified } = await quiet.publish(late, 0);
    for (const event of [received as StoredEvent, notified]) await expect(project(event)).rejects.toThrow();
    expect(await quiet.readLast(subjectOf('delivery', 'late'))).toBeUndefined();
    await ownRedis.restart();
    await until(() => project(notified).then(() => true), { what: 'the event to be dealt with' });
    expect(await own.read('late')).toMatchObject([{ kind: 'erased' }]);
    await own.close();
    await quiet.close();
  });

  it('is not read again from a Redis that comes back older than its erasing, and goes from there too', async () => {
    await using alone = await natsForTest();
    const quiet = await brokerForTest(alone.url);
    for (const [jobId, count] of [
      ['told', 3],
      ['not-told', 2],
    ] as const) {
      const yesterday = (await overOn(quiet, jobId)).slice(0, count);
      await eraseJob(jobId, undefined, { broker: quiet, projection });
      await client.del(`pet_roast:job:${jobId}`);
      await projection.write(yesterday);
      const reading = createReadJob({ broker: quiet, projection, log })(jobId, undefined);
      await expect(reading, jobId).rejects.toThrow(JobErased);
      expect(await projection.read(jobId)).toMatchObject([{ kind: 'erased' }]);
    }
    await quiet.close();
  });

  it('that is over is read from Redis while the stream says nothing, and the stream is not asked by every reader', async () => {
    let asked = 0;
    const away = Promise.withResolvers<boolean>();
    async function isErased(): Promise<boolean> {
      asked++;
      return away.promise;
    }
    await using alone = await natsForTest();
    const quiet = await brokerForTest(alone.url);
    await projection.write(await overOn(quiet, 'over'));
    const readJob = createReadJob({ broker: { ...quiet, isErased }, projection, log });
    for (let reads = 0; reads < 3; reads++)
      expect(await readJob('over', undefined)).toMatchObject({ status: 'completed' });
    expect(asked).toBe(1);
    away.resolve(true);
    // It has answered, so the next reader asks again.
    await readJob('over', undefined);
    expect(asked).toBe(2);
    await quiet.close();
  });

  it('has no dead letter for who replays it while it is erased', async () => {
    const jobId = await cancelledJob();
    const letter: DeadLetter = {
      ...{ cause: 'permanent', code: 'render_refused', message: 'no', step: 'submit' },
      ...{ job_id: jobId, stream_seq: 1, time: new Date().toISOString() },
    };
    const seq = (await broker.publishDead('a-letter', letter)) ?? 0;
    async function readDead(at: number): Promise<StoredLetter | undefined> {
      const found = await broker.readDead(at);
      await eraseJob(jobId, 'app', { broker, projection });
      return found;
    }
    const replaying = replayLetter({ ...broker, readDead }, seq, { allowSecondPayment: true, jobDeadlineMs: 60_000 });
    await expect(replaying).rejects.toMatchObject({ code: 'letter_not_found' });
  });

  it('is erased by nobody without a key', async () => {
    const answer = await fetch(`${gateway.url}/api/jobs/any`, { method: 'DELETE' });
    expect(answer.status).toBe(401);
  });

  it('may be erased from a page of an allowed origin', async () => {
    const headers = { origin: 'https://app.example', 'access-control-request-method': 'DELETE' };
    const answer = await fetch(`${gateway.url}/api/jobs/any`, { method: 'OPTIONS', headers });
    expect(answer.headers.get('access-control-allow-methods')).toContain('DELETE');
  });
});
