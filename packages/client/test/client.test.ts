/** The calls against a stand-in that answers what each test tells it. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  createClient,
  InvalidRequestError,
  isCompleted,
  JobNotFoundError,
  NetworkError,
  NoPetsDetectedError,
  NotReadyError,
  OverloadedError,
  PetRoastError,
  RateLimitedError,
  RenderFailedError,
  TimeoutError,
  UnauthorizedError,
  UnavailableError,
} from '../src/index.ts';
import {
  accepted,
  broken,
  failure,
  html,
  json,
  type StandIn,
  silent,
  startStandIn,
  status,
} from './helpers/stand-in.ts';

const input = { text: 'My dog is lazy.', image_url: 'https://photos.example/1.jpg' };
const generate = '/api/generate-video';
const statusOf1 = '/api/video-status/job-1';
let server: StandIn;

beforeEach(async () => {
  server = await startStandIn();
});
afterEach(() => server[Symbol.asyncDispose]());

function client(options: { timeoutMs?: number; retriesMax?: number; apiKey?: string; baseUrl?: string } = {}) {
  return createClient({ baseUrl: server.url, ...options });
}

describe('a video', () => {
  it('is started with the input as JSON and an Idempotency-Key of its own', async () => {
    server.on(generate, accepted);
    const job = await client().generateVideo(input);
    expect(job).toEqual({ job_id: 'job-1', status: 'queued', stage: 'detected', replayed: false });
    await client().generateVideo({ ...input, target_language: undefined });
    const [first, second] = server.asked;
    expect(first).toMatchObject({ method: 'POST', headers: { 'content-type': 'application/json' } });
    expect(JSON.parse(first?.body ?? '')).toEqual(input);
    expect(JSON.parse(second?.body ?? '')).toEqual(input);
    expect(first?.headers['idempotency-key']).toMatch(/^[0-9a-f-]{36}$/);
    expect(second?.headers['idempotency-key']).not.toBe(first?.headers['idempotency-key']);
  });

  it.each<[string, Blob | Uint8Array]>([
    ['a Blob', new Blob(['the photo'])],
    ['a Buffer', Buffer.from('the photo')],
    ['a Uint8Array of a larger buffer', new TextEncoder().encode('not the photo').subarray(4)],
  ])('is started with the photo itself, as %s, in a form with the other fields as text', async (_what, image) => {
    server.on(generate, broken, accepted);
    const metadata = { user: 42 };
    await client().generateVideo({
      text: input.text,
      image,
      source_language: 'en',
      target_language: undefined,
      metadata,
    });
    expect(server.asked).toHaveLength(2);
    for (const { headers, body } of server.asked) {
      const type = headers['content-type'] ?? '';
      expect(type).toMatch(/^multipart\/form-data; boundary=/);
      expect(headers['idempotency-key']).toBe(server.asked[0]?.headers['idempotency-key']);
      const form = await new Response(body, { headers: { 'content-type': type } }).formData();
      const { image: file, ...texts } = Object.fromEntries(form);
      expect(texts).toEqual({ text: input.text, source_language: 'en', metadata: '{"user":42}' });
      expect(await (file as File).text()).toBe('the photo');
    }
  });

  it('is not asked for with a photo that is neither bytes nor a Blob', async () => {
    for (const image of ['/tmp/photo.jpg', {}, null] as unknown as Blob[]) {
      await expect(client().generateVideo({ text: 'x', image })).rejects.toBeInstanceOf(TypeError);
    }
    expect(server.asked).toHaveLength(0);
  });

  it('is told apart from a replay of one', async () => {
    server.on(
      generate,
      json(202, { job_id: 'job-1', status: 'queued', stage: 'received' }, { 'idempotency-replayed': 'true' }),
    );
    const job = await client().generateVideo(input, { idempotencyKey: 'row-7' });
    expect(job.replayed).toBe(true);
    expect(server.asked[0]?.headers['idempotency-key']).toBe('row-7');
  });

  it.each([
    ['a broken connection', broken],
    ['502 of a proxy', json(502, {})],
    ['503 of the service', failure(503, 'unavailable')],
    ['503 of the service under load', failure(503, 'overloaded', { 'retry-after': '0' })],
    ['504 of a proxy', json(504, {})],
    ['429', json(429, {}, { 'retry-after': '0' })],
    ['429 of the service', failure(429, 'rate_limited', { 'retry-after': '0' })],
    ['429 for the jobs that are open', failure(429, 'too_many_jobs', { 'retry-after': '0' })],
    ['silence', silent],
  ])('is asked for again, under the same key, after %s', async (_what, trouble) => {
    server.on(generate, trouble, accepted);
    const job = await client({ timeoutMs: 400 }).generateVideo(input);
    expect(job.job_id).toBe('job-1');
    const keys = server.asked.map(({ headers }) => headers['idempotency-key']);
    expect(keys).toHaveLength(2);
    expect(new Set(keys).size).toBe(1);
  });

  it.each([
    [400, 'no_pets_detected', NoPetsDetectedError],
    [422, 'invalid_field', InvalidRequestError],
    [422, 'image_unreachable', InvalidRequestError],
    [401, 'unauthorized', UnauthorizedError],
    [418, 'full_moon', PetRoastError],
    [500, 'internal', PetRoastError],
    [502, 'detection_failed', RenderFailedError],
  ])('is asked for once where the answer is %i %s', async (httpStatus, code, Class) => {
    server.on(generate, failure(httpStatus, code, {}, 'text'), accepted);
    const error = await client()
      .generateVideo(input, { idempotencyKey: 'row-7' })
      .catch((e: unknown) => e);
    expect(error).toBeInstanceOf(Class);
    expect(error).toMatchObject({
      code,
      status: httpStatus,
      message: `About ${code}.`,
      suggestion: 'Do better.',
      requestId: 'request-1',
      field: 'text',
      idempotencyKey: 'row-7',
    });
    expect(server.asked).toHaveLength(1);
  });

  it('that could not be started gives the key to try it with later', async () => {
    server.on(generate, broken);
    const error = await client({ retriesMax: 1 })
      .generateVideo(input)
      .catch((e: unknown) => e);
    expect(error).toBeInstanceOf(NetworkError);
    expect(error).toMatchObject({ retryable: true, idempotencyKey: server.asked[0]?.headers['idempotency-key'] });
    expect(server.asked).toHaveLength(2);
  });

  it.each(['', 'with space', 'naïve', 'x'.repeat(256), 'line\n'])('is not asked for with the key %j', async (key) => {
    const error = await client()
      .generateVideo(input, { idempotencyKey: key })
      .catch((e: unknown) => e);
    expect(error).toBeInstanceOf(InvalidRequestError);
    expect(server.asked).toHaveLength(0);
  });
});

describe('a retry', () => {
  it('comes no earlier than Retry-After says', async () => {
    server.on(generate, failure(503, 'overloaded', { 'retry-after': '1' }), accepted);
    await client().generateVideo(input);
    const [first, second] = server.asked;
    expect((second?.atMs ?? 0) - (first?.atMs ?? 0)).toBeGreaterThanOrEqual(990);
  });

  it('is not waited for when Retry-After is longer than the call may take, and the error says when', async () => {
    server.on(generate, failure(503, 'overloaded', { 'retry-after': '120' }));
    const error = await client()
      .generateVideo(input)
      .catch((e: unknown) => e);
    expect(error).toBeInstanceOf(OverloadedError);
    expect(error).toMatchObject({ retryAfterMs: 120_000, retryable: true });
    expect(server.asked).toHaveLength(1);
  });

  it.each([
    ['the service', failure(429, 'too_many_jobs', { 'retry-after': '90' }), 'too_many_jobs'],
    ['a proxy', json(429, {}, { 'retry-after': '90' }), 'rate_limited'],
  ])(
    'is not waited for longer than the call may take after a 429 of %s, and the error says when',
    async (_who, answer, code) => {
      server.on(generate, answer);
      const error = await client()
        .generateVideo(input)
        .catch((e: unknown) => e);
      expect(error).toBeInstanceOf(RateLimitedError);
      expect(error).toMatchObject({ code, status: 429, retryAfterMs: 90_000, retryable: true });
      expect(server.asked).toHaveLength(1);
    },
  );

  it('reads a date in Retry-After', async () => {
    const date = new Date(Date.now() + 200_000).toUTCString();
    server.on(generate, failure(503, 'overloaded', { 'retry-after': date }));
    const error = await client()
      .generateVideo(input)
      .catch((e: unknown) => e);
    expect((error as PetRoastError).retryAfterMs).toBeGreaterThan(190_000);
    expect((error as PetRoastError).retryAfterMs).toBeLessThanOrEqual(200_000);
  });

  it('is made as often as told and no more', async () => {
    server.on(statusOf1, json(503, 'down for maintenance'));
    const error = await client({ retriesMax: 2 })
      .getStatus('job-1')
      .catch((e: unknown) => e);
    expect(error).toBeInstanceOf(UnavailableError);
    expect(server.asked).toHaveLength(3);
  });

  it('is no longer made once twice the time limit is over', async () => {
    server.on(statusOf1, silent);
    const startedAt = performance.now();
    const error = await client({ timeoutMs: 150, retriesMax: 100 })
      .getStatus('job-1')
      .catch((e: unknown) => e);
    expect(error).toBeInstanceOf(TimeoutError);
    expect(performance.now() - startedAt).toBeLessThan(1_000);
  });
});

describe('a job', () => {
  it('that failed is an answer of getStatus', async () => {
    server.on(statusOf1, json(200, status('failed')));
    const job = await client().getStatus('job-1');
    expect(isCompleted(job)).toBe(false);
    expect(job.error?.error).toBe('render_failed');
  });

  it.each([
    [404, 'job_not_found', JobNotFoundError],
    [409, 'result_not_ready', NotReadyError],
    [502, 'render_failed', RenderFailedError],
  ])('without a result answers %i %s, which is final', async (httpStatus, code, Class) => {
    server.on('/api/video-result/job-1', failure(httpStatus, code));
    await expect(client().getResult('job-1')).rejects.toBeInstanceOf(Class);
    expect(server.asked).toHaveLength(1);
  });

  it('has a result', async () => {
    server.on('/api/video-result/job-1', json(200, status('completed')));
    expect((await client().getResult('job-1')).video_url).toBe('https://v.example/1.mp4');
  });

  it('is erased by a DELETE, which is answered with nothing', async () => {
    server.on('/api/jobs/job-1', (response) => void response.writeHead(204).end());
    expect(await client().erase('job-1')).toBeUndefined();
    expect(server.asked.at(-1)).toMatchObject({ method: 'DELETE', url: '/api/jobs/job-1', body: '' });
    server.on('/api/jobs/job-1', failure(409, 'job_not_over'));
    await expect(client().erase('job-1')).rejects.toMatchObject({ code: 'job_not_over', status: 409 });
    server.on('/api/jobs/job-1', html);
    await expect(client().erase('job-1')).rejects.toMatchObject({ code: 'unexpected_answer', status: 200 });
  });

  it('is cancelled by a POST', async () => {
    server.on('/api/jobs/job-1/cancel', json(202, { job_id: 'job-1', status: 'cancelled', stage: 'cancelled' }));
    expect((await client().cancel('job-1')).status).toBe('cancelled');
    expect(server.asked[0]?.method).toBe('POST');
  });

  it.each(['a/b', 'a b', '?x', 'ü'])('has its id %j escaped in addresses', async (id) => {
    await expect(client().getStatus(id)).rejects.toBeInstanceOf(PetRoastError);
    expect(server.asked[0]?.url).toBe(`/api/video-status/${encodeURIComponent(id)}`);
  });

  it.each(['', '.', '..'])('cannot have the id %j', async (id) => {
    const { getStatus, getResult, cancel, erase, waitForVideo } = client();
    for (const ask of [getStatus, getResult, cancel, erase, waitForVideo]) {
      await expect(ask(id)).rejects.toBeInstanceOf(JobNotFoundError);
    }
    expect(server.asked).toHaveLength(0);
  });
});

describe('the connection to the backend', () => {
  it('is reported as the service reports it', async () => {
    const report = { status: 'failed', message: 'The backend refused the test webhook.', response_code: 400 };
    server.on('/api/test-backend-connection', json(200, report));
    expect(await client().testBackendConnection()).toEqual(report);
  });
});

describe('a client', () => {
  it.each(['', '/', '/api', '/api/'])('takes an address that ends with %j', async (end) => {
    server.on(statusOf1, json(200, status('queued')));
    expect((await client({ baseUrl: server.url + end }).getStatus('job-1')).status).toBe('queued');
  });

  it('sends its key as a bearer token, and none when it has none', async () => {
    server.on(statusOf1, json(200, status('queued')));
    await client({ apiKey: 'key-1' }).getStatus('job-1');
    await client().getStatus('job-1');
    expect(server.asked.map(({ headers }) => headers.authorization)).toEqual(['Bearer key-1', undefined]);
  });

  it('refuses a key that cannot be sent', () => {
    expect(() => client({ apiKey: 'key-1\n' })).toThrow(TypeError);
  });

  it.each([
    ['a web page', html],
    ['JSON of another kind', json(200, { hello: 'world' })],
    ['a 404 of another server', json(404, 'Not Found')],
  ])('that gets %s says that the address may be wrong, at once', async (_what, answer) => {
    server.on(statusOf1, answer);
    const error = await client()
      .getStatus('job-1')
      .catch((e: unknown) => e);
    expect(error).toMatchObject({
      name: 'PetRoastError',
      code: 'unexpected_answer',
      suggestion: expect.stringMatching(/baseUrl/),
    });
    expect(server.asked).toHaveLength(1);
  });

  it('follows no redirect, which would lose the body and may take the key elsewhere, and says where it led', async () => {
    server.on(generate, json(301, {}, { location: `${server.url}/elsewhere?secret=1` }));
    const error = await client({ apiKey: 'key-1' })
      .generateVideo(input)
      .catch((e: unknown) => e);
    expect(error).toMatchObject({ code: 'unexpected_answer', status: 301 });
    expect(String(error)).toContain(`${server.url}/elsewhere`);
    expect(String(error)).not.toContain('secret');
    expect(server.asked).toHaveLength(1);
  });

  it('says why it reached nobody', async () => {
    const { url } = server;
    await server[Symbol.asyncDispose]();
    const error = await createClient({ baseUrl: url, retriesMax: 0 })
      .getStatus('job-1')
      .catch((e: unknown) => e);
    expect(error).toBeInstanceOf(NetworkError);
    expect(error).toMatchObject({
      code: 'network_error',
      status: undefined,
      message: expect.stringMatching(/ECONNREFUSED/),
    });
  });

  it('uses the fetch that it is given', async () => {
    const urls: unknown[] = [];
    const given: typeof fetch = async (url) => {
      urls.push(url);
      return Response.json(status('queued'));
    };
    await createClient({ baseUrl: 'https://roast.example/api', fetch: given }).getStatus('job-1');
    expect(urls).toEqual(['https://roast.example/api/video-status/job-1']);
  });

  it('ends a call in time even if its fetch does not listen', async () => {
    const deaf: typeof fetch = () => new Promise(() => {});
    const deafClient = createClient({ baseUrl: 'https://roast.example', fetch: deaf, timeoutMs: 50, retriesMax: 0 });
    await expect(deafClient.getStatus('job-1')).rejects.toBeInstanceOf(TimeoutError);
  });
});

describe('an AbortSignal', () => {
  const reason = new Error('The user has left.');

  it.each([
    ['before the call', async (abort: () => void) => abort()],
    ['while the service is silent', async (abort: () => void) => void server.on(statusOf1, () => abort())],
    [
      'between two attempts',
      async (abort: () => void) =>
        server.on(statusOf1, (response, asked) => {
          failure(503, 'unavailable', { 'retry-after': '20' })(response, asked);
          setTimeout(abort, 50);
        }),
    ],
    [
      'in the middle of the body',
      async (abort: () => void) =>
        server.on(statusOf1, (response) => {
          response.writeHead(200, { 'content-type': 'application/json' }).write('{"job_id":');
          setTimeout(abort, 50);
        }),
    ],
  ])('ends a call with its own reason %s', async (_when, arrange) => {
    const controller = new AbortController();
    await arrange(() => controller.abort(reason));
    const { signal } = controller;
    const startedAt = performance.now();
    await expect(client().getStatus('job-1', { signal })).rejects.toBe(reason);
    expect(server.asked.length).toBeLessThanOrEqual(1);
    expect(performance.now() - startedAt).toBeLessThan(5_000);
  });

  it('is listened to by every call', async () => {
    const signal = AbortSignal.abort(reason);
    const c = client();
    await expect(c.generateVideo(input, { signal })).rejects.toBe(reason);
    await expect(c.getResult('job-1', { signal })).rejects.toBe(reason);
    await expect(c.waitForVideo('job-1', { signal })).rejects.toBe(reason);
    await expect(c.cancel('job-1', { signal })).rejects.toBe(reason);
    await expect(c.testBackendConnection({ signal })).rejects.toBe(reason);
    expect(server.asked).toHaveLength(0);
  });
});
