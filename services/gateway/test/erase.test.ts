/** Whose jobs a caller may erase, against the gateway as its own process. */
import { type Broker, subjectOf } from '@pet-roast/shared';
import { brokerForTest, natsForTest, type RunningService, redisForTest, spawnService } from '@pet-roast/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const keys = { app: 'a-secret-of-the-app-0123456789', shop: 'a-secret-of-the-shop-012345678' };
let nats: Awaited<ReturnType<typeof natsForTest>>;
let redis: Awaited<ReturnType<typeof redisForTest>>;
let gateway: RunningService;
let broker: Broker;

beforeAll(async () => {
  [nats, redis] = await Promise.all([natsForTest(), redisForTest()]);
  const API_KEYS = Object.entries(keys)
    .map(([name, secret]) => `${name}:${secret}`)
    .join(',');
  const env = { NATS_URL: nats.url, REDIS_URL: redis.url, DETECT_WAIT_MS: '100', API_KEYS };
  gateway = await spawnService({ entry: 'services/gateway/src/main.ts', env });
  broker = await brokerForTest(nats.url);
  await gateway.ready();
});
afterAll(async () => {
  await broker?.close();
  await gateway?.stop();
  await Promise.all([nats?.close(), redis?.close()]);
});

type Answer = { readonly status: number; readonly jobId: string; readonly code: string | undefined };

async function call(caller: keyof typeof keys, method: string, path: string, body?: object): Promise<Answer> {
  const answer = await fetch(gateway.url + path, {
    method,
    headers: {
      authorization: `Bearer ${keys[caller]}`,
      ...(body ? { 'content-type': 'application/json', 'idempotency-key': 'row-1' } : {}),
    },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  const text = await answer.text();
  const json = (text === '' ? {} : JSON.parse(text)) as { job_id?: string; detail?: { error: string } };
  return { status: answer.status, jobId: json.job_id ?? '', code: json.detail?.error };
}

describe('a job', () => {
  it('is erased by its owner alone, and looks like none to others, before and after', async () => {
    const request = { text: 'My dog is lazy.', image_url: 'https://photos.example/1.jpg' };
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
