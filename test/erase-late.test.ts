/** What was on its way when its job was erased, or comes later: it moves nothing, tells nobody, and does not stay. */
import { readFile } from 'node:fs/promises';
import { type Broker, failJob, type JobEvent, type StoredEvent, subjectOf } from '@pet-roast/shared';
import {
  brokerForTest,
  type RawNats,
  rawNats,
  type ServiceName,
  startTestSystem,
  type TestSystem,
  until,
} from '@pet-roast/testing';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { apiOf } from './helpers/api.ts';
import { content, laterEventsOf } from './helpers/erased-job.ts';
import { erasingOf } from './helpers/erasing.ts';

const pet = new URL('../packages/sandbox/assets/pet.jpg', import.meta.url);
const hindi = 'मेरा कुत्ता बहुत आलसी है।';
const never = { at: 'render', kind: 'behave', behaviour: { result: 'never' } } as const;
let t: TestSystem;
let raw: RawNats;
let redis: Redis;
let broker: Broker;
let api: ReturnType<typeof apiOf>;
let erasing: ReturnType<typeof erasingOf>;

beforeAll(async () => {
  t = await startTestSystem({
    env: { DETECT_WAIT_MS: '300' },
    world: { images: { 'pet.jpg': await readFile(pet) } },
  });
  [raw, broker] = await Promise.all([rawNats(t.nats.url), brokerForTest(t.nats.url)]);
  redis = new Redis(t.redis.url);
  redis.on('error', () => undefined);
  api = apiOf(t);
  erasing = erasingOf(t, raw, redis);
});
afterAll(async () => {
  redis?.disconnect();
  await Promise.all([broker?.close(), raw?.[Symbol.asyncDispose]()]);
  await t?.[Symbol.asyncDispose]();
});
beforeEach(async () => {
  await t.settled();
  t.world.revid.clearFaults();
  t.world.bhashini.clearFaults();
  t.world.backend.clearAnswers();
});

/** Cancels and erases a job. What is in a step's hand just then may still write, and is deleted behind it. */
async function eraseNow(jobId: string): Promise<void> {
  expect((await api.cancel(jobId)).status).toBe(202);
  expect(await erasing.erase(jobId)).toEqual({ status: 204, code: undefined });
}

type Told = { readonly renders: number; readonly webhooks: number };
/** Looked at again behind all other tests: by then whatever was slow has happened. */
const quiet = new Map<string, Told>();

/** Nothing of the job is there, and nobody is told more than before. */
async function expectQuiet(jobId: string, told: Told): Promise<void> {
  quiet.set(jobId, told);
  await t.settled();
  await erasing.nothingLeft(jobId);
  expect(toldOf(jobId)).toEqual(told);
}

/** Waits until a service has logged something of a job. */
async function logged(name: ServiceName, jobId: string, what: string): Promise<void> {
  const isIt = (line: string) => line.includes(jobId) && line.includes(what);
  const lines = () => t.system.service(name).output().split('\n');
  await until(() => lines().some(isIt), { what: `${name} to log ${what} of ${jobId}` });
}

/** A webhook of the cancel itself may still have been on its way. */
function toldOf(jobId: string): Told {
  const webhooks = api.webhooks(jobId).map(({ body }) => body as { status: string });
  return {
    renders: api.renders(jobId).length,
    webhooks: webhooks.filter(({ status }) => status !== 'cancelled').length,
  };
}

async function erasedJob(): Promise<string> {
  const { body } = await api.generate();
  await api.ended(body.job_id);
  await erasing.erased(body.job_id);
  return body.job_id;
}

describe('what comes to a job after it is erased', () => {
  it('from the vendor is thanked for and not kept', async () => {
    t.world.revid.pushFaults(never);
    const { body } = await api.generate();
    await api.reaches(body.job_id, 'rendering');
    await eraseNow(body.job_id);
    const pid = api.renders(body.job_id)[0]?.pid ?? '';
    const sent = await t.world.revid.sendCallback(pid, { patch: { status: 'failed', error: content } });
    expect(sent).toMatchObject({ status: 200 });
    expect(await erasing.left(body.job_id)).not.toContain(subjectOf('callback', body.job_id));
    t.world.revid.finish(pid);
    await t.world.revid.callbacks.waitFor((callback) => JSON.stringify(callback).includes('ready'));
    await expectQuiet(body.job_id, { renders: 1, webhooks: 0 });
  });

  it.each(laterEventsOf('any').map(({ kind }, index) => [kind, index]))(
    'as the event %s, from a step that had looked before, moves nothing and does not stay',
    async (_kind, index) => {
      const jobId = await erasedJob();
      const told = toldOf(jobId);
      const event = laterEventsOf(jobId)[index] as JobEvent;
      await broker.publish({ ...event, id: `${event.id}:late` });
      await expectQuiet(jobId, told);
    },
  );

  it('does not stay in Redis either where that had lost the tombstone', async () => {
    const jobId = await erasedJob();
    await redis.flushall();
    const events = laterEventsOf(jobId).slice(1, 3);
    for (const event of events) await broker.publish({ ...event, id: `${event.id}:late` });
    await expectQuiet(jobId, toldOf(jobId));
  });

  it('as a step’s giving up makes no dead letter, no outcome and no webhook', async () => {
    const jobId = await erasedJob();
    const told = toldOf(jobId);
    const seen = { ...laterEventsOf(jobId)[1], seq: 1 } as StoredEvent;
    await failJob(broker, 'translate')(seen, { code: 'translation_failed', why: 'exhausted', error: undefined });
    expect(await erasing.left(jobId)).toEqual([]);
    await expectQuiet(jobId, told);
  });

  it.each(['detector-detect', 'notifier-notify', 'gateway-expire'])(
    'as the server’s giving up on a message of %s, deleted or the tombstone itself, changes nothing',
    async (consumer) => {
      const jobId = await erasedJob();
      const told = toldOf(jobId);
      const tombstone = await t.lastSeqOf(subjectOf('received', jobId));
      for (const stream_seq of [tombstone ?? 0, (tombstone ?? 0) - 1]) {
        const advisory = { stream: 'JOBS', consumer, stream_seq, deliveries: 2_003 };
        await t.publish(`$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.JOBS.${consumer}`, advisory);
      }
      await given();
      await expectQuiet(jobId, told);
    },
  );

  /** Waits until the gateway has dealt with all that the server has given up on. */
  async function given(): Promise<void> {
    await expect
      .poll(async () => {
        const { num_pending, num_ack_pending } = await raw.manager.consumers.info('DEAD', 'gateway-given-up');
        return num_pending + num_ack_pending;
      })
      .toBe(0);
  }
});

describe('what a step has in hand while its job is erased', () => {
  it('is looked at no further by the detector', async () => {
    const detector = t.system.service('detector').pid;
    const answer = api.generate({ image_url: t.world.images.urlOf('pet.jpg?while=erased') });
    await t.world.images.requests.waitFor(({ path }) => path.includes('while=erased'));
    process.kill(detector, 'SIGSTOP');
    const { body } = await answer;
    await eraseNow(body.job_id);
    process.kill(detector, 'SIGCONT');
    // The verdict comes too late to be refused, and is deleted again.
    await logged('gateway', body.job_id, '"kind":"detected"');
    await expectQuiet(body.job_id, { renders: 0, webhooks: 0 });
  });

  it('is not sent to the video service once its text is translated', async () => {
    t.world.bhashini.pushFaults({ at: 'compute', kind: 'hang', ms: 1_500 });
    const { body } = await api.generate({ text: hindi });
    await t.world.bhashini.calls.waitFor(({ at }) => at === 'compute');
    await eraseNow(body.job_id);
    await logged('gateway', body.job_id, '"kind":"translated"');
    await expectQuiet(body.job_id, { renders: 0, webhooks: 0 });
  });

  it('is paid once and then forgotten, where the video service has it just now', async () => {
    t.world.revid.pushFaults({ at: 'render', kind: 'accept_then_hang', ms: 1_500 });
    const { body } = await api.generate();
    await t.world.revid.waitForRender(({ jobId }) => jobId === body.job_id);
    await eraseNow(body.job_id);
    await logged('revid-bridge', body.job_id, 'nothing to do: the job is erased');
    await t.world.revid.callbacks.waitFor((callback) => JSON.stringify(callback).includes(body.job_id));
    await expectQuiet(body.job_id, { renders: 1, webhooks: 0 });
  });

  it('is told to the backend no more, where a webhook waits for its next attempt', async () => {
    t.world.backend.pushAnswers({ kind: 'http', status: 503, retryAfter: 2, times: 2 });
    const { body } = await api.generate();
    await logged('notifier', body.job_id, 'webhook attempt');
    await erasing.erased(body.job_id);
    // One that waits as long, and is not erased.
    const other = await api.generate();
    await api.ended(other.body.job_id);
    expect(api.webhooks(other.body.job_id)).toHaveLength(2);
    await expectQuiet(body.job_id, { renders: 1, webhooks: 1 });
  });

  it('leaves no record of an attempt, where the backend has the webhook just now', async () => {
    t.world.backend.pushAnswers({ kind: 'hang', ms: 1_000 });
    const { body } = await api.generate();
    await t.world.backend.waitForDelivery(({ job_id }) => job_id === body.job_id);
    await erasing.erased(body.job_id);
    await logged('gateway', body.job_id, '"kind":"notified"');
    await expectQuiet(body.job_id, { renders: 1, webhooks: 1 });
  });
});

describe('a replay at the same moment', () => {
  it('is done or not done, and the erasing the other', async () => {
    for (let round = 0; round < 6; round++) {
      t.world.revid.pushFaults({ at: 'render', kind: 'http', status: 422 });
      const { body } = await api.generate();
      await api.ended(body.job_id);
      type Letters = { letters: { id: number }[] };
      const { letters } = (await api.admin<Letters>(`/dead-letters?job_id=${body.job_id}`)).body;
      const replay = () => api.admin(`/dead-letters/${letters[0]?.id}/replay`, {});
      const [first, second] = round % 2 === 0 ? [erasing.erase, replay] : [replay, erasing.erase];
      const both = await Promise.all([first(body.job_id), second(body.job_id)]);
      const [erased, replayed] = round % 2 === 0 ? both : both.toReversed();
      if (erased?.status === 204) {
        expect([404, 409]).toContain(replayed?.status);
        await expectQuiet(body.job_id, { renders: 0, webhooks: 1 });
      } else {
        expect([erased?.status, replayed?.status]).toEqual([409, 200]);
        await api.completes(body.job_id);
        await t.settled();
        await erasing.erased(body.job_id);
      }
    }
  });
});

describe('all of that', () => {
  it('is still so at the end', async () => {
    await t.settled();
    expect(quiet.size).toBeGreaterThan(20);
    for (const [jobId, told] of quiet) {
      await erasing.nothingLeft(jobId);
      expect(toldOf(jobId), jobId).toEqual(told);
    }
    type Letters = { letters: { job_id: string }[] };
    const { letters } = (await api.admin<Letters>('/dead-letters')).body;
    expect(letters.filter(({ job_id }) => quiet.has(job_id))).toEqual([]);
  });
});
