/** The gateway as its own process with a real NATS and Redis; the test plays the detector. */
import { type Broker, createEvent, type StoredEvent, subjectOf } from '@pet-roast/shared';
import {
  brokerForTest,
  natsForTest,
  type RunningService,
  rawNats,
  redisForTest,
  spawnService,
  until,
} from '@pet-roast/testing';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const detectWaitMs = 400;
let nats: Awaited<ReturnType<typeof natsForTest>>;
let redis: Awaited<ReturnType<typeof redisForTest>>;
let gateway: RunningService;
let second: RunningService;
/** Waits for a verdict as long as a test may take to give one. */
let patient: RunningService;
let broker: Broker;

function spawn(more: Record<string, string> = {}): Promise<RunningService> {
  const env = {
    SANDBOX: 'true',
    NATS_URL: nats.url,
    REDIS_URL: redis.url,
    DETECT_WAIT_MS: String(detectWaitMs),
    CORS_ORIGINS: 'https://app.example, https://admin.example, capacitor://localhost',
  };
  return spawnService({ entry: 'services/gateway/src/main.ts', env: { ...env, ...more } });
}

beforeAll(async () => {
  [nats, redis] = await Promise.all([natsForTest(), redisForTest()]);
  [gateway, second, patient] = await Promise.all([spawn(), spawn(), spawn({ DETECT_WAIT_MS: '10000' })]);
  broker = await brokerForTest(nats.url);
  await Promise.all([gateway.ready(), second.ready(), patient.ready()]);
});
afterAll(async () => {
  await broker?.close();
  await Promise.all([gateway?.stop(), second?.stop(), patient?.stop()]);
  await Promise.all([nats?.close(), redis?.close()]);
});

const valid = { text: 'My dog is lazy.', image_url: 'https://photos.example/1.jpg' };
/** In place of which a body has 9,000 lists in one another: JSON.stringify cannot write that. */
const nested = 'nested';

describe('a request', () => {
  it.each([
    ['no text', { image_url: valid.image_url }, 422, 'invalid_field', 'text'],
    ['an empty text', { ...valid, text: '' }, 422, 'invalid_field', 'text'],
    ['a text of spaces', { ...valid, text: ' \n\t ' }, 422, 'invalid_field', 'text'],
    ['a text over 5,000 characters', { ...valid, text: 'x'.repeat(5_001) }, 422, 'invalid_field', 'text'],
    ['a text that is a number', { ...valid, text: 7 }, 422, 'invalid_field', 'text'],
    ['no image', { text: 'x' }, 422, 'invalid_field', 'image_url'],
    ['a URL that is none', { ...valid, image_url: 'my dog' }, 422, 'invalid_field', 'image_url'],
    ['a file URL', { ...valid, image_url: 'file:///etc/passwd' }, 422, 'invalid_field', 'image_url'],
    ['an ftp URL', { ...valid, image_url: 'ftp://photos.example/1.jpg' }, 422, 'invalid_field', 'image_url'],
    [
      'a URL over 2,048 characters',
      { ...valid, image_url: `https://x.example/${'x'.repeat(2_048)}` },
      422,
      'invalid_field',
      'image_url',
    ],
    ['an unknown field', { ...valid, imageUrl: 'x' }, 422, 'invalid_field', 'imageUrl'],
    ['a language that is no code', { ...valid, target_language: 'English' }, 422, 'invalid_field', 'target_language'],
    [
      'a language that is not supported',
      { ...valid, target_language: 'xx' },
      422,
      'language_not_supported',
      'target_language',
    ],
    ['metadata that is no object', { ...valid, metadata: 'x' }, 422, 'invalid_field', 'metadata'],
    ['metadata over its bound', { ...valid, metadata: { x: 'x'.repeat(5_000) } }, 422, 'invalid_field', 'metadata'],
    [
      'metadata over its bound in bytes',
      { ...valid, metadata: { x: 'क'.repeat(2_000) } },
      422,
      'invalid_field',
      'metadata',
    ],
    ['metadata nested too deep to write', { ...valid, metadata: { x: nested } }, 422, 'invalid_field', 'metadata'],
    ['a list', [], 400, 'bad_request', undefined],
    ['null', null, 400, 'bad_request', undefined],
  ])('with %s is refused with its field, and nothing is published', async (_what, body, status, code, field) => {
    const before = await lastSequence();
    const answer = await post(JSON.stringify(body).replace(`"${nested}"`, '['.repeat(9_000) + ']'.repeat(9_000)));
    expect(answer.status).toBe(status);
    expect(answer.body.detail).toMatchObject({
      error: code,
      message: expect.any(String),
      suggestion: expect.any(String),
    });
    expect(answer.body.detail.field).toBe(field);
    expect(answer.body.request_id).toEqual(expect.any(String));
    expect(await lastSequence()).toBe(before);
  });

  it.each([
    ['that is not JSON', '{"text":', { 'content-type': 'application/json' }, 400, 'bad_request'],
    ['that is empty', '', { 'content-type': 'application/json' }, 400, 'bad_request'],
    [
      'of another type',
      'text=x',
      { 'content-type': 'application/x-www-form-urlencoded' },
      415,
      'unsupported_media_type',
    ],
    ['that is a text', JSON.stringify(valid), { 'content-type': 'text/plain' }, 415, 'unsupported_media_type'],
    [
      'over its bound',
      JSON.stringify({ ...valid, text: 'x'.repeat(70_000) }),
      { 'content-type': 'application/json' },
      413,
      'body_too_large',
    ],
    [
      'with __proto__',
      '{"__proto__":{"x":1},"text":"x","image_url":"https://x.example"}',
      { 'content-type': 'application/json' },
      400,
      'bad_request',
    ],
  ])('whose body is one %s is refused, and nothing is published', async (_what, body, headers, status, code) => {
    const before = await lastSequence();
    const answer = await post(body, headers);
    expect(answer).toMatchObject({ status, body: { detail: { error: code } } });
    expect(await lastSequence()).toBe(before);
  });

  it('is durable before it is answered', async () => {
    const { body } = await post(JSON.stringify(valid));
    const received = await broker.readReceived(body.job_id);
    expect(received.data).toMatchObject({ text: valid.text, image_url: valid.image_url, target_language: 'en' });
  });
});

describe('the answer', () => {
  it('is 202 with the stage "detected" when a pet is found in time', async () => {
    const { answer } = await requestWith(
      async (jobId) => {
        await broker.publish(createEvent('detected', jobId, { pets: [], late: false }), 0);
      },
      { to: patient },
    );
    expect(answer).toMatchObject({ status: 202, body: { status: 'queued', stage: 'detected' } });
  });

  it('is 400 when there is none, and then there is no job to tell of', async () => {
    const { answer } = await requestWith(
      async (jobId) => {
        await broker.publish(createEvent('rejected', jobId, { code: 'no_pets_detected', late: false }), 0);
      },
      { to: patient },
    );
    expect(answer).toMatchObject({ status: 400, body: { detail: { error: 'no_pets_detected' } } });
  });

  it('is 202 with the stage "received" when the verdict is late, and says so to the detector', async () => {
    const { answer, jobId } = await requestWith(async () => {});
    expect(answer).toMatchObject({ status: 202, body: { job_id: jobId, status: 'queued', stage: 'received' } });
    expect(await broker.readLast(subjectOf('verdict', jobId))).toMatchObject({ kind: 'answered' });
  });

  it('never contradicts the verdict, however closely the verdict and the time-out race', async () => {
    const outcomes = { answered: 0, rejected: 0 };
    // On a machine that stands still for a moment one side may win them all: then they race once more.
    for (let round = 0; round < 5 && Math.min(...Object.values(outcomes)) === 0; round++) {
      const races = Array.from({ length: 60 }, (_, index) =>
        requestWith(async (jobId, sinceReceived) => {
          // From at once to well after the time-out: wherever the machine's load puts the border, both sides win some.
          const at = (index / 60) * (detectWaitMs + 150);
          await until(() => sinceReceived() >= at, { what: 'the moment of the race', everyMs: 1 });
          await broker.publish(createEvent('rejected', jobId, { code: 'no_pets_detected', late: false }), 0);
        }),
      );
      for (const { answer, jobId } of await Promise.all(races)) {
        const decided = await broker.readLast(subjectOf('verdict', jobId));
        const told = answer.status === 202 ? 'answered' : 'rejected';
        expect({ jobId, status: answer.status, decided: decided?.kind }).toMatchObject({ decided: told });
        outcomes[told]++;
      }
    }
    // Both sides must have won some, or nothing raced.
    expect(outcomes.answered).toBeGreaterThan(0);
    expect(outcomes.rejected).toBeGreaterThan(0);
  });

  it('is 503 with Retry-After while NATS is away, and 202 again when it is back', async () => {
    await nats.kill();
    const away = await post(JSON.stringify(valid));
    expect(away).toMatchObject({ status: 503, body: { detail: { error: 'unavailable' } } });
    expect(away.headers.get('retry-after')).toMatch(/^\d+$/);
    expect((await fetch(`${gateway.url}/readyz`)).status).toBe(503);
    expect((await fetch(`${gateway.url}/healthz`)).status).toBe(200);
    await nats.restart();
    await until(async () => (await post(JSON.stringify(valid))).status === 202, { what: 'the gateway to recover' });
    await until(async () => (await fetch(`${gateway.url}/readyz`)).status === 200, { what: 'readiness' });
  });
});

describe('a caller without a key who was told 503', () => {
  it('has no job that runs behind their back', async () => {
    const before = await lastSequence();
    await nats.kill('SIGSTOP');
    const answer = await post(JSON.stringify(valid)).finally(() => nats.kill('SIGCONT'));
    expect(answer.status).toBe(503);
    // The frozen server finds the request in its socket when it wakes, and stores it.
    const received = await until(() => eventAfter(before, 'received'), {
      what: 'the request to be stored all the same',
    });
    const outcome = await until(() => broker.readLast(subjectOf('outcome', received.job_id)), {
      what: 'the job to end',
    });
    expect(outcome.data).toMatchObject({ code: 'unavailable', notify: false });
  });
});

describe('a detector that cannot keep up', () => {
  it('makes the gateway refuse with Retry-After before the queue grows without bound, and accept again after', async () => {
    await using calm = await spawn({ DETECT_WAITING_MAX: '10', DETECT_WAIT_MS: '50' });
    await calm.ready();
    const take = await broker.openStep('detect');
    const refused = await until(
      async () => {
        const answer = await post(JSON.stringify(valid), undefined, calm);
        return answer.status === 503 ? answer : undefined;
      },
      { what: 'a refusal', everyMs: 1, timeoutMs: 20_000 },
    );
    expect(refused.body.detail).toMatchObject({ error: 'overloaded' });
    expect(refused.headers.get('retry-after')).toMatch(/^\d+$/);
    const { waiting } = await broker.backlogOf('detect');
    expect(waiting).toBeGreaterThan(10);
    for (let left = waiting; left > 0; ) {
      (await take())?.ack();
      left = (await broker.backlogOf('detect')).waiting;
    }
    await until(async () => (await post(JSON.stringify(valid), undefined, calm)).status === 202, {
      what: 'a 202 again',
    });
  });
});

describe('an Idempotency-Key', () => {
  it('makes two requests one job, also at two gateways at once, and the repeat says so', async () => {
    const headers = { 'content-type': 'application/json', 'idempotency-key': 'key-1' };
    const both = await Promise.all([
      post(JSON.stringify(valid), headers),
      post(JSON.stringify(valid), headers, second),
    ]);
    expect(both.map((answer) => answer.status)).toEqual([202, 202]);
    expect(both[0]?.body.job_id).toBe(both[1]?.body.job_id);
    expect(both.map((answer) => answer.headers.get('idempotency-replayed')).toSorted()).toEqual(
      ['true', null].toSorted(),
    );
  });

  it('is refused for another body', async () => {
    const headers = { 'content-type': 'application/json', 'idempotency-key': 'key-2' };
    await post(JSON.stringify(valid), headers);
    const other = await post(JSON.stringify({ ...valid, text: 'Another roast' }), headers);
    expect(other).toMatchObject({ status: 422, body: { detail: { error: 'idempotency_key_reused' } } });
  });

  it('replays a 400 as the 400 that it was', async () => {
    const headers = { 'content-type': 'application/json', 'idempotency-key': 'key-3' };
    const { answer } = await requestWith(
      async (jobId) => {
        await broker.publish(createEvent('rejected', jobId, { code: 'no_pets_detected', late: false }), 0);
      },
      { headers, to: patient },
    );
    const again = await post(JSON.stringify(requestBody), headers);
    expect([answer.status, again.status]).toEqual([400, 400]);
  });

  it('still names its job after the gateway was started again', async () => {
    const headers = { 'content-type': 'application/json', 'idempotency-key': 'key-4' };
    const before = await post(JSON.stringify(valid), headers, second);
    await second.kill();
    second = await spawn();
    await second.ready();
    const after = await post(JSON.stringify(valid), headers, second);
    expect(after).toMatchObject({ status: 202, body: { job_id: before.body.job_id } });
    expect(after.headers.get('idempotency-replayed')).toBe('true');
  });

  it.each(['', 'x'.repeat(256), 'with space'])('that is %j is refused', async (key) => {
    const answer = await post(JSON.stringify(valid), { 'content-type': 'application/json', 'idempotency-key': key });
    expect(answer).toMatchObject({ status: 422, body: { detail: { error: 'idempotency_key_invalid' } } });
  });
});

describe('a cancel', () => {
  it('of a job whose caller was told 400 is refused, though its outcome is not there yet', async () => {
    const { answer, jobId } = await requestWith(
      async (id) => {
        await broker.publish(createEvent('rejected', id, { code: 'no_pets_detected', late: false }), 0);
      },
      { to: patient },
    );
    expect(answer.status).toBe(400);
    expect(await cancel(jobId)).toBe(409);
    expect(await broker.readLast(subjectOf('outcome', jobId))).toBeUndefined();
  });

  it('of a job whose late verdict was no pet is refused, though its outcome is not there yet', async () => {
    const { answer, jobId } = await requestWith(async () => {});
    expect(answer.status).toBe(202);
    const answered = await broker.readLast(subjectOf('verdict', jobId));
    const rejected = createEvent('rejected', jobId, { code: 'no_pets_detected', late: true }, { part: 'late' });
    await broker.publish(rejected, answered?.seq);
    expect(await cancel(jobId)).toBe(409);
    expect((await get(`/api/video-status/${jobId}`)).body).toMatchObject({ status: 'failed', stage: 'rejected' });
  });

  it.each([{ 'content-type': 'application/json' }, { 'content-type': 'application/x-www-form-urlencoded' }])(
    'needs no body, whatever its headers say of one: %j',
    async (headers) => {
      const { jobId } = await requestWith(async () => {});
      expect(await cancel(jobId, headers)).toBe(202);
    },
  );

  const cancel = async (jobId: string, headers = {}): Promise<number> =>
    (await fetch(`${gateway.url}/api/jobs/${jobId}/cancel`, { method: 'POST', headers })).status;
});

describe('an outcome at which the notifier died on every try', () => {
  const giveUp = async ({ seq }: StoredEvent): Promise<void> => {
    const advisory = { stream: 'JOBS', consumer: 'notifier-notify', stream_seq: seq, deliveries: 2_003 };
    const subject = '$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.JOBS.notifier-notify';
    await using raw = await rawNats(nats.url);
    await raw.publish(subject, JSON.stringify(advisory));
    const left = () => raw.manager.consumers.info('DEAD', 'gateway-given-up');
    await until(async () => (await left()).num_pending + (await left()).num_ack_pending === 0, {
      what: 'the gateway to have dealt with it',
    });
  };
  const deliveryOf = (jobId: string) => broker.readLast(subjectOf('delivery', jobId));
  const failure = { code: 'render_failed', at: 'watch', notify: true } as const;

  it('is undeliverable, also where the webhook of the run before it was recorded behind it', async () => {
    const { event: first } = await broker.publish(createEvent('failed', 'died', failure), 0);
    const { event: second } = await broker.publish(createEvent('failed', 'died', failure, { run: 2 }), first.seq);
    await broker.publish(createEvent('notified', 'died', { attempt: 1, response_status: 200 }), 0);
    await giveUp(second);
    expect(await deliveryOf('died')).toMatchObject({ kind: 'undeliverable', run: 2 });
  });

  it('of a run before the last one does not take back what the backend was told since', async () => {
    const { event: first } = await broker.publish(createEvent('failed', 'told-since', failure), 0);
    await broker.publish(createEvent('failed', 'told-since', failure, { run: 2 }), first.seq);
    await broker.publish(createEvent('notified', 'told-since', { attempt: 1, response_status: 200 }, { run: 2 }), 0);
    await giveUp(first);
    expect(await deliveryOf('told-since')).toMatchObject({ kind: 'notified', run: 2 });
  });
});

describe('a status', () => {
  it('is 404 for a job that is not there, and for an id that is none', async () => {
    for (const id of ['00000000-0000-4000-8000-000000000000', 'x'.repeat(100), '*', 'a.b']) {
      const answer = await get(`/api/video-status/${id}`);
      expect(answer, id).toMatchObject({ status: 404, body: { detail: { error: 'job_not_found' } } });
    }
  });

  it('is the same before and after Redis is emptied, and while Redis is away', async () => {
    const jobId = await finishedJob();
    const before = await get(`/api/video-status/${jobId}`);
    expect(before.body).toMatchObject({ status: 'completed', video_url: 'https://v.example/1.mp4' });
    await flushRedis();
    expect((await get(`/api/video-status/${jobId}`)).body).toEqual(before.body);
    await redis.kill();
    expect((await get(`/api/video-status/${jobId}`)).body).toEqual(before.body);
    await redis.restart();
    expect((await get(`/api/video-status/${jobId}`)).body).toEqual(before.body);
  });

  it('is right when Redis comes back with yesterday’s content', async () => {
    const { jobId } = await requestWith(
      async (id) => {
        await broker.publish(createEvent('detected', id, { pets: [], late: false }), 0);
      },
      { to: patient },
    );
    const client = new Redis(redis.url);
    const key = `pet_roast:job:${jobId}`;
    await until(async () => (await client.hlen(key)) === 2, { what: 'the projection' });
    const yesterday = await client.hgetall(key);
    await broker.publish(createEvent('rendering', jobId, { pid: 'p_1', deadline_at: new Date().toISOString() }), 0);
    await until(async () => (await client.hlen(key)) === 3, { what: 'the newer event in it' });
    await client.del(key);
    await client.hset(key, yesterday);
    expect((await get(`/api/video-status/${jobId}`)).body).toMatchObject({ status: 'processing', stage: 'rendering' });
    await client.quit();
  });

  it('is right at once when the job is over, though Redis has not heard of it', async () => {
    const { jobId } = await requestWith(async () => {});
    await until(async () => (await get(`/api/video-status/${jobId}`)).body.status === 'queued', { what: 'the status' });
    await broker.publish(createEvent('rendered', jobId, { video_url: 'https://v.example/2.mp4', told_by: 'poll' }), 0);
    expect((await get(`/api/video-status/${jobId}`)).body).toMatchObject({ status: 'completed' });
  });

  it('has a result only when there is a video', async () => {
    const { jobId } = await requestWith(async () => {});
    expect(await get(`/api/video-result/${jobId}`)).toMatchObject({
      status: 409,
      body: { detail: { error: 'result_not_ready' } },
    });
    await broker.publish(createEvent('failed', jobId, { code: 'render_failed', at: 'watch', notify: true }), 0);
    expect(await get(`/api/video-result/${jobId}`)).toMatchObject({
      status: 502,
      body: { detail: { error: 'render_failed' } },
    });
    expect(await get(`/api/video-result/${await finishedJob()}`)).toMatchObject({ status: 200 });
  });
});

describe('waiting for a job', () => {
  it('by long poll is answered when the job is over, or when the time is up', async () => {
    const { jobId } = await requestWith(async () => {});
    expect((await get(`/api/video-status/${jobId}?wait=0.2`)).body).toMatchObject({ status: 'queued' });
    const waiting = get(`/api/video-status/${jobId}?wait=30`);
    const started = performance.now();
    await broker.publish(createEvent('rendered', jobId, { video_url: 'https://v.example/3.mp4', told_by: 'poll' }), 0);
    expect((await waiting).body).toMatchObject({ status: 'completed' });
    expect(performance.now() - started).toBeLessThan(2_000);
    for (const wait of ['-1', '31', 'x']) {
      expect(await get(`/api/video-status/${jobId}?wait=${wait}`)).toMatchObject({
        status: 422,
        body: { detail: { field: 'wait' } },
      });
    }
  });

  it('by server-sent events tells each change once, resumes where it was cut, and ends with the job', async () => {
    const { jobId } = await requestWith(async () => {});
    const stream = await openStream(jobId);
    expect(await stream.next()).toMatchObject({ status: 'queued', stage: 'received' });
    await broker.publish(createEvent('rendering', jobId, { pid: 'p', deadline_at: new Date().toISOString() }), 0);
    expect(await stream.next()).toMatchObject({ status: 'processing' });
    stream.cut();

    await broker.publish(createEvent('rendered', jobId, { video_url: 'https://v.example/4.mp4', told_by: 'poll' }), 0);
    const resumed = await openStream(jobId, stream.lastId());
    expect(await resumed.next()).toMatchObject({ status: 'completed', stage: 'rendered' });
    await broker.publish(createEvent('notified', jobId, { attempt: 1, response_status: 200 }), 0);
    expect(await resumed.next()).toMatchObject({ stage: 'notified' });
    expect(await resumed.next()).toBeUndefined();
    const again = { headers: { 'last-event-id': resumed.lastId() } };
    expect((await fetch(`${gateway.url}/api/jobs/${jobId}/events`, again)).status).toBe(204);
    expect((await fetch(`${gateway.url}/api/jobs/nobody/events`)).status).toBe(404);
    expect((await fetch(`${gateway.url}/api/jobs/${jobId}/events`, { method: 'HEAD' })).status).toBe(404);
  });

  it('by server-sent events goes on where the delivery is seen before the outcome, and tells the outcome then', async () => {
    const { jobId } = await requestWith(async () => {});
    const stream = await openStream(jobId);
    expect(await stream.next()).toMatchObject({ status: 'queued' });
    await broker.publish(createEvent('notified', jobId, { attempt: 1, response_status: 200 }), 0);
    const status = async () => JSON.stringify((await get(`/api/video-status/${jobId}`)).body);
    await until(async () => (await status()).includes('"notified"'), { what: 'the delivery' });
    await broker.publish(createEvent('rendered', jobId, { video_url: 'https://v.example/5.mp4', told_by: 'poll' }), 0);
    expect(await stream.next()).toMatchObject({ status: 'completed', stage: 'notified' });
    expect(await stream.next()).toBeUndefined();
  });

  it('does not keep a gateway from stopping', async () => {
    const short = await spawn();
    await short.ready();
    const { jobId } = await requestWith(async () => {});
    const polling = fetch(`${short.url}/api/video-status/${jobId}?wait=30`);
    const stream = await fetch(`${short.url}/api/jobs/${jobId}/events`);
    const started = performance.now();
    expect(await short.stop()).toBe(0);
    expect(performance.now() - started).toBeLessThan(10_000);
    expect((await polling).status).toBe(200);
    expect(await stream.text()).toContain('event: status');
  });
});

describe('a browser', () => {
  it('may call from the configured origins, and from no other', async () => {
    const allowed = await fetch(`${gateway.url}/api/video-status/none`, {
      headers: { origin: 'https://admin.example' },
    });
    expect(allowed.headers.get('access-control-allow-origin')).toBe('https://admin.example');
    const foreign = await fetch(`${gateway.url}/api/video-status/none`, {
      headers: { origin: 'https://evil.example' },
    });
    expect(foreign.headers.get('access-control-allow-origin')).toBeNull();
  });
});

const requestBody = { ...valid, metadata: { from: 'requestWith' } };
type Answer = {
  readonly status: number;
  readonly headers: Headers;
  readonly body: {
    readonly job_id: string;
    readonly status: string;
    readonly detail: { readonly field?: string };
    readonly request_id: string;
  };
};

async function post(
  body: string,
  headers: Record<string, string> = { 'content-type': 'application/json' },
  to: RunningService = gateway,
): Promise<Answer> {
  const answer = await fetch(`${to.url}/api/generate-video`, { method: 'POST', headers, body });
  return { status: answer.status, headers: answer.headers, body: (await answer.json()) as Answer['body'] };
}

/** The `status` events of a job's stream, one by one. */
async function openStream(jobId: string, lastEventId?: string) {
  const cut = new AbortController();
  const answer = await fetch(`${gateway.url}/api/jobs/${jobId}/events`, {
    headers: lastEventId === undefined ? {} : { 'last-event-id': lastEventId },
    signal: cut.signal,
  });
  expect(answer.headers.get('content-type')).toContain('text/event-stream');
  const reader = (answer.body ?? new ReadableStream()).pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  let id = '';
  return {
    cut: () => cut.abort(),
    lastId: () => id,
    async next(): Promise<unknown> {
      for (;;) {
        const end = text.indexOf('\n\n');
        if (end !== -1) {
          const block = text.slice(0, end);
          text = text.slice(end + 2);
          const data = /^data: (.*)$/m.exec(block)?.[1];
          if (data === undefined) continue;
          id = /^id: (.*)$/m.exec(block)?.[1] ?? id;
          return JSON.parse(data);
        }
        const { value, done } = await reader.read();
        if (done) return undefined;
        text += value;
      }
    },
  };
}

async function get(path: string): Promise<Answer> {
  const answer = await fetch(gateway.url + path);
  return { status: answer.status, headers: answer.headers, body: (await answer.json()) as Answer['body'] };
}

/**
 * Posts a request while the test plays the detector for it; `sinceReceived` is the time since the job is durable. A verdict
 * that has to be in time is given to the patient gateway.
 */
async function requestWith(
  detect: (jobId: string, sinceReceived: () => number) => Promise<void>,
  { headers, to = gateway }: { readonly headers?: Record<string, string>; readonly to?: RunningService } = {},
): Promise<{ answer: Answer; jobId: string }> {
  const marker = crypto.randomUUID();
  const seen = Promise.withResolvers<StoredEvent>();
  const follower = await broker.follow('received', (event) => {
    const { metadata } = event.data as StoredEvent<'received'>['data'];
    if (metadata?.['marker'] === marker || headers !== undefined) seen.resolve(event);
  });
  const body = headers === undefined ? { ...requestBody, metadata: { marker } } : requestBody;
  const answering = post(JSON.stringify(body), headers, to);
  const received = await seen.promise;
  const started = performance.now();
  await detect(received.job_id, () => performance.now() - started);
  await follower.stop();
  return { answer: await answering, jobId: received.job_id };
}

async function finishedJob(): Promise<string> {
  const { jobId } = await requestWith(
    async (id) => {
      await broker.publish(createEvent('detected', id, { pets: [], late: false }), 0);
    },
    { to: patient },
  );
  await broker.publish(createEvent('rendered', jobId, { video_url: 'https://v.example/1.mp4', told_by: 'poll' }), 0);
  return jobId;
}

async function lastSequence(): Promise<number> {
  await using raw = await rawNats(nats.url);
  const info = await raw.manager.streams.info('JOBS');
  return info.state.last_seq;
}

async function eventAfter(seq: number, kind: string): Promise<StoredEvent | undefined> {
  for (let next = seq + 1; next <= (await lastSequence()); next++) {
    const event = await broker.readAt(next);
    if (event?.kind === kind) return event;
  }
  return undefined;
}

async function flushRedis(): Promise<void> {
  const client = new Redis(redis.url);
  await client.flushall();
  await client.quit();
}
