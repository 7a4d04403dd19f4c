/** Callers and their keys: who gets in, with what, and whose jobs they see. */
import { createEvent, envelopeSchema, isKind } from '@pet-roast/shared';
import { type RunningService, spawnService, until } from '@pet-roast/testing';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { examples } from '../../../packages/shared/test/examples.ts';
import { operations } from '../src/openapi/document.ts';
import { jobIdOf } from '../src/request-to-received.ts';
import { expectDocumented } from './helpers/documented.ts';
import { codeOf, finish, generate, type KeyedTest, keyedTest, newJob, roast, secrets, send } from './helpers/keyed.ts';

const entry = 'services/gateway/src/main.ts';
const adminToken = 'an-admin-token-for-tests';
const exampleId = '3f2c8a54-9d1e-4b7a-8c6f-0e5d4a3b2c1d';
let test: KeyedTest;
let gateway: RunningService;

beforeAll(async () => {
  test = await keyedTest();
  gateway = await test.gateway({ ADMIN_TOKEN: adminToken });
});
afterAll(async () => {
  await gateway?.stop();
  await test?.[Symbol.asyncDispose]();
});

const callers = operations.filter(({ access }) => access === 'caller');
const aboutOneJob = callers.filter(({ path }) => path.includes('{id}'));
const ask = (
  { method, path }: (typeof operations)[number],
  secret: string | undefined,
  { jobId = exampleId, headers = {} }: { jobId?: string; headers?: Record<string, string> } = {},
) =>
  send(gateway, secret, path.replace('{id}', jobId), {
    method: method.toUpperCase(),
    ...(method === 'post' && path === '/api/generate-video' ? { body: roast } : {}),
    headers,
  });

describe('a request', () => {
  it.each(callers)('without a key is refused as documented: $method $path', async (operation) => {
    const answer = await ask(operation, undefined);
    expect(answer.status).toBe(401);
    const method = operation.method.toUpperCase() as 'GET' | 'POST';
    const body = await expectDocumented(method, operation.path, answer);
    expect(body).toMatchObject({ detail: { error: 'unauthorized' } });
  });

  it('needs none for what is open', async () => {
    for (const path of ['/healthz', '/readyz', '/docs', '/openapi.json']) {
      expect((await send(gateway, undefined, path)).status, path).toBe(200);
    }
  });

  it('needs one to hear that something is there, too', async () => {
    const answer = await send(gateway, undefined, `/api/video-status/${exampleId}`, { method: 'HEAD' });
    expect(answer.status).toBe(401);
  });

  it('covers every route under /api, and no other', () => {
    const paths = operations.filter(({ path }) => path.startsWith('/api/')).map(({ id }) => id);
    expect(callers.map(({ id }) => id)).toEqual(paths);
  });

  it.each([
    ['as a bearer token', { authorization: `Bearer ${secrets.alice}` }],
    ['with the scheme in another case', { authorization: `bearer ${secrets.alice}` }],
    ['in a header of its own', { 'x-api-key': secrets.alice }],
    ['in its own header, whatever a proxy authorizes', { 'x-api-key': secrets.alice, authorization: 'Basic eDp5' }],
  ])('gets in with a key %s', async (_how, headers) => {
    expect((await send(gateway, undefined, '/api/test-backend-connection', { headers })).status).toBe(200);
  });

  it.each([
    ['that is wrong', { authorization: `Bearer ${'x'.repeat(30)}` }],
    ['that is empty', { 'x-api-key': '' }],
    ['that is an empty bearer token', { authorization: 'Bearer ' }],
    ['that is the beginning of one', { authorization: `Bearer ${secrets.alice.slice(0, -1)}` }],
    ['that begins with one', { authorization: `Bearer ${secrets.alice}x` }],
    ['in another case', { authorization: `Bearer ${secrets.alice.toUpperCase()}` }],
    ['with its name', { authorization: `Bearer alice:${secrets.alice}` }],
    ['of 10 kB', { 'x-api-key': 'k'.repeat(10_000) }],
    ['of another scheme', { authorization: `Basic ${btoa(`alice:${secrets.alice}`)}` }],
    ['sent twice', { 'x-api-key': `${secrets.alice}, ${secrets.alice}` }],
    ['of the operator', { authorization: `Bearer ${adminToken}` }],
  ])('is refused with a key %s', async (_how, headers) => {
    const path = '/api/test-backend-connection';
    const answer = await send(gateway, undefined, path, { headers });
    expect(answer.status).toBe(401);
    await expectDocumented('GET', path, answer);
  });

  it('is refused where its key is in the address', async () => {
    expect((await send(gateway, undefined, `/api/test-backend-connection?api_key=${secrets.alice}`)).status).toBe(401);
  });

  it('of a browser may ask first what it may send', async () => {
    await using open = await test.gateway({ CORS_ORIGINS: 'https://app.example' });
    const asked = await send(open, undefined, '/api/generate-video', {
      method: 'OPTIONS',
      headers: {
        origin: 'https://app.example',
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'x-api-key',
      },
    });
    expect([asked.status, asked.headers.get('access-control-allow-headers')]).toEqual([204, 'x-api-key']);
  });
});

describe('/admin', () => {
  it('is not opened by an API key, in either header', async () => {
    for (const headers of [{ authorization: `Bearer ${secrets.alice}` }, { 'x-api-key': secrets.alice }] as const) {
      const answer = await send(gateway, undefined, '/admin/dead-letters', { headers: { ...headers } });
      expect(answer.status).toBe(401);
      await expectDocumented('GET', '/admin/dead-letters', answer);
    }
    expect((await send(gateway, adminToken, '/admin/dead-letters')).status).toBe(200);
  });
});

describe('a job', () => {
  it.each(aboutOneJob)('looks to another caller as if it were not there: $method $path', async (operation) => {
    const jobId = await newJob(gateway, secrets.alice);
    const [foreign, unknown] = await Promise.all([
      ask(operation, secrets.bob, { jobId }),
      ask(operation, secrets.bob, { jobId: crypto.randomUUID() }),
    ]);
    expect([foreign.status, unknown.status]).toEqual([404, 404]);
    const { request_id: _one, ...told } = (await foreign.json()) as Record<string, unknown>;
    const { request_id: _other, ...toldOfNone } = (await unknown.json()) as Record<string, unknown>;
    expect(told).toEqual(toldOfNone);
    // Nothing was done to it.
    const status = await send(gateway, secrets.alice, `/api/video-status/${jobId}`);
    expect(await status.json()).toMatchObject({ job_id: jobId, status: 'queued' });
  });

  it('is its owner’s alone when it is over and Redis answers for it', async () => {
    const jobId = await newJob(gateway, secrets.alice);
    await finish(test.broker, jobId);
    await test.broker.publish(createEvent('notified', jobId, { attempt: 1, response_status: 200 }), 0);
    const read = (secret: string, path: string) => send(gateway, secret, `${path}/${jobId}`);
    const redis = new Redis(test.redis.url);
    await until(async () => (await redis.hexists(`pet_roast:job:${jobId}`, 'notified')) === 1, { what: 'Redis' });
    redis.disconnect();
    for (const path of ['/api/video-status', '/api/video-result']) {
      expect((await read(secrets.alice, path)).status, path).toBe(200);
      expect(await codeOf(await read(secrets.bob, path)), path).toBe('job_not_found');
    }
    expect((await send(gateway, secrets.bob, `/api/video-status/${jobId}?wait=5`)).status).toBe(404);
  });

  it('that was made without keys is seen by every caller', async () => {
    const jobId = crypto.randomUUID();
    await test.broker.publish({ ...examples.received, id: `${jobId}:received`, job_id: jobId }, 0);
    for (const secret of [secrets.alice, secrets.bob]) {
      expect((await send(gateway, secret, `/api/video-status/${jobId}`)).status).toBe(200);
    }
  });

  it('does not tell its owner’s name in its status', async () => {
    const jobId = await newJob(gateway, secrets.alice);
    const received = await test.broker.readReceived(jobId);
    expect(isKind(received, 'received') && received.data.owner).toBe('alice');
    expect(await (await send(gateway, secrets.alice, `/api/video-status/${jobId}`)).text()).not.toContain('alice');
  });
});

describe('an Idempotency-Key', () => {
  it('belongs to its caller: the same one of two callers is two jobs', async () => {
    const [alice, bob] = await Promise.all([
      newJob(gateway, secrets.alice, 'row-1'),
      newJob(gateway, secrets.bob, 'row-1'),
    ]);
    expect(alice).not.toBe(bob);
    const again = await generate(gateway, secrets.alice, 'row-1');
    expect(again.headers.get('idempotency-replayed')).toBe('true');
    expect(((await again.json()) as { job_id: string }).job_id).toBe(alice);
    expect((await send(gateway, secrets.bob, `/api/video-status/${alice}`)).status).toBe(404);
  });

  it('names the job that it always named where there are no keys', () => {
    expect(jobIdOf('key-1')).toBe('41aa12ad-9ece-88d7-a6c0-7988152ddc57');
  });

  it('names another job for every pair of caller and key, and always an id that events may have', () => {
    const pairs = ['a', 'b', 'a:b', 'b:idempotency-key:a'].flatMap((key) =>
      [undefined, 'a', 'b', 'a-b'].map((name) => jobIdOf(key, name)),
    );
    expect(new Set(pairs).size).toBe(pairs.length);
    for (const id of pairs) expect(() => envelopeSchema.shape.job_id.parse(id)).not.toThrow();
  });
});

describe('a key', () => {
  it('is changed without a gap: the old one, both, the new one, and the jobs stay', async () => {
    const [old, fresh] = ['the-old-secret-0123456789', 'the-new-secret-0123456789'];
    const jobOf = async (service: RunningService, secret: string, jobId: string) =>
      (await send(service, secret, `/api/video-status/${jobId}`)).status;

    await using before = await test.gateway({ API_KEYS: `backend:${old}` });
    const jobId = await newJob(before, old, 'row-2');
    await using during = await test.gateway({ API_KEYS: `backend:${old}, backend:${fresh}` });
    expect([await jobOf(before, old, jobId), await jobOf(during, old, jobId)]).toEqual([200, 200]);
    expect([await jobOf(before, fresh, jobId), await jobOf(during, fresh, jobId)]).toEqual([401, 200]);
    await using after = await test.gateway({ API_KEYS: `backend:${fresh}` });
    expect([await jobOf(after, old, jobId), await jobOf(after, fresh, jobId)]).toEqual([401, 200]);
    expect(await newJob(after, fresh, 'row-2')).toBe(jobId);
  });
});

describe('a gateway', () => {
  const start = (env: Record<string, string>) =>
    spawnService({ entry, env: { NATS_URL: test.nats.url, REDIS_URL: test.redis.url, ...env } });

  it('does not start without keys outside the sandbox, and says what to do', async () => {
    await expect(start({})).rejects.toThrow(/exit code 1[\s\S]*configuration: API_KEYS is missing: .*name:secret/);
    await expect(start({ API_KEYS: '' })).rejects.toThrow(/API_KEYS is missing/);
  });

  it('does not start with a language that there is none of', async () => {
    await expect(start({ SANDBOX: 'true', TARGET_LANGUAGE: 'english' })).rejects.toThrow(
      /TARGET_LANGUAGE is not valid/,
    );
  });

  it('does not start with an address for photos, or for browsers, that cannot be meant', async () => {
    const photos = { API_KEYS: `a:${'s'.repeat(30)}`, PHOTO_URL_SECRET: 's'.repeat(30) };
    const plain = start({ ...photos, GATEWAY_PUBLIC_URL: 'http://gateway.example' });
    await expect(plain).rejects.toThrow(/GATEWAY_PUBLIC_URL has to begin with https/);
    const noScheme = start({ ...photos, GATEWAY_PUBLIC_URL: 'gateway.example:8000' });
    await expect(noScheme).rejects.toThrow(/GATEWAY_PUBLIC_URL is not valid/);
    const path = start({ SANDBOX: 'true', CORS_ORIGINS: 'https://app.example/' });
    await expect(path).rejects.toThrow(/CORS_ORIGINS is not valid/);
  });

  it('does not start with keys that are none, names the wrong one, and shows none', async () => {
    const keys = `alice:${'s'.repeat(30)},bob:${'s'.repeat(23)}`;
    const error = await start({ API_KEYS: keys }).catch((e: unknown) => e as Error);
    expect(String(error)).toMatch(/configuration: API_KEYS is not valid: entry 2: the secret must have at least 24/);
    expect(String(error)).not.toMatch(/s{20}/);
  });

  it('is open in the sandbox without keys, and asks for them there too where it has some', async () => {
    await using open = await start({ SANDBOX: 'true', DETECT_WAIT_MS: '50' });
    await open.ready();
    const jobId = await newJob(open, undefined);
    expect((await send(open, undefined, `/api/video-status/${jobId}`)).status).toBe(200);
    expect((await send(open, 'any-key-at-all', `/api/video-status/${jobId}`)).status).toBe(200);
    await using keyed = await test.gateway({ SANDBOX: 'true' });
    expect((await send(keyed, undefined, `/api/video-status/${jobId}`)).status).toBe(401);
  });

  it('writes no secret anywhere, and of each key the beginning of its hash', async () => {
    const canaries = ['canary-one-0123456789abcdef', 'canary-two-0123456789abcdef', 'canary-wrong-0123456789abcdef'];
    const [one = '', two = '', wrong = ''] = canaries;
    await using service = await test.gateway({ LOG_LEVEL: 'debug', API_KEYS: `alice:${one},bob:${two}` });
    const jobId = await newJob(service, one);
    const answers = await Promise.all([
      send(service, wrong, '/api/test-backend-connection'),
      send(service, undefined, '/api/test-backend-connection', { headers: { 'x-api-key': wrong } }),
      send(service, two, `/api/video-status/${jobId}`),
      send(service, two, '/api/generate-video', { body: { text: '' } }),
      send(service, one, '/admin/dead-letters'),
    ]);
    for (const answer of answers) expect(await answer.text()).not.toMatch(/canary/);
    await service.stop();
    expect(service.output()).toMatch(/"api_keys":\[\{"name":"alice","key":"[0-9a-f]{8}"\},\{"name":"bob"/);
    expect(service.output()).toMatch(/"key":"[0-9a-f]{8}","msg":"a key that nobody has was refused"/);
    expect(service.output()).not.toMatch(/canary/);
  });
});
