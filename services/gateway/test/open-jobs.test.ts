/** How many jobs of a caller may be open at once: over all replicas, in Redis, and right again when that was lost. */
import { createEvent, createLog, type StoredEvent } from '@pet-roast/shared';
import { type RunningService, until } from '@pet-roast/testing';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { examples } from '../../../packages/shared/test/examples.ts';
import { openProjection, type Projection } from '../src/projection.ts';
import { expectDocumented } from './helpers/documented.ts';
import { codeOf, finish, generate, type KeyedTest, keyedTest, newJob, secrets, send } from './helpers/keyed.ts';

const max = 3;
const adminToken = 'an-admin-token-for-tests';
const { alice, bob } = secrets;
let test: KeyedTest;
let gateways: readonly [RunningService, RunningService];
let redis: Redis;
/** Of one test's caller. */
const opened: string[] = [];

beforeAll(async () => {
  test = await keyedTest();
  const env = { OPEN_JOBS_MAX: String(max), RATE_LIMIT_JOBS_PER_MINUTE: '100000', ADMIN_TOKEN: adminToken };
  gateways = await Promise.all([test.gateway(env), test.gateway(env)]);
  redis = new Redis(test.redis.url);
  redis.on('error', () => undefined);
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map((jobId) => finish(test.broker, jobId)));
  await until(async () => (await openOf('alice')).length === 0, { what: 'all jobs to be over' });
});
afterAll(async () => {
  redis?.disconnect();
  await Promise.all(gateways?.map((gateway) => gateway.stop()) ?? []);
  await test?.[Symbol.asyncDispose]();
});

const openOf = async (name: string) => (await redis.zrange(`pet_roast:open:${name}`, '0', '-1')).toSorted();
const open = async (key?: string): Promise<string> => {
  const jobId = await newJob(gateways[opened.length % 2 === 0 ? 0 : 1], alice, key);
  opened.push(jobId);
  return jobId;
};
const openAll = async (): Promise<string[]> => [await open(), await open(), await open()];
const refused = async (gateway = gateways[0]) => (await codeOf(await generate(gateway, alice))) === 'too_many_jobs';
/** One more is taken, sooner or later. */
const taken = () =>
  until(
    async () => {
      const answer = await generate(gateways[0], alice);
      if (answer.status !== 202) return undefined;
      opened.push(((await answer.json()) as { job_id: string }).job_id);
      return true;
    },
    { what: 'one more job to be taken' },
  );

describe('a caller', () => {
  it('may have so many jobs open at all replicas together, and is told when to come back', async () => {
    await openAll();
    for (const gateway of gateways) {
      const answer = await generate(gateway, alice);
      expect(answer.status).toBe(429);
      expect(answer.headers.get('retry-after')).toBe('10');
      const body = await expectDocumented('POST', '/api/generate-video', answer);
      expect(body).toMatchObject({ detail: { error: 'too_many_jobs' } });
    }
    await finish(test.broker, await newJob(gateways[0], bob));
  });

  it('cannot have one more by asking at all replicas at once', async () => {
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, i) => generate(gateways[i % 2 === 0 ? 0 : 1], alice)),
    );
    const bodies = await Promise.all(answers.map((answer) => answer.json() as Promise<{ job_id?: string }>));
    opened.push(...bodies.flatMap(({ job_id }) => job_id ?? []));
    expect(opened).toHaveLength(max);
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(20 - max);
  });

  it('leaves nothing behind with what was refused', async () => {
    await openAll();
    const before = await test.broker.fill();
    expect(await refused()).toBe(true);
    expect(await test.broker.fill()).toBe(before);
    expect(await openOf('alice')).toEqual(opened.toSorted());
  });
});

describe('a place is free again', () => {
  it('after an outcome', async () => {
    const [first = ''] = await openAll();
    expect(await refused()).toBe(true);
    await finish(test.broker, first);
    await taken();
    expect(await refused(gateways[1])).toBe(true);
  });

  it('after a cancel', async () => {
    const [first = ''] = await openAll();
    expect((await send(gateways[0], alice, `/api/jobs/${first}/cancel`, { method: 'POST' })).status).toBe(202);
    await taken();
  });

  it('after a photo that was refused', async () => {
    const detector = await test.broker.follow('received', async ({ job_id }) => {
      await test.broker.publish(createEvent('rejected', job_id, { code: 'no_pets_detected', late: false }), 0);
      const failed = { code: 'no_pets_detected', at: 'detect', notify: false } as const;
      await test.broker.publish(createEvent('failed', job_id, failed), 0);
    });
    const answers: number[] = [];
    await until(async () => answers.push((await generate(gateways[0], alice)).status) > 3 * max, {
      what: 'many photos',
    });
    await detector.stop();
    expect(answers).toContain(400);
    // Those that came faster than their end was written had to wait, and no others.
    expect(answers.filter((status) => status !== 400 && status !== 429 && status !== 202)).toEqual([]);
    await until(async () => (await openOf('alice')).length === 0, { what: 'their places to be free' });
  });

  it('at a job’s deadline, whatever became of it', async () => {
    const past = Date.now() - 1;
    await redis.zadd('pet_roast:open:alice', past, 'lost-1', past, 'lost-2', past, 'lost-3');
    await open();
    expect(await openOf('alice')).toEqual(opened);
  });
});

describe('a repeat with its Idempotency-Key', () => {
  it('is no second job, and is never refused for the jobs there are', async () => {
    const first = await open('row-1');
    await open();
    await open();
    const again = await generate(gateways[1], alice, 'row-1');
    expect([again.status, again.headers.get('idempotency-replayed')]).toEqual([202, 'true']);
    expect(await openOf('alice')).toEqual(opened.toSorted());

    await finish(test.broker, first);
    await until(async () => !(await openOf('alice')).includes(first), { what: 'the outcome' });
    // Below the limit and at it: a job that is over is not open again because it is asked for again.
    expect((await generate(gateways[0], alice, 'row-1')).status).toBe(202);
    expect(await openOf('alice')).not.toContain(first);
    await taken();
    expect((await generate(gateways[1], alice, 'row-1')).status).toBe(202);
    expect(await refused()).toBe(true);
    const other = await send(gateways[0], alice, '/api/generate-video', {
      body: { text: 'Another roast.', image_url: 'https://photos.example/2.jpg' },
      headers: { 'idempotency-key': 'row-1' },
    });
    expect(await codeOf(other)).toBe('idempotency_key_reused');
    expect(await openOf('alice')).not.toContain(first);
  });
});

describe('when Redis', () => {
  it('is emptied, the jobs that are open are counted again, and those alone', async () => {
    const [first = ''] = await openAll();
    await finish(test.broker, first);
    await until(async () => !(await openOf('alice')).includes(first), { what: 'the outcome' });
    await open();
    const before = await openOf('alice');
    await redis.flushall();
    // On the way to it a job that is over counts between its request and its outcome.
    await until(async () => String(await openOf('alice')) === String(before), { what: 'the jobs to be counted again' });
    expect(await redis.zscore('pet_roast:open:alice', first)).toBeNull();
    await until(() => refused(), { what: 'the limit to hold again' });
  });

  it('is away, nobody is refused; when it is back, what was taken meanwhile counts', async () => {
    await openAll();
    await test.redis.kill();
    const more = await Promise.all([generate(gateways[0], alice), generate(gateways[1], alice)]);
    expect(more.map(({ status }) => status)).toEqual([202, 202]);
    for (const answer of more) opened.push(((await answer.json()) as { job_id: string }).job_id);
    await test.redis.restart();
    await until(async () => String(await openOf('alice')) === String(opened.toSorted()), {
      what: 'all to be counted',
      timeoutMs: 20_000,
    });
    // The limits have a connection of their own.
    const limits = async () =>
      (await send(gateways[0], alice, '/api/video-status/none')).headers.has('ratelimit-limit');
    await until(limits, { what: 'the limits to be back' });
    expect(await refused()).toBe(true);
  });

  it('comes back with yesterday’s content, jobs that are over hold nobody up for long', async () => {
    const jobs = await openAll();
    const yesterday = await redis.zrange('pet_roast:open:alice', '0', '-1', 'WITHSCORES');
    await Promise.all(jobs.map((jobId) => finish(test.broker, jobId)));
    await until(async () => (await openOf('alice')).length === 0, { what: 'the outcomes' });
    for (let at = 0; at < yesterday.length; at += 2) {
      await redis.zadd('pet_roast:open:alice', Number(yesterday[at + 1]), yesterday[at] ?? '');
    }
    await until(async () => !(await refused()), { what: 'the count to be mended', timeoutMs: 15_000, everyMs: 500 });
    opened.push(...(await openOf('alice')));
  });
});

describe('the projection', () => {
  const deadline_at = new Date(Date.now() + 600_000).toISOString();
  const at = (event: ReturnType<typeof createEvent>, seq: number) =>
    ({ ...event, time: new Date().toISOString(), seq }) as StoredEvent;
  let projection: Projection;
  let jobId: string;

  beforeEach(async () => {
    jobId = crypto.randomUUID();
    projection = openProjection({ url: test.redis.url, ttlMs: 60_000, log: createLog('test', 'silent') });
    await until(() => projection.check().then(() => true), { what: 'the connection' });
  });
  afterEach(() => projection.close());

  const received = (run: number, seq: number) =>
    at(createEvent('received', jobId, { ...examples.received.data, owner: 'carol', deadline_at }, { run }), seq);
  const failed = (run: number, seq: number) => at(createEvent('failed', jobId, examples.failed.data, { run }), seq);

  it.each([
    ['a request', [1], true],
    ['its outcome too', [1, 2], false],
    ['the next run', [1, 2, 3], true],
    ['the next run’s outcome', [1, 2, 3, 4], false],
  ])(
    'counts a job by what it holds, in whatever order that came and however often: %s',
    async (_what, seqs, isOpen) => {
      const all = [received(1, 1), failed(1, 2), received(2, 3), failed(2, 4)];
      const events = all.filter(({ seq }) => seqs.includes(seq));
      for (const order of ordersOf(events)) {
        await redis.del(`pet_roast:job:${jobId}`, 'pet_roast:open:carol');
        for (const event of [...order, ...order.slice(0, 2)]) await projection.write([event]);
        const score = await redis.zscore('pet_roast:open:carol', jobId);
        expect(score, order.map(({ seq }) => seq).join()).toBe(isOpen ? String(Date.parse(deadline_at)) : null);
      }
    },
  );

  it('lets the count go with the last deadline', async () => {
    await projection.write([received(1, 1)]);
    const left = await redis.pttl('pet_roast:open:carol');
    expect(left).toBeGreaterThan(0);
    expect(left).toBeLessThanOrEqual(600_000);
  });

  it('counts no job that has no owner', async () => {
    const { owner: _owner, ...data } = { ...examples.received.data, owner: '' };
    await projection.write([at(createEvent('received', jobId, { ...data, deadline_at }), 1), failed(1, 2)]);
    expect(await redis.keys('pet_roast:open:*')).not.toContain('pet_roast:open:');
    expect((await redis.hkeys(`pet_roast:job:${jobId}`)).toSorted()).toEqual(['failed', 'received']);
  });
});

function ordersOf<T>(items: readonly T[]): T[][] {
  if (items.length < 2) return [[...items]];
  return items.flatMap((item, index) => ordersOf(items.toSpliced(index, 1)).map((rest) => [item, ...rest]));
}
