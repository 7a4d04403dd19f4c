/** The OpenAPI document: valid, complete, and true of what the gateway, as its own process, answers. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type Broker, createEvent, createHttp, createLog, errorCatalogue, type JobView } from '@pet-roast/shared';
import { brokerForTest, natsForTest, type RunningService, redisForTest, spawnService, until } from '@pet-roast/testing';
import { Validator } from '@seriousme/openapi-schema-validator';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { z } from 'zod';
import type * as client from '../../../packages/client/src/types.ts';
import { examples } from '../../../packages/shared/test/examples.ts';
import { type WebhookBody, webhookBody } from '../../notifier/src/core/webhook.ts';
import type { ConnectionReport } from '../../notifier/src/routes/test-backend-connection.ts';
import { type GatewayDeps, registerRoutes } from '../src/app.ts';
import { openApiDocument, operations } from '../src/openapi/document.ts';
import { failureOf } from '../src/openapi/operation.ts';
import type { acceptedSchema, connectionReportSchema, jobSchema, webhookSchema } from '../src/openapi/schemas.ts';
import { requestSchema } from '../src/request-to-received.ts';
import { expectDocumented, expectValid, type Method, operationsOfDocument } from './helpers/documented.ts';

const adminToken = 'a-token-of-this-test';
const valid = { text: 'My dog is lazy.', image_url: 'https://photos.example/1.jpg' };
let nats: Awaited<ReturnType<typeof natsForTest>>;
let redis: Awaited<ReturnType<typeof redisForTest>>;
let gateway: RunningService;
let broker: Broker;
let detector: { stop(): Promise<void> };

beforeAll(async () => {
  [nats, redis] = await Promise.all([natsForTest(), redisForTest()]);
  gateway = await spawnGateway();
  await gateway.ready();
  broker = await brokerForTest(nats.url);
  // The detector of this test does what the request's metadata says.
  detector = await broker.follow('received', (event) => {
    const { metadata } = event.data as { metadata?: { verdict?: keyof typeof errorCatalogue | 'pet' } };
    const verdict = metadata?.verdict;
    if (verdict === undefined) return;
    const said =
      verdict === 'pet'
        ? createEvent('detected', event.job_id, { ...examples.detected.data, late: false })
        : createEvent('rejected', event.job_id, { code: verdict, late: false });
    void broker.publish(said, 0);
  });
});
afterAll(async () => {
  await detector?.stop();
  await broker?.close();
  await gateway?.stop();
  await Promise.all([nats?.close(), redis?.close()]);
});

describe('the document', () => {
  it('is valid OpenAPI 3.1', async () => {
    const validator = new Validator();
    expect(await validator.validate(structuredClone(openApiDocument) as never)).toEqual({ valid: true });
    expect(validator.version).toBe('3.1');
  });

  it('has every route of the gateway, and no other', async () => {
    const { app } = createHttp({ log: createLog('test', 'silent') });
    const limits = { jobs: { perMinute: 0 }, reads: { perMinute: 0 } };
    await registerRoutes(app, { corsOrigins: [], limits } as unknown as GatewayDeps);
    await app.ready();
    const documented = Object.entries(openApiDocument.paths).flatMap(([path, item]) =>
      Object.keys(item).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(routesOf(app.printRoutes({ commonPrefix: false })).toSorted()).toEqual(documented.toSorted());
    await app.close();
  });

  it('has an example for every answer and every body, and each is as its schema says', () => {
    let checked = 0;
    for (const { place, operation } of operationsOfDocument()) {
      for (const [index, parameter] of (operation.parameters ?? []).entries()) {
        if (parameter.example === undefined) continue;
        expectValid([...place, 'parameters', String(index), 'schema'], parameter.example);
      }
      const contents = [
        ...(operation.requestBody ? [{ at: ['requestBody'], content: operation.requestBody.content }] : []),
        ...Object.entries(operation.responses).map(([status, { content = {} }]) => ({
          at: ['responses', status],
          content,
        })),
      ];
      for (const { at, content } of contents) {
        for (const [type, { examples: all }] of Object.entries(content)) {
          expect(Object.keys(all), [...place, ...at].join(' ')).not.toEqual([]);
          for (const { value } of Object.values(all)) {
            expectValid([...place, ...at, 'content', type, 'schema'], value);
            checked++;
          }
        }
      }
    }
    expect(checked).toBeGreaterThan(70);
  });

  it('has request examples that the gateway itself accepts', () => {
    const all = openApiDocument.paths['/api/generate-video']?.['post']?.requestBody?.content['application/json'];
    for (const { value } of Object.values(all?.examples ?? {})) requestSchema.parse(value);
  });

  it('names every code of the catalogue, under the catalogue’s status wherever a request itself is at fault', () => {
    const failures = operations.flatMap((operation) => operation.errors.map(failureOf));
    const named = new Set(failures.map(({ code }) => code));
    expect(Object.keys(errorCatalogue).filter((code) => !named.has(code as 'internal'))).toEqual([]);
    for (const { code, status } of failures) expect([errorCatalogue[code].http, 502], code).toContain(status);
  });

  it('describes the webhooks that the notifier sends', () => {
    for (const kind of ['rendered', 'failed', 'cancelled'] as const) {
      const body = webhookBody({ ...examples[kind], seq: 1 });
      expectValid(
        ['webhooks', 'pet-roast-complete', 'post', 'requestBody', 'content', 'application/json', 'schema'],
        JSON.parse(JSON.stringify(body)),
      );
    }
  });

  it('has the version of the package', () => {
    const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
      version: string;
    };
    expect(openApiDocument.info.version).toBe(version);
  });

  it('has the types that the code, the client and the notifier have', () => {
    // The compiler is what checks this: a difference does not compile.
    const same: [
      Same<z.infer<typeof jobSchema>, JobView>,
      Same<z.infer<typeof connectionReportSchema>, WithoutUndefined<client.ConnectionReport>>,
      Same<Omit<client.StartedJob, 'replayed' | 'stage'>, Omit<z.infer<typeof acceptedSchema>, 'stage'>>,
    ] = [true, true, true];
    const within: [
      Within<ConnectionReport, z.infer<typeof connectionReportSchema>>,
      Within<client.JobStatus, z.infer<typeof jobSchema>>,
      Within<z.infer<typeof webhookSchema>, WebhookBody>,
    ] = [true, true, true];
    expect([...same, ...within]).not.toContain(false);
  });
});

describe('the page', () => {
  it('shows every operation and schema, and loads nothing and runs nothing', async () => {
    const answer = await fetch(`${gateway.url}/docs`);
    const policy = answer.headers.get('content-security-policy') ?? '';
    const html = (await expectDocumented('GET', '/docs', answer)) as string;
    for (const { operation } of operationsOfDocument()) expect(html).toContain(`id="${operation.operationId}"`);
    for (const name of Object.keys(openApiDocument.components.schemas)) expect(html).toContain(`id="schema-${name}"`);
    for (const [, target = ''] of html.matchAll(/href="#([^"]+)"/g)) expect(html).toContain(`id="${target}"`);
    expect(html).not.toMatch(/<script|<img|<link|<iframe|\ssrc=|\sstyle=|url\(|@import/);
    expect(policy).toContain("default-src 'none'");
    const style = /<style>([\s\S]*)<\/style>/.exec(html)?.[1] ?? '';
    expect(policy).toContain(`'sha256-${createHash('sha256').update(style).digest('base64')}'`);
  });

  it('comes from the document that is served', async () => {
    const served = await expectDocumented('GET', '/openapi.json', await fetch(`${gateway.url}/openapi.json`));
    expect(served).toEqual(JSON.parse(JSON.stringify(openApiDocument)));
  });
});

describe('an answer is as documented', () => {
  it.each([
    ['with a pet', { ...valid, metadata: { verdict: 'pet' } }, 202, undefined],
    ['whose verdict is late', valid, 202, undefined],
    ['without a pet', { ...valid, metadata: { verdict: 'no_pets_detected' } }, 400, 'no_pets_detected'],
    ['whose image is away', { ...valid, metadata: { verdict: 'image_unreachable' } }, 422, 'image_unreachable'],
    ['without a text', { image_url: valid.image_url }, 422, 'invalid_field'],
    ['in no known language', { ...valid, source_language: 'xx' }, 422, 'language_not_supported'],
    ['that is a list', [], 400, 'bad_request'],
    ['that is too long', { ...valid, text: 'x'.repeat(70_000) }, 413, 'body_too_large'],
  ])('to a request %s', async (_what, body, status, code) => {
    await expectAnswer(await post('/api/generate-video', body), 'POST', '/api/generate-video', status, code);
  });

  it('to a request of another type, with a bad key, with a used key, and to its repeat', async () => {
    const form = await post('/api/generate-video', 'text=x', { 'content-type': 'application/x-www-form-urlencoded' });
    await expectAnswer(form, 'POST', '/api/generate-video', 415, 'unsupported_media_type');
    const bad = await post('/api/generate-video', valid, { 'idempotency-key': 'with space' });
    await expectAnswer(bad, 'POST', '/api/generate-video', 422, 'idempotency_key_invalid');
    const headers = { 'idempotency-key': 'once' };
    const first = await post('/api/generate-video', valid, headers);
    expect(first.headers.get('location')).toMatch(/^\/api\/video-status\//);
    await expectAnswer(first, 'POST', '/api/generate-video', 202);
    const repeat = await post('/api/generate-video', valid, headers);
    expect(repeat.headers.get('idempotency-replayed')).toBe('true');
    await expectAnswer(repeat, 'POST', '/api/generate-video', 202);
    const other = await post('/api/generate-video', { ...valid, text: 'Another' }, headers);
    await expectAnswer(other, 'POST', '/api/generate-video', 422, 'idempotency_key_reused');
  });

  it('to a status at every stage, and to one of nobody', async () => {
    const [status, result] = ['/api/video-status/{id}', '/api/video-result/{id}'] as const;
    const jobId = await newJob();
    const read = async (path: string, id = jobId) => get(path.replace('{id}', id));
    await expectAnswer(await read(status), 'GET', status, 200);
    await expectAnswer(await read(result), 'GET', result, 409, 'result_not_ready');
    const way = [
      createEvent('translated', jobId, examples.translated.data),
      createEvent('rendering', jobId, examples.rendering.data),
      createEvent('rendered', jobId, examples.rendered.data),
    ];
    for (const event of way) {
      await broker.publish(event, 0);
      await expectAnswer(await read(status), 'GET', status, 200);
    }
    await expectAnswer(await read(result), 'GET', result, 200);

    const failed = await newJob();
    await broker.publish(createEvent('failed', failed, examples.failed.data), 0);
    await expectAnswer(await read(status, failed), 'GET', status, 200);
    await expectAnswer(await read(result, failed), 'GET', result, 502, 'render_failed');

    await expectAnswer(await read(status, 'nobody'), 'GET', status, 404, 'job_not_found');
    await expectAnswer(await read(result, 'nobody'), 'GET', result, 404, 'job_not_found');
    await expectAnswer(await get(`/api/video-status/${jobId}?wait=31`), 'GET', status, 422, 'invalid_field');
  });

  it('to a cancel, a cancel of what is over, of nobody, and with a body of another type', async () => {
    const path = '/api/jobs/{id}/cancel';
    const jobId = await newJob();
    const cancel = (id: string) => fetch(`${gateway.url}/api/jobs/${id}/cancel`, { method: 'POST' });
    await expectAnswer(await cancel(jobId), 'POST', path, 202);
    await expectAnswer(await get(`/api/video-status/${jobId}`), 'GET', '/api/video-status/{id}', 200);
    await expectAnswer(await get(`/api/video-result/${jobId}`), 'GET', '/api/video-result/{id}', 409, 'cancelled');
    const over = await newJob();
    await broker.publish(createEvent('failed', over, examples.failed.data), 0);
    await expectAnswer(await cancel(over), 'POST', path, 409, 'job_already_over');
    await expectAnswer(await cancel('nobody'), 'POST', path, 404, 'job_not_found');
    const typed = await post(`/api/jobs/${jobId}/cancel`, '<x/>', { 'content-type': 'text/xml' });
    await expectAnswer(typed, 'POST', path, 415, 'unsupported_media_type');
  });

  it('to an erasing, of what is over, of what is not, of nobody, and to what comes after it', async () => {
    const path = '/api/jobs/{id}';
    const erase = (id: string) => fetch(`${gateway.url}/api/jobs/${id}`, { method: 'DELETE' });
    const request = { ...valid, metadata: { verdict: 'pet' } };
    const headers = { 'idempotency-key': 'to-be-erased' };
    const { job_id: jobId } = (await (await post('/api/generate-video', request, headers)).json()) as JobView;
    await expectAnswer(await erase(jobId), 'DELETE', path, 409, 'job_not_over');
    await broker.publish(createEvent('failed', jobId, examples.failed.data), 0);
    await expectAnswer(await erase(jobId), 'DELETE', path, 204);
    await expectAnswer(await erase('nobody'), 'DELETE', path, 404, 'job_not_found');
    const status = '/api/video-status/{id}';
    await expectAnswer(await get(`/api/video-status/${jobId}`), 'GET', status, 404, 'job_not_found');
    const again = await post('/api/generate-video', request, headers);
    await expectAnswer(again, 'POST', '/api/generate-video', 410, 'job_erased');
  });

  it('as a stream, whose events hold what a status holds', async () => {
    const path = '/api/jobs/{id}/events';
    const jobId = await newJob();
    await broker.publish(createEvent('rendered', jobId, examples.rendered.data), 0);
    await broker.publish(createEvent('notified', jobId, examples.notified.data), 0);
    const text = (await expectDocumented('GET', path, await get(`/api/jobs/${jobId}/events`))) as string;
    const data = [...text.matchAll(/^data: (.*)$/gm)].map(([, json = '']) => JSON.parse(json) as JobView);
    expect(data.at(-1)).toMatchObject({ stage: 'notified' });
    for (const view of data) expectValid(['components', 'schemas', 'Job'], view);
    await expectAnswer(await get('/api/jobs/nobody/events'), 'GET', path, 404, 'job_not_found');
  });

  it('to an operator, and to who is none', async () => {
    const [list, one, many] = [
      '/admin/dead-letters',
      '/admin/dead-letters/{id}/replay',
      '/admin/dead-letters/replay',
    ] as const;
    await expectAnswer(await get(list), 'GET', list, 401, 'unauthorized');
    await expectAnswer(await post(many, {}), 'POST', many, 401, 'unauthorized');
    await expectAnswer(await post(one.replace('{id}', '1'), {}), 'POST', one, 401, 'unauthorized');
    const headers = { authorization: `Bearer ${adminToken}` };
    const letters = await Promise.all([deadLetter(), deadLetter(), deadLetter('no-such-job')]);
    expect(await expectAnswer(await get(list, headers), 'GET', list, 200)).toMatchObject({
      letters: [{ job_id: expect.any(String) }, {}, {}],
    });
    const paged = await expectAnswer(await get(`${list}?limit=1`, headers), 'GET', list, 200);
    expect(paged).toMatchObject({ next: expect.any(Number) });
    await expectAnswer(await get(`${list}?limit=0`, headers), 'GET', list, 422, 'invalid_field');
    const replay = (id: unknown) => post(one.replace('{id}', String(id)), {}, headers);
    await expectAnswer(await replay(letters[0]), 'POST', one, 200);
    await expectAnswer(await replay(999_999), 'POST', one, 404, 'letter_not_found');
    await expectAnswer(await replay(letters[2]), 'POST', one, 409, 'not_replayable');
    const wrong = await post(many, { all: true }, headers);
    await expectAnswer(wrong, 'POST', many, 422, 'invalid_field');
    const nothing = await fetch(gateway.url + many, { method: 'POST', headers, body: '' });
    await expectAnswer(nothing, 'POST', many, 422, 'invalid_field');
    expect(await expectAnswer(await post(many, {}, headers), 'POST', many, 200)).toMatchObject({
      replayed: [{ id: letters[1] }],
      refused: [{ id: letters[2], error: 'not_replayable' }],
    });
  });

  it('to a connection test without a notifier, with one, and with one that is away', async () => {
    const path = '/api/test-backend-connection';
    expect(await expectAnswer(await get(path), 'GET', path, 200)).toMatchObject({ status: 'not_configured' });
    await using notifier = await spawnService({
      entry: 'services/notifier/src/main.ts',
      env: { NATS_URL: nats.url, BACKEND_WEBHOOK_SECRET: `whsec_${Buffer.alloc(32, 1).toString('base64')}` },
    });
    await using asking = await spawnGateway({ NOTIFIER_URL: notifier.url });
    const asked = await expectAnswer(await get(path, {}, asking), 'GET', path, 200);
    expect(asked).toMatchObject({ status: 'not_configured', backend_url: null });
    await notifier.stop();
    await expectAnswer(await get(path, {}, asking), 'GET', path, 503, 'unavailable');
    await using astray = await spawnGateway({ NOTIFIER_URL: asking.url });
    await expectAnswer(await get(path, {}, astray), 'GET', path, 503, 'unavailable');
  });

  it('to whoever looks after it, also while NATS is away', async () => {
    for (const path of ['/healthz', '/readyz', '/metrics'] as const) {
      await expectAnswer(await get(path), 'GET', path, 200);
    }
    const jobId = await newJob();
    await nats.kill();
    const headers = { authorization: `Bearer ${adminToken}` };
    const [made, unknown, ready, unread, letters, stream] = await Promise.all([
      post('/api/generate-video', valid),
      get('/api/video-status/nobody'),
      get('/readyz'),
      fetch(`${gateway.url}/api/jobs/${jobId}/cancel`, { method: 'POST' }),
      get('/admin/dead-letters', headers),
      get(`/api/jobs/${jobId}/events`),
    ]);
    await expectAnswer(made, 'POST', '/api/generate-video', 503, 'unavailable');
    await expectAnswer(unknown, 'GET', '/api/video-status/{id}', 503, 'unavailable');
    await expectAnswer(ready, 'GET', '/readyz', 503);
    expect([unread.status, letters.status, stream.status]).toEqual([503, 503, 503]);
    await expectDocumented('POST', '/api/jobs/{id}/cancel', unread);
    await expectDocumented('GET', '/admin/dead-letters', letters);
    await expectDocumented('GET', '/api/jobs/{id}/events', stream);
    await nats.restart();
    await until(async () => (await get('/readyz')).status === 200, { what: 'readiness' });
  });
});

type Frozen<T> = T extends readonly (infer Item)[]
  ? readonly Frozen<Item>[]
  : T extends object
    ? { readonly [Key in keyof T]: Frozen<T[Key]> }
    : T;
type Within<A, B> = [Frozen<A>] extends [Frozen<B>] ? true : false;
type Same<A, B> = Within<A, B> extends true ? Within<B, A> : false;
/** The client also takes `undefined` where a field may be missing. */
type WithoutUndefined<T> = { [Key in keyof T]: Exclude<T[Key], undefined> };

function spawnGateway(more: Record<string, string> = {}): Promise<RunningService> {
  const env = {
    SANDBOX: 'true',
    NATS_URL: nats.url,
    REDIS_URL: redis.url,
    DETECT_WAIT_MS: '300',
    ADMIN_TOKEN: adminToken,
  };
  return spawnService({ entry: 'services/gateway/src/main.ts', env: { ...env, ...more } });
}

/** Fastify's tree of routes as `METHOD /path`, without what is there by itself (HEAD, OPTIONS). */
function routesOf(tree: string): string[] {
  const above: string[] = [];
  return tree.split('\n').flatMap((line) => {
    const [, lead = '', path = '', methods = ''] = /^([│ ]*)[├└]── (\S+)(?: \(([A-Z, ]+)\))?/.exec(line) ?? [];
    if (path === '') return [];
    above.length = lead.length / 4;
    above.push(path);
    const full = above.join('').replace(/:(\w+)/g, '{$1}');
    const own = methods.split(', ').filter((method) => !['', 'HEAD', 'OPTIONS'].includes(method));
    return own.map((method) => `${method} ${full}`);
  });
}

async function expectAnswer(
  answer: Response,
  method: Method,
  path: string,
  status: number,
  code?: string,
): Promise<unknown> {
  expect(answer.status, `${method} ${path}`).toBe(status);
  const body = await expectDocumented(method, path, answer);
  if (code !== undefined) expect(body).toMatchObject({ detail: { error: code } });
  return body;
}

function post(path: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(gateway.url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
}

function get(path: string, headers: Record<string, string> = {}, from: RunningService = gateway): Promise<Response> {
  return fetch(from.url + path, { headers });
}

async function newJob(): Promise<string> {
  const answer = await post('/api/generate-video', { ...valid, metadata: { verdict: 'pet' } });
  expect(answer.status).toBe(202);
  return ((await answer.json()) as { job_id: string }).job_id;
}

/** A dead letter, of a job that failed unless one is named; its place in the stream. */
async function deadLetter(jobId?: string): Promise<number | undefined> {
  const id = jobId ?? (await newJob());
  if (jobId === undefined) {
    const failed = { ...examples.failed.data, code: 'translation_failed' as const, at: 'translate' };
    await broker.publish(createEvent('failed', id, failed), 0);
  }
  return broker.publishDead(`letter-${crypto.randomUUID()}`, {
    cause: 'exhausted',
    code: 'translation_failed',
    message: errorCatalogue.translation_failed.message,
    detail: 'HTTP 503',
    step: 'translate',
    job_id: id,
    event_id: `${id}:detected`,
    run: 1,
    stream_seq: 1,
    raw_base64: 'eA==',
    time: new Date().toISOString(),
  });
}
