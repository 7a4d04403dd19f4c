/**
 * Every public operation under arbitrary requests, against the OpenAPI document: each answer is documented, none is a 5xx
 * or shows anything internal, the process lives, and there is a job in the stream for each 202 and no other.
 * `FUZZ_SEED` takes other requests than the usual ones, `FUZZ_REQUESTS` more of them.
 */
import { errorCatalogue } from '@pet-roast/shared';
import { natsForTest, type RunningService, rawNats, redisForTest, spawnService } from '@pet-roast/testing';
import fc from 'fast-check';
import { Agent, request } from 'undici';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openApiDocument } from '../src/openapi/document.ts';

type Shot = {
  readonly method: string;
  readonly route: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Buffer | undefined;
};

const seed = Number(process.env['FUZZ_SEED'] ?? 20_261_125);
const requests = Number(process.env['FUZZ_REQUESTS'] ?? 12_000);
const atOnce = 8;
const adminToken = 'an-admin-token-for-the-fuzzer';
const apiKey = 'key-for-the-fuzzer-0123456789abcdef';
const timeoutMs = 300_000;
const infrastructureError =
  /node_modules|file:\/\/|\.ts:\d+|\bat (async )?[\w.<>]+ \(|ECONN|127\.0\.0\.1:\d+|nats:|redis:/;

let nats: Awaited<ReturnType<typeof natsForTest>>;
let redis: Awaited<ReturnType<typeof redisForTest>>;
let gateway: RunningService;
const agent = new Agent({ connections: atOnce });

beforeAll(async () => {
  [nats, redis] = await Promise.all([natsForTest(), redisForTest()]);
  gateway = await spawnService({
    entry: 'services/gateway/src/main.ts',
    env: {
      ...{ SANDBOX: 'true', NATS_URL: nats.url, REDIS_URL: redis.url, ADMIN_TOKEN: adminToken },
      // No detector: a request that is right is answered at once, and never refused for the photos that wait.
      ...{ DETECT_WAIT_MS: '0', DETECT_WAITING_MAX: '1000000', API_KEYS: `fuzzer:${apiKey}` },
      ...{ GATEWAY_PUBLIC_URL: 'http://127.0.0.1:1', PHOTO_URL_SECRET: 'a-photo-secret-for-the-fuzzer' },
      ...{ RATE_LIMIT_JOBS_PER_MINUTE: '1000000', RATE_LIMIT_READS_PER_MINUTE: '1000000', OPEN_JOBS_MAX: '100000' },
    },
  });
  await gateway.ready();
});
afterAll(async () => {
  await agent.close();
  await gateway?.stop();
  await Promise.all([nats?.close(), redis?.close()]);
});

it(`answers ${requests} arbitrary requests as documented, and keeps a job for each 202 alone`, {
  timeout: timeoutMs,
}, async () => {
  const statuses = new Map<number, number>();
  const jobs = new Set<string>();
  await fc.assert(
    fc.asyncProperty(fc.array(shots, { minLength: atOnce, maxLength: atOnce }), async (batch) => {
      await Promise.all(
        batch.map(async (shot) => {
          const { status, body } = await fire(shot);
          statuses.set(status, (statuses.get(status) ?? 0) + 1);
          if (status === 202 && shot.route === '/api/generate-video') jobs.add(body.job_id ?? '');
        }),
      );
    }),
    { numRuns: Math.ceil(requests / atOnce), seed, endOnFailure: true },
  );
  const answers = [...statuses].sort().map(([status, count]) => `${status} ${count} times`);
  process.stdout.write(`fuzzing with seed ${seed}: ${answers.join(', ')}\n`);

  await using raw = await rawNats(nats.url);
  const { state } = await raw.manager.streams.info('JOBS', { subjects_filter: 'jobs.v1.received.*' });
  const stored = Object.keys(state.subjects ?? {}).map((subject) => subject.split('.').at(-1));
  expect(new Set(stored)).toEqual(jobs);
  expect(gateway.output()).not.toMatch(/"level":60|uncaught|unhandled/i);
  expect((await request(`${gateway.url}/readyz`)).statusCode).toBe(200);
});

async function fire({
  method,
  route,
  path,
  headers,
  body,
}: Shot): Promise<{ status: number; body: { job_id?: string } }> {
  const answer = await request(gateway.url + path, {
    dispatcher: agent,
    method: method as 'GET',
    headers,
    body: body ?? null,
    headersTimeout: 15_000,
    bodyTimeout: 15_000,
  });
  const text = await answer.body.text();
  const facts = `${method} ${path} ${JSON.stringify(headers)} ${String(body).slice(0, 300)}\n→ ${answer.statusCode} ${text.slice(0, 500)}`;
  expect(answer.statusCode, facts).toBeLessThan(500);
  expect(text.slice(0, 20_000), facts).not.toMatch(
    route.startsWith('/docs') || route === '/openapi.json' ? /\0/ : infrastructureError,
  );
  const type = String(answer.headers['content-type'] ?? '').split(';')[0];
  const json = (type === 'application/json' && text !== '' ? JSON.parse(text) : {}) as {
    job_id?: string;
    detail?: { error: string };
  };
  // A preflight is answered for browsers, a HEAD has no body.
  const hasShape = method !== 'OPTIONS' && method !== 'HEAD';
  if (answer.statusCode >= 400 && hasShape) expect(Object.keys(errorCatalogue), facts).toContain(json.detail?.error);
  const documented = openApiDocument.paths[route]?.[method.toLowerCase()];
  if (documented) expect(Object.keys(documented.responses), facts).toContain(String(answer.statusCode));
  return { status: answer.statusCode, body: json };
}

const nasty = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.constantFrom(
    '',
    ' ',
    '\0',
    '..',
    '../../etc/passwd',
    '%00',
    '%',
    '%ff',
    '{{7*7}}',
    "' OR 1=1 --",
    '<script>',
    '*',
    '>',
    'a.b.c',
    '__proto__',
    'constructor',
    'x'.repeat(300),
    '💥',
    '\u202e',
    'null',
    'true',
    '-1',
    '1e309',
    '9007199254740993',
  ),
);
const headerValue = fc.string({ maxLength: 60 }).map((value) => value.replaceAll(/[^\x20-\x7e]/g, '?').trim());
const key = fc.oneof(
  fc.constantFrom(
    'text',
    'image_url',
    'metadata',
    'source_language',
    'target_language',
    'limit',
    'filter',
    'allow_second_payment',
    '__proto__',
    'constructor',
    'prototype',
  ),
  fc.string({ maxLength: 12 }),
);
const { value: json } = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    nasty,
    fc.double(),
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.array(fc.tuple(key, tie('value')), { maxLength: 6 }).map(objectOf),
  ),
}));
const generation = fc
  .record({
    text: fc.oneof(fc.constant('My dog is lazy.'), json),
    image_url: fc.oneof(fc.constant('https://photos.example/1.jpg'), fc.webUrl(), json),
    extra: fc.array(fc.tuple(key, json), { maxLength: 2 }),
  })
  .map(({ extra, ...fields }) => objectOf([...Object.entries(fields), ...extra]));
const body = fc.oneof(
  { weight: 4, arbitrary: generation.map((value) => JSON.stringify(value)) },
  { weight: 3, arbitrary: json.map((value) => JSON.stringify(value) ?? '') },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 200 }) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      '{"text":',
      '[[[[',
      '{"__proto__":{"x":1}}',
      `{"text":"${'x'.repeat(70_000)}"}`,
      `${'['.repeat(5_000)}${']'.repeat(5_000)}`,
    ),
  },
);
const headers = fc
  .record(
    {
      'content-type': fc.oneof(
        { weight: 12, arbitrary: fc.constant('application/json') },
        {
          weight: 1,
          arbitrary: fc.constantFrom(
            'application/json; charset=utf-8',
            'text/plain',
            'application/xml',
            'multipart/form-data',
            'multipart/form-data; boundary=x',
            'application/x-www-form-urlencoded',
            '',
          ),
        },
      ),
      'idempotency-key': fc.oneof(headerValue, fc.constantFrom('k-1', 'k-2')),
      'last-event-id': headerValue,
      origin: headerValue,
      accept: headerValue,
      'x-request-id': headerValue,
      'x-forwarded-for': headerValue,
      traceparent: headerValue,
    },
    { requiredKeys: [] },
  )
  .chain((some) => credentials.map((credential) => ({ ...some, ...credential })));
const credentials = fc.oneof(
  {
    weight: 60,
    arbitrary: fc.constantFrom<Record<string, string>>({ authorization: `Bearer ${apiKey}` }, { 'x-api-key': apiKey }),
  },
  { weight: 6, arbitrary: fc.constant<Record<string, string>>({ authorization: `Bearer ${adminToken}` }) },
  { weight: 1, arbitrary: headerValue.map((value): Record<string, string> => ({ authorization: value })) },
);
const operations = Object.entries(openApiDocument.paths).flatMap(([route, item]) =>
  Object.entries(item).map(([method, operation]) => ({ route, method: method.toUpperCase(), operation })),
);
const query = fc.dictionary(
  fc.oneof(fc.constantFrom('wait', 'after', 'limit', 'step', 'code', 'job_id'), nasty),
  nasty,
  { maxKeys: 3 },
);

/** Half of all aim at what makes jobs. */
const anyOperation = fc.oneof(
  fc.constantFrom(...operations),
  fc.constantFrom(...operations.filter(({ route }) => route === '/api/generate-video')),
);
const documentedShots = anyOperation.chain(({ route, method, operation }) =>
  fc.record({
    method: fc.constant(method),
    route: fc.constant(route),
    path: fc.tuple(fc.array(nasty, { minLength: 3, maxLength: 3 }), query).map(([values, fields]) => {
      let next = 0;
      const path = route.replaceAll(/\{\w+\}/g, () => encoded(values[next++] ?? ''));
      const search = Object.entries(fields).map(([name, value]) => `${encoded(name)}=${encoded(value)}`);
      return search.length === 0 ? path : `${path}?${search.join('&')}`;
    }),
    headers,
    body: operation.requestBody === undefined ? fc.constant(undefined) : body,
  }),
);
const strayShots = fc.record({
  method: fc.constantFrom('GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'HEAD', 'OPTIONS'),
  route: fc.constant(''),
  path: fc.array(nasty, { maxLength: 4 }).map((parts) => `/${parts.map(encoded).join('/')}`),
  headers,
  body: fc.constant(undefined),
});
const shots: fc.Arbitrary<Shot> = fc.oneof(
  { weight: 9, arbitrary: documentedShots },
  { weight: 1, arbitrary: strayShots },
);

/** As a parser of JSON would make it: `__proto__` is a key like any other. */
function objectOf(entries: readonly (readonly [string, unknown])[]): unknown {
  const made = Object.create(null) as Record<string, unknown>;
  for (const [name, value] of entries)
    Object.defineProperty(made, name, { value, enumerable: true, configurable: true });
  return made;
}

/** Also what no client would send: a lone surrogate becomes a sign that stands for it. */
function encoded(value: string): string {
  return encodeURIComponent(value.toWellFormed());
}
