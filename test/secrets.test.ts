/**
 * No secret is seen anywhere, whatever goes wrong, and at the usual level of logging nothing that a job is about: canaries
 * in every secret variable and in addresses, jobs that end in every way that says why, servers that are away, and then a
 * look at all that was written and answered.
 */
import { readFile } from 'node:fs/promises';
import { startWorld, type World } from '@pet-roast/sandbox';
import {
  connectToNats,
  natsForTest,
  redisForTest,
  type ServiceName,
  type System,
  serviceNames,
  spawnService,
  startSystem,
  until,
} from '@pet-roast/testing';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Canary, canaryFor, secretNames, sightings, withPassword, withToken } from './helpers/canaries.ts';

const pet = new URL('../packages/sandbox/assets/pet.jpg', import.meta.url);
const roastSecret = 'CANARYROAST';
const photoSecret = 'canaryphoto';
/** Long enough to be cut by whoever quotes it. */
const hindi = `मेरा कुत्ता "${roastSecret}" बहुत आलसी है, और "${roastSecret}" कोई मज़ाक नहीं है। `.repeat(6);
const english = `My dog ${roastSecret} is so lazy that "fetch" is a rumour to ${roastSecret}. `.repeat(6);
const content: Canary[] = [roastSecret, photoSecret].map((secret) => ({ name: secret, secret, value: secret }));
const json = { 'content-type': 'application/json' };

const variables = new Map<string, Canary>();
const canaries: Canary[] = [];
const seen: { where: string; text: string }[] = [];
let nats: Awaited<ReturnType<typeof natsForTest>>;
let redis: Awaited<ReturnType<typeof redisForTest>>;
let world: World;
let system: System;
let env: Record<string, string>;

const canaryOf = (name: string): Canary => variables.get(name) ?? canaryFor(name);

beforeAll(async () => {
  for (const name of secretNames) variables.set(name, canaryFor(name));
  const extraConfig = `authorization { users: [{ user: admin, password: "${canaryOf('NATS_PASSWORD').value}" }] }`;
  [nats, redis] = await Promise.all([natsForTest({ extraConfig }), redisForTest()]);
  await lockRedis();
  const redisUrl = new URL(redis.url);
  [redisUrl.username, redisUrl.password] = ['default', canaryOf('REDIS_URL').secret];
  variables.set('REDIS_URL', { ...canaryOf('REDIS_URL'), value: redisUrl.href });
  world = await startWorld({
    images: { 'pet.jpg': await readFile(pet) },
    revid: { behaviour: { renderMs: 100, video: 'sample' } },
    keys: {
      revidApiKey: canaryOf('REVID_API_KEY').value,
      bhashiniApiKey: canaryOf('BHASHINI_API_KEY').value,
      indictransApiKey: canaryOf('INDICTRANS_API_KEY').value,
      webhookSecret: canaryOf('BACKEND_WEBHOOK_SECRET').value,
    },
  });
  const asked = ['REVID_BASE_URL', 'BHASHINI_CONFIG_URL', 'INDICTRANS_URL'] as const;
  const addresses = [
    ...asked.map((name) => withPassword(name, world.env[name])),
    withPassword('MODEL_MIRROR', 'http://127.0.0.1:1/models/'),
    withToken('BACKEND_WEBHOOK_URL', world.env.BACKEND_WEBHOOK_URL),
  ];
  canaries.push(...variables.values(), ...addresses);
  env = {
    ...world.env,
    ...Object.fromEntries(canaries.map(({ name, value }) => [name, value])),
    NATS_USER: 'admin',
    MODEL_PATH: process.env['MODEL_PATH'] ?? '',
    ...{ RATE_LIMIT_JOBS_PER_MINUTE: '0', RATE_LIMIT_READS_PER_MINUTE: '0', DETECT_WAIT_MS: '500' },
    ...{ POLL_AFTER_MS: '800', POLL_EVERY_MS: '300', SUBMIT_RETRY_MS: '100', SUBMIT_ATTEMPTS_MAX: '2' },
    ...{ RENDER_DEADLINE_MS: '4000', SUBMIT_TIMEOUT_MS: '1000', IMAGE_FETCH_TIMEOUT_MS: '1000' },
    ...{ WEBHOOK_TIMEOUT_MS: '1000', WEBHOOK_WAITS_MS: '100', CIRCUIT_FAILURES: '1000' },
  };
});
afterAll(async () => {
  await system?.close();
  await world?.close();
  await Promise.all([nats?.close(), redis?.close()]);
});

/** Gives Redis its password; it is in no file, so a Redis that starts again has none. */
async function lockRedis(): Promise<void> {
  const client = new Redis(redis.url);
  await client.config('SET', 'requirepass', canaryOf('REDIS_URL').secret);
  client.disconnect();
}

function start(level: 'info' | 'debug'): Promise<System> {
  return startSystem({
    natsUrl: nats.url,
    redisUrl: canaryOf('REDIS_URL').value,
    env: { ...env, LOG_LEVEL: level },
    onOutput: (name, chunk) => void seen.push({ where: `the output of ${name}`, text: chunk }),
  });
}

type Body = { readonly job_id?: string; readonly stage: string; readonly letters: unknown[] };
type Answer = { readonly status: number; readonly body: Body };

/** Calls the gateway and keeps the answer, but for the one field in which a caller reads its own text again. */
async function call(path: string, init: RequestInit = {}, base = system.gatewayUrl): Promise<Answer> {
  const headers = { authorization: `Bearer ${canaryOf('API_KEYS').secret}`, ...(init.headers as object) };
  const answer = await fetch(base + path, { ...init, headers });
  const text = await answer.text();
  const shown = text.replace(/"translation":\{"text":"(?:[^"\\]|\\.)*"/g, '"translation":{');
  seen.push({ where: `an answer to ${path}`, text: `${JSON.stringify([...answer.headers])} ${shown}` });
  const isJson = answer.headers.get('content-type')?.startsWith('application/json');
  return { status: answer.status, body: (isJson ? JSON.parse(text) : {}) as Body };
}

const photoUrl = (path: string): string => world.images.urlOf(`${path}?is=${photoSecret}`);

const generate = (fields: Record<string, unknown> = {}, headers: Record<string, string> = {}) =>
  call('/api/generate-video', {
    method: 'POST',
    headers: { ...json, ...headers },
    body: JSON.stringify({ text: hindi, image_url: photoUrl('/pet.jpg'), ...fields }),
  });

/** Makes a job and waits until it is over and told; its id, if there is one. */
async function job(fields: Record<string, unknown> = {}): Promise<string | undefined> {
  const { body } = await generate(fields);
  if (body.job_id === undefined) return undefined;
  const stage = async () => (await call(`/api/video-status/${body.job_id}`)).body.stage;
  await until(async () => ['notified', 'undeliverable', 'rejected'].includes(await stage()), {
    ...{ what: `job ${body.job_id} to end`, timeoutMs: 40_000, everyMs: 200 },
  });
  return body.job_id;
}

const admin = (path: string, body?: object, token = canaryOf('ADMIN_TOKEN').secret) =>
  call(`/admin${path}`, {
    ...(body ? { method: 'POST', body: JSON.stringify(body) } : {}),
    headers: { ...json, authorization: `Bearer ${token}` },
  });

/** What somebody may say of a request that he does not like: all that he was sent. */
const quoting = (...sent: readonly string[]) => ({
  error: `no: ${sent.join(' / ')}`,
  detail: sent.map((input) => ({ loc: ['body'], input })),
});

describe('a system whose every secret is a canary', () => {
  beforeAll(async () => {
    system = await start('info');
  });

  it('has one for each secret variable of each service', () => {
    expect(secretNames).toEqual(expect.arrayContaining(['REDIS_URL', 'CALLBACK_SECRET', 'NATS_PASSWORD', 'API_KEYS']));
    expect(secretNames.length).toBeGreaterThanOrEqual(10);
    expect(new Set(canaries.map(({ secret }) => secret)).size).toBe(canaries.length);
  });

  it('does its work with them', async () => {
    const jobId = await job();
    expect((await call(`/api/video-result/${jobId}`)).status).toBe(200);
    expect((await call(`/api/jobs/${jobId}/events`)).status).toBe(200);
    expect((await call('/api/test-backend-connection')).body).toMatchObject({ status: 'success' });
  });

  it('fails with a video service that refuses its jobs, and quotes them, or says nothing', async () => {
    const key = canaryOf('REVID_API_KEY').secret;
    const body = quoting(english, photoUrl('/pet.jpg'), key);
    const said = (contains: string) => `${english}${contains}`;
    const contains = (index: number) => `way-${index}`;
    const ways = [
      ...[401, 422, 500].map((status) => ({ at: 'render', kind: 'http', status, body }) as const),
      { at: 'render', kind: 'http', status: 429, body, times: 2 },
      { at: 'render', kind: 'refused_200', error: body.error },
      { at: 'render', kind: 'reset' },
      { at: 'render', kind: 'hang' },
      { at: 'render', kind: 'behave', behaviour: { result: 'failed', error: body.error.slice(0, 200) } },
      { at: 'render', kind: 'behave', behaviour: { result: 'failed', error: body.error, callback: { none: true } } },
    ] as const;
    ways.forEach((way, index) => void world.revid.pushFaults({ ...way, contains: contains(index) }));
    await Promise.all(ways.map((_way, index) => job({ text: said(contains(index)), source_language: 'en' })));
  });

  it('fails with a translator that refuses the account, or the text, or is not there', async () => {
    const body = quoting(hindi, canaryOf('BHASHINI_API_KEY').secret);
    const ways = [
      ...[400, 403, 422].map((status) => ({ at: 'compute', kind: 'http', status, body }) as const),
      { at: 'compute', kind: 'reset' },
    ] as const;
    ways.forEach((way, index) => void world.bhashini.pushFaults({ ...way, contains: `way-${index}` }));
    await Promise.all(ways.map((_way, index) => job({ text: `way-${index} ${hindi}` })));
  });

  it('fails with photos that are not there, or no photos, or at addresses that are wrong', async () => {
    const paths = ['/missing', '/html', '/empty', '/reset', '/error', '/redirect-loop'];
    const addresses = [
      ...paths.map(photoUrl),
      `http://${photoSecret}.invalid/a.jpg`,
      `http://user:${photoSecret}@127.0.0.1/a.jpg`,
      `http://127.0.0.1:1/${photoSecret}.jpg`,
      photoSecret,
    ];
    await Promise.all(addresses.map((image_url) => job({ image_url })));
  });

  it('fails with a backend that refuses its webhooks, in words of its own, or is not there', async () => {
    const body = `who are ${canaryOf('BACKEND_WEBHOOK_SECRET').secret} and ${env['BACKEND_WEBHOOK_URL']}?`;
    const location = env['BACKEND_WEBHOOK_URL'] ?? '';
    for (const answers of [
      [{ kind: 'http', status: 410, body }],
      [{ kind: 'http', status: 500, body, times: 2 }, { kind: 'reset' }],
      [{ kind: 'hang', ms: 1_500, times: 3 }],
      [{ kind: 'redirect', location }],
    ] as const) {
      world.backend.pushAnswers(...answers);
      await job();
    }
  });

  it('answers calls that are wrong', async () => {
    const post = (path: string, body: string, headers: Record<string, string>, base?: string) =>
      call(path, { method: 'POST', headers, body }, base);
    await generate({ unknown: 1 });
    await post('/api/generate-video', `{"text":"${hindi}`, json);
    await post('/api/generate-video', hindi, { 'content-type': 'text/plain' });
    await generate({}, { authorization: `Bearer x${canaryOf('API_KEYS').secret}` });
    await admin('/dead-letters', undefined, `x${canaryOf('ADMIN_TOKEN').secret}`);
    const [render] = world.revid.renders();
    const { pathname, search } = new URL(String(render?.body['webhookUrl']));
    for (const [query, body] of [
      [search.replace('run=1', 'run=7'), { error: english }],
      [search, { status: 7, error: english }],
      [search, { job_id: roastSecret, error: english }],
    ] as const) {
      const answer = await post(pathname + query, JSON.stringify(body), json, system.bridgeUrl);
      expect(answer.status).toBeGreaterThanOrEqual(400);
    }
  });

  it('buries messages that nobody can read', async () => {
    const connection = await connectToNats(nats.url, { user: 'admin', password: canaryOf('NATS_PASSWORD').value });
    const jetstream = connection.jetstream();
    // As short as what a parser quotes.
    await jetstream.publish('jobs.v1.verdict.unreadable-1', `{"text":${roastSecret}`);
    await jetstream.publish('jobs.v1.render.unreadable-2', JSON.stringify({ kind: 'claimed', data: { text: hindi } }));
    const letters = async () => (await admin('/dead-letters?cause=unreadable')).body.letters;
    await until(async () => JSON.stringify(await letters()).includes('unreadable-2'), { what: 'the dead letters' });
    await connection.close();
  });

  it('shows its dead letters, its numbers and its documents', async () => {
    const { body } = await admin('/dead-letters?limit=500');
    const codes = new Set((body.letters as { code: string }[]).map(({ code }) => code));
    // Each of the ways above has led to where it should.
    for (const code of ['account_refused', 'refused', 'failed', 'outcome_unknown'])
      expect(codes).toContain(`render_${code}`);
    expect(codes).toContain('translation_failed');
    expect(codes).toContain('attempts_exhausted');
    expect(body.letters.length).toBeGreaterThan(15);
    await admin('/dead-letters/replay', { filter: { code: 'render_refused' } });
    const headers = { authorization: `Bearer ${canaryOf('METRICS_TOKEN').secret}` };
    for (const name of serviceNames) {
      const { url } = system.service(name);
      expect((await call('/metrics', { headers }, url)).status).toBe(200);
      await call('/readyz', {}, url);
    }
    for (const path of ['/docs', '/openapi.json']) await call(path);
  });

  it('goes on without Redis, and when that comes back without its password', async () => {
    await redis.kill();
    await job();
    await redis.restart();
    await job();
    await lockRedis();
    await job();
  });

  it('goes on with a Redis that is full', async () => {
    const client = new Redis(canaryOf('REDIS_URL').value);
    await client.config('SET', 'maxmemory', '1');
    await job();
    const told = () => seen.some(({ text }) => text.includes('OOM command not allowed'));
    await until(told, { what: 'the gateway to say so' });
    await client.config('SET', 'maxmemory', '0');
    client.disconnect();
  });

  it('waits for NATS', async () => {
    await nats.kill();
    expect((await generate()).status).toBe(503);
    await call('/readyz');
    await nats.restart();
    const accepted = async () => (await generate()).status === 202;
    await until(accepted, { what: 'jobs to be accepted again', timeoutMs: 30_000 });
  });

  it('stops, and has said nothing of its secrets, of roasts and of photos', async () => {
    await system.close();
    const webhooks = world.backend.deliveries();
    expect(webhooks.length).toBeGreaterThan(20);
    for (const { rawBody, headers } of webhooks) {
      seen.push({ where: 'a webhook', text: `${rawBody} ${JSON.stringify(headers)}` });
    }
    const tokens = world.revid.renders().map(({ body }) => {
      const secret = new URL(String(body['webhookUrl'])).searchParams.get('token') ?? '';
      return { name: 'a callback token', secret, value: secret };
    });
    expect(tokens.length).toBeGreaterThan(5);
    const output = seen.filter(({ where }) => where.startsWith('the output')).map(({ text }) => text);
    expect(output.join('').split('\n').length).toBeGreaterThan(400);
    expect(sightings([...canaries, ...content, ...tokens], seen)).toEqual([]);
  });
});

describe('a system that says as much as it can', () => {
  it('says nothing of its secrets', async () => {
    seen.length = 0;
    system = await start('debug');
    await job();
    const body = quoting(english, photoUrl('/pet.jpg'), canaryOf('REVID_API_KEY').secret);
    world.revid.pushFaults({ at: 'render', kind: 'http', status: 401, body });
    await job();
    await redis.kill();
    await job();
    await system.close();
    await redis.restart();
    expect(seen.length).toBeGreaterThan(20);
    expect(sightings(canaries, seen)).toEqual([]);
  });
});

describe('a service that cannot start', () => {
  /** The end of what it says. */
  async function failing(name: ServiceName, more: Record<string, string>): Promise<string> {
    const addresses = { REDIS_URL: canaryOf('REDIS_URL').value, BRIDGE_PUBLIC_URL: 'http://127.0.0.1:1' };
    const entry = `services/${name}/src/main.ts`;
    const error = await spawnService({ entry, env: { ...env, ...addresses, ...more } }).then(
      (service) => service.stop(),
      (thrown: Error) => thrown,
    );
    if (!(error instanceof Error)) throw new Error(`${name} has started`);
    expect(error.message).toContain('has ended');
    return error.message;
  }

  it.each(serviceNames)('says so without any of its secrets: %s, with variables that are wrong', async (name) => {
    const wrong = secretNames.map((variable) => [variable, `${canaryOf(variable).value} ,:/@`]);
    const text = await failing(name, { ...Object.fromEntries(wrong), JOB_TTL_MS: 'a week' });
    expect(text).toContain('configuration: JOB_TTL_MS');
    expect(sightings(canaries, [{ where: name, text }])).toEqual([]);
  });

  it('says so without any of its secrets where NATS is away, refuses it, or is named with a password', async () => {
    const [password, address] = [canaryFor('NATS_PASSWORD'), withPassword('NATS_URL', nats.url)];
    const texts = [
      await failing('gateway', { NATS_URL: 'nats://127.0.0.1:1', CONNECT_TIMEOUT_MS: '300' }),
      await failing('notifier', {
        ...{ NATS_URL: nats.url, NATS_PASSWORD: password.value, CONNECT_TIMEOUT_MS: '300' },
      }),
      await failing('notifier', { NATS_URL: address.value, CONNECT_TIMEOUT_MS: '300' }),
    ];
    const said = texts.map((text) => ({ where: 'its output', text }));
    expect(sightings([...canaries, password, address], said)).toEqual([]);
  });
});
