/** Limits of requests: for each caller, over all replicas, in Redis; and for wrong keys, for each address. */
import { createHttp, createLog } from '@pet-roast/shared';
import { type RunningService, spawnService, until } from '@pet-roast/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { authenticate } from '../src/authenticate.ts';
import { apiKeys } from '../src/callers.ts';
import { expectDocumented } from './helpers/documented.ts';
import { codeOf, generate, type KeyedTest, keyedTest, newJob, secrets, send } from './helpers/keyed.ts';

const [jobs, reads] = [6, 12];
const generatePath = '/api/generate-video';
const readPath = '/api/video-status/{id}';
let test: KeyedTest;
let gateways: readonly [RunningService, RunningService];

beforeAll(async () => {
  test = await keyedTest();
  const env = { RATE_LIMIT_JOBS_PER_MINUTE: String(jobs), RATE_LIMIT_READS_PER_MINUTE: String(reads) };
  gateways = await Promise.all([test.gateway(env), test.gateway(env)]);
});
afterAll(async () => {
  await Promise.all(gateways?.map((gateway) => gateway.stop()) ?? []);
  await test?.[Symbol.asyncDispose]();
});

/** Sends by turns to both, and gives the answers in their order. */
async function byTurns(count: number, ask: (gateway: RunningService) => Promise<Response>): Promise<Response[]> {
  const answers: Response[] = [];
  for (let index = 0; index < count; index++) answers.push(await ask(gateways[index % 2 === 0 ? 0 : 1]));
  return answers;
}
const read = (to: RunningService, secret?: string, headers: Record<string, string> = {}) =>
  send(to, secret, readPath.replace('{id}', 'nobody'), { headers });
const limitOf = (answer: Response) =>
  ['limit', 'remaining', 'reset'].map((name) => Number(answer.headers.get(`ratelimit-${name}`)));
const statuses = (answers: readonly Response[]) => answers.map(({ status }) => status);

describe('a caller', () => {
  it('may ask for so many videos a minute at all replicas together, and is told when to come back', async () => {
    const answers = await byTurns(jobs + 4, (gateway) => generate(gateway, secrets.alice));
    expect(statuses(answers)).toEqual([...Array(jobs).fill(202), ...Array(4).fill(429)]);
    for (const [index, answer] of answers.entries()) {
      const [limit, remaining, reset] = limitOf(answer);
      expect([limit, remaining]).toEqual([jobs, Math.max(jobs - 1 - index, 0)]);
      expect(reset).toBeGreaterThan(0);
      expect(reset).toBeLessThanOrEqual(60);
    }
    for (const answer of answers.slice(jobs)) {
      expect(answer.headers.get('retry-after')).toBe(answer.headers.get('ratelimit-reset'));
      const body = await expectDocumented('POST', generatePath, answer);
      expect(body).toMatchObject({ detail: { error: 'rate_limited' } });
    }
  });

  it('may read meanwhile, so many times a minute, whatever it reads', async () => {
    const paths = ['/api/video-status/x', '/api/video-result/x', '/api/jobs/x/events', '/api/test-backend-connection'];
    const answers = await byTurns(reads + 2, (gateway) =>
      send(gateway, secrets.alice, paths[Math.floor(Math.random() * paths.length)] ?? ''),
    );
    expect(statuses(answers.slice(0, reads))).not.toContain(429);
    expect(statuses(answers.slice(reads))).toEqual([429, 429]);
    const cancel = await send(gateways[0], secrets.alice, '/api/jobs/x/cancel', { method: 'POST' });
    expect(cancel.status).toBe(429);
    await expectDocumented('POST', '/api/jobs/{id}/cancel', cancel);
    await expectDocumented('GET', readPath, await read(gateways[0], secrets.alice));
  });

  it('may have 500 event streams open, and then no more until one of them ends; others may', async () => {
    await using gateway = await test.gateway({});
    const [mine, theirs] = [await newJob(gateway, secrets.alice), await newJob(gateway, secrets.bob)];
    const cut = new AbortController();
    const follow = (secret: string, jobId: string) =>
      fetch(`${gateway.url}/api/jobs/${jobId}/events`, {
        headers: { authorization: `Bearer ${secret}` },
        signal: cut.signal,
      });
    const open: Response[] = [];
    for (let some = 0; some < 10; some++) {
      open.push(...(await Promise.all(Array.from({ length: 50 }, () => follow(secrets.alice, mine)))));
    }
    expect(new Set(statuses(open))).toEqual(new Set([200]));
    const refused = await follow(secrets.alice, mine);
    expect([refused.status, refused.headers.get('retry-after'), await codeOf(refused)]).toEqual([
      429,
      '5',
      'rate_limited',
    ]);
    expect((await follow(secrets.bob, theirs)).status).toBe(200);
    await open[0]?.body?.cancel();
    await until(async () => (await follow(secrets.alice, mine)).status === 200, { what: 'room for another' });
    cut.abort();
  });

  it('is not held back by another one', async () => {
    expect((await generate(gateways[0], secrets.bob)).status).toBe(202);
    expect((await read(gateways[0], secrets.bob)).status).toBe(404);
  });

  it('is held back nowhere else', async () => {
    for (const path of ['/healthz', '/readyz', '/docs', '/openapi.json']) {
      expect((await send(gateways[0], secrets.alice, path)).status, path).toBe(200);
    }
  });

  it('is counted where operators see it', async () => {
    await using service = await test.gateway({ RATE_LIMIT_READS_PER_MINUTE: '1', METRICS_TOKEN: 'metrics-token-123' });
    await read(service, secrets.alice);
    await read(service);
    const metrics = await (await send(service, 'metrics-token-123', '/metrics')).text();
    expect(metrics).toMatch(/pet_roast_refused_requests_total\{code="rate_limited"\} [1-9]/);
    expect(metrics).toContain('pet_roast_refused_requests_total{code="unauthorized"} 1');
    expect(metrics).toMatch(/pet_roast_requests_with_key_total\{key="alice [0-9a-f]{8}"\} 1/);
  });
});

describe('without Redis', () => {
  it('nobody is limited, nor told of a limit, and it is said once; with it, all are again', async () => {
    await using service = await test.gateway({ RATE_LIMIT_READS_PER_MINUTE: '3', RATE_LIMIT_JOBS_PER_MINUTE: '3' });
    expect(limitOf(await read(service, secrets.bob))[0]).toBe(3);
    await test.redis.kill();
    const open = await until(
      async () => {
        const answer = await read(service, secrets.bob);
        return answer.headers.has('ratelimit-limit') ? undefined : answer;
      },
      { what: 'the loss to be noticed' },
    );
    expect(open.status).toBe(404);
    const [readings, made] = await Promise.all([
      Promise.all(Array.from({ length: 10 }, () => read(service, secrets.bob))),
      Promise.all(Array.from({ length: 5 }, () => generate(service, secrets.bob))),
    ]);
    expect(statuses(readings)).toEqual(Array(10).fill(404));
    expect(statuses(made)).toEqual(Array(5).fill(202));
    const said = () => service.output().match(/no caller is limited/g)?.length;
    await until(said, { what: 'it to be said' });
    expect(said()).toBe(1);

    await test.redis.restart();
    const limited = async () => (await read(service, secrets.bob)).status === 429;
    await until(limited, { what: 'the limit to be back', everyMs: 100 });
  });

  it('that answers, as when it hangs, a request passes all the same', async () => {
    await using service = await test.gateway();
    expect((await generate(service, secrets.bob)).status).toBe(202);
    await test.redis.kill('SIGSTOP');
    const answer = await generate(service, secrets.bob).finally(() => test.redis.kill('SIGCONT'));
    expect(answer.status).toBe(202);
  });
});

describe('in the sandbox', () => {
  const start = async (env: Record<string, string> = {}) => {
    const service = await spawnService({
      entry: 'services/gateway/src/main.ts',
      env: { SANDBOX: 'true', NATS_URL: test.nats.url, REDIS_URL: test.redis.url, DETECT_WAIT_MS: '50', ...env },
    });
    await service.ready();
    return service;
  };
  /** Until its Redis counts, by what is counted apart. */
  const counting = async (service: RunningService) => {
    const counts = async () =>
      (await send(service, undefined, generatePath, { body: {} })).headers.has('ratelimit-limit');
    await until(counts, { what: 'Redis' });
  };

  it('nobody without a key is limited unless told', async () => {
    await using service = await start();
    const answers = await Promise.all(Array.from({ length: 100 }, () => generate(service, undefined)));
    expect(new Set(statuses(answers))).toEqual(new Set([202]));
    expect(answers[0]?.headers.has('ratelimit-limit')).toBe(false);
  });

  it('each address is limited where it is told, and an address is believed from as many proxies as it is told', async () => {
    const limits = { RATE_LIMIT_READS_PER_MINUTE: '2', RATE_LIMIT_JOBS_PER_MINUTE: '1000' };
    await using service = await start({ ...limits, TRUST_PROXY_HOPS: '1' });
    await using direct = await start(limits);
    await Promise.all([counting(service), counting(direct)]);
    const from = (to: RunningService, forwarded: string) => read(to, undefined, { 'x-forwarded-for': forwarded });
    // What the proxy itself has added is the last; what stands before it anybody may have written.
    const one = await Promise.all(['6.6.6.1, 9.9.9.9', '6.6.6.2, 9.9.9.9', '9.9.9.9'].map((by) => from(service, by)));
    expect(statuses(one).toSorted()).toEqual([404, 404, 429]);
    expect((await from(service, '9.9.9.9, 6.6.6.1')).status).toBe(404);
    // An IPv6 network of 64 bits is one place.
    const network = await Promise.all(['0:0:1::1', '0:0:2::1', ':3'].map((end) => from(service, `2001:db8:${end}`)));
    expect(statuses(network).toSorted()).toEqual([404, 404, 429]);
    expect((await from(service, '2001:db8:0:1::1')).status).toBe(404);
    const ignored = await Promise.all(['7.7.7.1', '7.7.7.2', '7.7.7.3'].map((by) => from(direct, by)));
    expect(statuses(ignored).toSorted()).toEqual([404, 404, 429]);
  });
});

describe('wrong keys', () => {
  it('are no longer answered after 30 a minute from one address, but who was let in there before goes on', async () => {
    await using service = await test.gateway({ TRUST_PROXY_HOPS: '1' });
    const from = (address: string, secret: string) => read(service, secret, { 'x-forwarded-for': address });
    expect((await from('9.9.9.9', secrets.alice)).status).toBe(404);
    const guesses = await Promise.all(
      Array.from({ length: 40 }, (_, i) => from('9.9.9.9', `guess-${i}-0123456789abcdef`)),
    );
    expect(statuses(guesses).toSorted()).toEqual([...Array(30).fill(401), ...Array(10).fill(429)]);
    const refusal = guesses.find(({ status }) => status === 429);
    if (refusal === undefined) throw new Error('there is none');
    expect(Number(refusal.headers.get('retry-after'))).toBeGreaterThan(0);
    await expectDocumented('GET', readPath, refusal);
    // A right guess is no better than a wrong one now, or guessing would cost nothing.
    expect((await from('9.9.9.9', secrets.bob)).status).toBe(429);
    expect((await from('9.9.9.9', secrets.alice)).status).toBe(404);
    expect((await from('8.8.8.8', secrets.bob)).status).toBe(404);
    expect((await from('8.8.8.8', 'guess-0-0123456789abcdef')).status).toBe(401);
  });

  it('from addresses that are none are counted too', async () => {
    await using service = await test.gateway({ TRUST_PROXY_HOPS: '1' });
    const from = (address: string) => read(service, 'guess-0-0123456789abcdef', { 'x-forwarded-for': address });
    for (const address of ['', 'x', 'x'.repeat(8_000), '1.2.3.4:5678', 'fe80::1%eth0', '[::1]:80', '::ffff:1.2.3.4']) {
      expect((await from(address)).status, address.slice(0, 20)).toBe(401);
    }
  });

  it('are counted for the last 5,000 addresses, so that no number of them fills the memory', async () => {
    const { app } = createHttp({ log: createLog('test', 'silent') });
    await authenticate(app, apiKeys().parse(`alice:${secrets.alice}`));
    app.get('/', async () => 'in');
    const guess = async (remoteAddress: string) =>
      (await app.inject({ url: '/', remoteAddress, headers: { 'x-api-key': 'wrong' } })).statusCode;
    for (let tries = 0; tries < 30; tries++) expect(await guess('1.1.1.1')).toBe(401);
    expect(await guess('1.1.1.1')).toBe(429);
    for (let other = 0; other < 5_000; other++) await guess(`2.2.${other >> 8}.${other & 255}`);
    expect(await guess('1.1.1.1')).toBe(401);
    await app.close();
  });
});
