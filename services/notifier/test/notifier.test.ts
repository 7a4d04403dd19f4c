/** The notifier as its own process, with a real NATS and the sandbox's backend; the test publishes the outcomes. */
import { type Backend, startBackend } from '@pet-roast/sandbox';
import { type Broker, createEvent, createLog, type StageContext, type StoredEvent, subjectOf } from '@pet-roast/shared';
import { brokerForTest, natsForTest, type RunningService, rawNats, spawnService, until } from '@pet-roast/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { PostWebhook } from '../src/adapters/webhook-http.ts';
import { createCircuit } from '../src/core/circuit.ts';
import { outcomeToNotified } from '../src/outcome-to-notified.ts';

const secret = `whsec_${Buffer.alloc(24, 3).toString('base64')}`;
const oldSecret = `whsec_${Buffer.alloc(24, 4).toString('base64')}`;
let nats: Awaited<ReturnType<typeof natsForTest>>;
let backend: Backend;
let notifier: RunningService;
let broker: Broker;
let env: Record<string, string>;

const spawn = (more: Record<string, string> = {}) =>
  spawnService({ entry: 'services/notifier/src/main.ts', env: { ...env, ...more } });

beforeAll(async () => {
  nats = await natsForTest();
  // The backend knows only the older of two secrets: a rotation that it has not followed yet.
  backend = await startBackend({ secret: oldSecret });
  env = {
    NATS_URL: nats.url,
    BACKEND_WEBHOOK_URL: backend.url,
    BACKEND_WEBHOOK_SECRET: `${secret},${oldSecret}`,
    WEBHOOK_TIMEOUT_MS: '500',
    WEBHOOK_WAITS_MS: '100,200,300',
  };
  notifier = await spawn();
  broker = await brokerForTest(nats.url);
  await notifier.ready();
});
afterAll(async () => {
  await broker?.close();
  await notifier?.stop();
  await Promise.all([backend?.close(), nats?.close()]);
});
beforeEach(() => {
  backend.clearDeliveries();
  backend.clearAnswers();
});

describe('an outcome', () => {
  it('is told to the backend’s default path, signed with both secrets of a rotation', async () => {
    const jobId = await rendered();
    expect(await deliveryOf(jobId)).toMatchObject({ kind: 'notified', data: { attempt: 1, response_status: 200 } });
    const [delivery] = backend.deliveries();
    expect(delivery).toMatchObject({ signature_valid: true, body: { job_id: jobId, status: 'completed' } });
    expect(String(delivery?.headers['webhook-signature']).split(' ')).toHaveLength(2);
  });

  it('that the caller was told in the answer is not told again', async () => {
    const silent = crypto.randomUUID();
    await broker.publish(createEvent('failed', silent, { code: 'no_pets_detected', at: 'detect', notify: false }), 0);
    await deliveryOf(await rendered());
    expect(backend.deliveries().filter((delivery) => delivery.job_id === silent)).toEqual([]);
    expect(await broker.readLast(subjectOf('delivery', silent))).toBeUndefined();
  });

  it('is tried three times and then given up, with a dead letter that says why', async () => {
    backend.pushAnswers({ kind: 'http', status: 500, times: 3 });
    const jobId = await rendered();
    expect(await deliveryOf(jobId)).toMatchObject({ kind: 'undeliverable', data: { attempt: 3, reason: 'HTTP 500' } });
    expect(backend.deliveries()).toHaveLength(3);
    expect(notifier.output()).toContain('webhook attempt');
  });

  it('waits for a backend that is down, and is told when it is up', async () => {
    const patient = await spawn({ WEBHOOK_ATTEMPTS_MAX: '50' });
    await patient.ready();
    await notifier.stop();
    await backend.down();
    const jobId = await rendered();
    await until(async () => (await broker.readLast(subjectOf('delivery', jobId)))?.kind === 'attempted', {
      what: 'a recorded attempt',
    });
    await backend.up();
    expect(await deliveryOf(jobId)).toMatchObject({ kind: 'notified' });
    await patient.stop();
    notifier = await spawn();
    await notifier.ready();
  });

  it('is tried again after a time-out', async () => {
    backend.pushAnswers({ kind: 'hang' });
    const jobId = await rendered();
    expect(await deliveryOf(jobId)).toMatchObject({ kind: 'notified', data: { attempt: 2 } });
  });

  it('is not sent where a redirect points', async () => {
    backend.pushAnswers({ kind: 'redirect', location: `${backend.url}/elsewhere` });
    const jobId = await rendered();
    expect(await deliveryOf(jobId)).toMatchObject({ kind: 'undeliverable', data: { reason: 'redirect 307 refused' } });
  });

  it('obeys Retry-After', async () => {
    backend.pushAnswers({ kind: 'http', status: 429, retryAfter: 1 });
    const jobId = await rendered();
    expect(await deliveryOf(jobId)).toMatchObject({ kind: 'notified', data: { attempt: 2 } });
    const [first, second] = backend.deliveries().map((delivery) => Date.parse(delivery.at));
    expect(Number(second) - Number(first)).toBeGreaterThanOrEqual(990);
  });

  it('is told by one of two notifiers, and its attempts are counted over both and over a crash', async () => {
    const second = await spawn();
    await second.ready();
    backend.pushAnswers({ kind: 'http', status: 503, times: 2 });
    const jobId = await rendered();
    await until(() => backend.deliveries().length >= 1, { what: 'the first attempt' });
    await notifier.kill();
    notifier = await spawn();
    expect(await deliveryOf(jobId)).toMatchObject({ kind: expect.stringMatching(/notified|undeliverable/) });
    const ids = new Set(backend.deliveries().map((delivery) => delivery.headers['webhook-id']));
    expect(ids).toEqual(new Set([`msg_${jobId}`]));
    // A crash between an answer and its record costs one repeat at most.
    expect(backend.deliveries().length).toBeLessThanOrEqual(4);
    await second.stop();
  });
});

describe('a webhook that is not told yet', () => {
  it('when its job is replayed and has ended anew is told no more: the new end is, and nothing behind it', async () => {
    await using alone = await stepAlone();
    const failed = await alone.failed('replayed');
    alone.answerWith(async () => ({ kind: 'network', code: 'ECONNREFUSED' }));
    expect(await alone.handle(failed)).toMatchObject({ comeBackInMs: expect.any(Number) });
    const rendered = await alone.renderedBehind(failed);
    alone.answerWith(async () => ({ kind: 'answer', status: 200 }));
    for (const outcome of [failed, rendered, failed, rendered]) expect(await alone.handle(outcome)).toBeUndefined();
    expect(alone.told()).toEqual(['completed']);
    expect(await alone.deliveryOf('replayed')).toMatchObject({ kind: 'notified', run: 2 });
  });

  it('when its job runs anew is told no more: the backend does not hear “failed” of a job that goes on', async () => {
    await using alone = await stepAlone();
    const received = await alone.received('running-anew', 1, 0);
    const failed = await alone.failed('running-anew');
    alone.answerWith(async () => ({ kind: 'network', code: 'ECONNREFUSED' }));
    expect(await alone.handle(failed)).toMatchObject({ comeBackInMs: expect.any(Number) });
    await alone.received('running-anew', 2, received.seq);
    alone.answerWith(async () => ({ kind: 'answer', status: 200 }));
    expect(await alone.handle(failed)).toBeUndefined();
    expect(alone.told()).toEqual([]);
    await alone.handle(await alone.renderedBehind(failed));
    expect(alone.told()).toEqual(['completed']);
  });

  it('is not given up for the time in which there was no notifier, should the backend stumble then', async () => {
    await using alone = await stepAlone({ failuresToOpen: 1, openMs: 60_000 });
    const [stumbled, waited] = [await alone.failed('stumbled'), await alone.failed('waited')];
    alone.answerWith(async () => ({ kind: 'network', code: 'ECONNREFUSED' }));
    await alone.handle(stumbled);
    expect(await alone.handle(waited, new Date(Date.now() - 3_600_000))).toMatchObject({
      comeBackInMs: expect.any(Number),
    });
    expect(await alone.deliveryOf('waited')).toBeUndefined();
  });

  it('looks at a backend that is down no more often than its deliveries last for', async () => {
    await using alone = await stepAlone({ failuresToOpen: 1, openMs: 5_000 }, 6_000_000);
    alone.answerWith(async () => ({ kind: 'network', code: 'ECONNREFUSED' }));
    await alone.handle(await alone.failed('first'));
    // Longer than the circuit stays open.
    expect(await alone.handle(await alone.failed('second'))).toEqual({ comeBackInMs: 6_000 });
  });

  it('and has had all its deliveries is given up, but not where its job runs anew', async () => {
    await using alone = await stepAlone();
    for (const jobId of ['exhausted', 'exhausted-anew']) {
      const received = await alone.received(jobId, 1, 0);
      const failed = await alone.failed(jobId);
      if (jobId === 'exhausted-anew') await alone.received(jobId, 2, received.seq);
      await alone.fail(failed);
    }
    expect(await alone.deliveryOf('exhausted')).toMatchObject({ kind: 'undeliverable' });
    expect(await alone.deliveryOf('exhausted-anew')).toBeUndefined();
    expect(await alone.broker.listDead(0, 10)).toMatchObject([{ job_id: 'exhausted' }]);
  });

  it('is told although the job’s request cannot be read', async () => {
    await using alone = await stepAlone();
    await using raw = await rawNats(alone.url);
    await raw.publish(subjectOf('received', 'unreadable'), '{"v": 2}');
    alone.answerWith(async () => ({ kind: 'answer', status: 200 }));
    await alone.handle(await alone.failed('unreadable'));
    expect(alone.told()).toEqual(['failed']);
  });

  it('when its job, replayed meanwhile, ends anew does not stand for the new end', async () => {
    await using alone = await stepAlone();
    const failed = await alone.failed('overtaken');
    let rendered: StoredEvent | undefined;
    alone.answerWith(async () => {
      rendered = await alone.renderedBehind(failed);
      return { kind: 'answer', status: 200 };
    });
    await alone.handle(failed);
    expect(await alone.deliveryOf('overtaken')).toMatchObject({ kind: 'notified', run: 1 });
    alone.answerWith(async () => ({ kind: 'answer', status: 200 }));
    await alone.handle(rendered as StoredEvent);
    expect(alone.told()).toEqual(['failed', 'completed']);
    expect(await alone.deliveryOf('overtaken')).toMatchObject({ kind: 'notified', run: 2 });
  });

  it.each([
    [410, 'undeliverable'],
    [200, 'notified'],
  ])(
    'ends after HTTP %i as %s, also behind an attempt that another notifier records just then',
    async (status, kind) => {
      await using alone = await stepAlone();
      const failed = await alone.failed('two-notifiers');
      alone.answerWith(async () => {
        const attempt = { attempt: 1, reason: 'timeout', next_attempt_at: new Date().toISOString() };
        await alone.broker.publish(createEvent('attempted', 'two-notifiers', attempt, { part: 'other' }), 0);
        return { kind: 'answer', status };
      });
      expect(await alone.handle(failed)).toBeUndefined();
      expect(await alone.deliveryOf('two-notifiers')).toMatchObject({ kind });
    },
  );
});

describe('a backend that is down', () => {
  it('is left alone after some failures in a row, and asked by one webhook until it is up; then all are told', async () => {
    const calm = await spawn({ CIRCUIT_FAILURES: '3', CIRCUIT_OPEN_MS: '400', WEBHOOK_ATTEMPTS_MAX: '10' });
    await calm.ready();
    await notifier.stop();
    backend.setBehaviour({ status: 500 });
    const jobs: string[] = [];
    for (let index = 0; index < 20; index++) jobs.push(await rendered());
    await until(() => backend.deliveries().length >= 3, { what: 'the failures that open the circuit' });
    const readiness = async () =>
      (await fetch(`${calm.url}/readyz`)).json() as Promise<{ status: string; checks: unknown }>;
    expect(await readiness()).toMatchObject({ status: 'ready', checks: { nats: 'ok', backend: 'no answer' } });
    expect(await (await fetch(`${calm.url}/metrics`)).text()).toContain('pet_roast_webhook_circuit_open 1');
    const before = backend.deliveries().length;
    await until(() => backend.deliveries().length > before, { what: 'a probe' });
    // At most the slots that were at it when the circuit opened, and one probe for each time it was open.
    expect(backend.deliveries().length).toBeLessThanOrEqual(16 + 5);
    backend.setBehaviour({ status: 200 });
    for (const jobId of jobs) expect(await deliveryOf(jobId)).toMatchObject({ kind: 'notified' });
    await calm.stop();
    notifier = await spawn();
    await notifier.ready();
  });

  it('for longer than a webhook may wait is told nothing, and the webhook is a dead letter', async () => {
    const calm = await spawn({
      CIRCUIT_FAILURES: '1',
      // Longer than a webhook waits: none of them is the one that asks again.
      CIRCUIT_OPEN_MS: '5000',
      WEBHOOK_HOLD_MS: '500',
      WEBHOOK_ATTEMPTS_MAX: '50',
    });
    await calm.ready();
    await notifier.stop();
    backend.setBehaviour({ status: 500 });
    const jobs = [await rendered(), await rendered()];
    for (const jobId of jobs) {
      expect(await deliveryOf(jobId)).toMatchObject({ kind: 'undeliverable', data: { reason: 'the backend is down' } });
    }
    backend.setBehaviour({ status: 200 });
    await calm.stop();
    notifier = await spawn();
    await notifier.ready();
  });
});

describe('the connection test', () => {
  const ask = async (of: RunningService = notifier) => (await fetch(`${of.url}/test-backend-connection`)).json();

  it('says success, with the answer’s code and time, and marks its webhook as a test', async () => {
    expect(await ask()).toMatchObject({ status: 'success', response_code: 200, response_time_ms: expect.any(Number) });
    expect(backend.deliveries()[0]).toMatchObject({
      headers: { 'x-test': 'true' },
      body: { job_id: 'test_connection' },
    });
  });

  it('says failed with the code, timeout, or that nothing is there', async () => {
    backend.pushAnswers({ kind: 'http', status: 404 }, { kind: 'hang' });
    expect(await ask()).toMatchObject({ status: 'failed', response_code: 404 });
    expect(await ask()).toMatchObject({ status: 'timeout' });
    await backend.down();
    expect(await ask()).toMatchObject({ status: 'failed', error: 'ECONNREFUSED', response_code: null });
    await backend.up();
  });

  it('says not_configured where no backend is', async () => {
    const lonely = await spawn({ BACKEND_WEBHOOK_URL: '' });
    expect(await ask(lonely)).toMatchObject({ status: 'not_configured', backend_url: null });
    await lonely.stop();
  });
});

describe('a wrong configuration', () => {
  it.each([
    [{ BACKEND_WEBHOOK_SECRET: '' }, 'BACKEND_WEBHOOK_SECRET is missing'],
    [{ BACKEND_WEBHOOK_SECRET: 'geheim' }, 'BACKEND_WEBHOOK_SECRET is not valid'],
    [{ BACKEND_WEBHOOK_URL: 'backend' }, 'BACKEND_WEBHOOK_URL is not valid'],
    [{ BACKEND_WEBHOOK_URL: 'http://backend.example' }, 'BACKEND_WEBHOOK_URL has to begin with https://'],
    [{ WEBHOOK_WAITS_MS: '1,x' }, 'WEBHOOK_WAITS_MS is not valid'],
  ])('stops the process and names the variable: %j', async (wrong, message) => {
    await expect(spawn(wrong)).rejects.toThrow(message);
  });
});

async function rendered(): Promise<string> {
  const jobId = crypto.randomUUID();
  const data = { video_url: 'https://v.example/1.mp4', told_by: 'callback' } as const;
  await broker.publish(createEvent('rendered', jobId, data), 0);
  return jobId;
}

function deliveryOf(jobId: string): Promise<StoredEvent> {
  const ended = async () => {
    const event = await broker.readLast(subjectOf('delivery', jobId));
    return event?.kind === 'attempted' ? undefined : event;
  };
  return until(ended, { what: `the delivery of ${jobId}`, timeoutMs: 20_000 });
}

function request() {
  return {
    ...{ text: 'x', image_url: 'https://x.example', target_language: 'en', request_id: 'r', request_sha256: 's' },
    deadline_at: new Date(Date.now() + 3_600_000).toISOString(),
  };
}

/** The step with a NATS of its own and no process: the test hands it the outcomes, in its own order, and answers. */
async function stepAlone(circuit = { failuresToOpen: 100, openMs: 1_000 }, holdMs = 60_000) {
  const server = await natsForTest();
  const ownBroker = await brokerForTest(server.url);
  const log = createLog('test', 'silent');
  const told: string[] = [];
  let answer: () => ReturnType<PostWebhook>;
  const step = outcomeToNotified({
    broker: ownBroker,
    async post({ body }) {
      const result = await answer();
      if (result.kind === 'answer') told.push((JSON.parse(body) as { status: string }).status);
      return result;
    },
    secrets: [secret],
    policy: { attemptsMax: 3, waitsMs: [0] },
    circuit: createCircuit(circuit),
    holdMs,
  });
  const context: StageContext = { signal: new AbortController().signal, deliveries: 1, storedAt: new Date(), log };
  const failure = { code: 'render_unreachable', at: 'submit', notify: true } as const;
  const video = { video_url: 'https://v.example/1.mp4', told_by: 'poll' } as const;
  return {
    broker: ownBroker,
    url: server.url,
    handle: (outcome: StoredEvent, storedAt = new Date()) => step.handle(outcome, { ...context, storedAt }),
    /** As after the last of its deliveries. */
    fail: (outcome: StoredEvent) =>
      step.fail(outcome, { code: 'attempts_exhausted', why: 'exhausted', error: new Error('for a test') }, context),
    received: async (jobId: string, run: number, expected: number) =>
      (await ownBroker.publish(createEvent('received', jobId, request(), { run }), expected)).event,
    failed: async (jobId: string) => (await ownBroker.publish(createEvent('failed', jobId, failure), 0)).event,
    renderedBehind: async ({ job_id, seq }: StoredEvent) =>
      (await ownBroker.publish(createEvent('rendered', job_id, video, { run: 2 }), seq)).event,
    answerWith(next: () => ReturnType<PostWebhook>) {
      answer = next;
    },
    /** The statuses that the backend has heard, in order. */
    told: () => told,
    deliveryOf: (jobId: string) => ownBroker.readLast(subjectOf('delivery', jobId)),
    async [Symbol.asyncDispose]() {
      await ownBroker.close();
      await server.close();
    },
  };
}
