/** The broker module against a real server: what is decided once, what repeats do, what is read back. */
import { createEvent, endJob, failJob, type openBroker, type StoredEvent, steps, subjectOf } from '@pet-roast/shared';
import { brokerForTest, natsForTest, rawNats, until } from '@pet-roast/testing';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const nanosPerMs = 1_000_000;
let nats: Awaited<ReturnType<typeof natsForTest>>;
let broker: Awaited<ReturnType<typeof openBroker>>;
let other: typeof broker;

const open = (streamBytesMax = 50_000_000) => brokerForTest(nats.url, { streamBytesMax, setsLimits: true });

beforeAll(async () => {
  nats = await natsForTest();
  [broker, other] = await Promise.all([open(), open()]);
});
afterAll(async () => {
  await Promise.all([broker?.close(), other?.close()]);
  await nats?.close();
});

const detected = (jobId: string, late = false) =>
  createEvent('detected', jobId, { pets: [], late }, late ? { part: 'late' } : {});
const answered = (jobId: string) => createEvent('answered', jobId, { waited_ms: 1 });

describe('a subject that decides', () => {
  it('lets exactly one of two that exclude one another happen, and tells the loser who won', async () => {
    for (let round = 0; round < 20; round++) {
      const jobId = `race-${round}`;
      const [a, b] = await Promise.all([broker.publish(detected(jobId), 0), other.publish(answered(jobId), 0)]);
      expect([a.ours, b.ours].filter(Boolean)).toHaveLength(1);
      expect(a.event.id).toBe(b.event.id);
      expect(a.event.seq).toBe(b.event.seq);
    }
  });

  it('takes a repeat of the same event as the one event it is, with the sequence it got', async () => {
    const first = await broker.publish(detected('repeat'), 0);
    const again = await other.publish(detected('repeat'), 0);
    expect(again).toMatchObject({ ours: true, event: { seq: first.event.seq } });
  });

  it('gives a repeat under the same id the content that stands, not the one that was sent', async () => {
    await broker.publish(createEvent('failed', 'content', { code: 'render_failed', at: 'a', notify: true }), 0);
    const other = createEvent('failed', 'content', { code: 'render_timed_out', at: 'b', notify: true });
    const repeated = await broker.publish(other, 0);
    expect(repeated.event.data).toMatchObject({ code: 'render_failed', at: 'a' });
  });

  it('lets the late verdict follow the answer that came before it', async () => {
    const { event } = await broker.publish(answered('late'), 0);
    const lost = await other.publish(detected('late'), 0);
    expect(lost).toMatchObject({ ours: false, event: { kind: 'answered' } });
    const followed = await other.publish(detected('late', true), event.seq);
    expect(followed).toMatchObject({ ours: true, event: { kind: 'detected', data: { late: true } } });
  });
});

describe('reading back', () => {
  it('finds the last event of a subject, and nothing where there is none', async () => {
    await broker.publish(detected('read'), 0);
    expect(await other.readLast(subjectOf('verdict', 'read'))).toMatchObject({ kind: 'detected' });
    expect(await other.readLast(subjectOf('outcome', 'read'))).toBeUndefined();
    expect((await other.readJob('read')).map((event) => event.kind)).toEqual(['detected']);
    expect(await other.readJob('never-there')).toEqual([]);
  });

  it('follows a subject from now on', async () => {
    const seen: StoredEvent[] = [];
    const follower = await broker.follow('verdict', (event) => seen.push(event));
    await other.publish(detected('followed'), 0);
    await until(() => seen.some((event) => event.job_id === 'followed'), { what: 'the followed verdict' });
    expect(seen.filter((event) => event.job_id === 'race-0')).toEqual([]);
    await follower.stop();
  });
});

describe('a replay of the stream', () => {
  it('gives every event once, in order, and has no more of them in hand than a page', async () => {
    await using own = await natsForTest();
    await using raw = await rawNats(own.url);
    const filled = await brokerForTest(own.url);
    const [events, page] = [2_000, 100];
    for (let from = 0; from < events; from += page) {
      await Promise.all(
        Array.from({ length: page }, (_, index) => filled.publish(detected(`replayed-${from + index}`))),
      );
    }
    const places: number[] = [];
    const inHand: number[] = [];
    const count = await filled.replay(async (batch) => {
      // However slowly a page is dealt with, the server is not asked for the next.
      for (let look = 0; look < 5; look++) {
        const [reader] = await raw.manager.consumers.list('JOBS').next();
        inHand.push(Number(reader?.delivered.consumer_seq) - places.length);
      }
      places.push(...batch.map(({ seq }) => seq));
    }, page);
    expect(count).toBe(events);
    expect(places).toEqual(Array.from({ length: events }, (_, index) => index + 1));
    expect(Math.max(...inHand)).toBe(page);
    await filled.close();
  });

  it('that loses its reader between two pages goes on behind the last event that it had', async () => {
    await using own = await natsForTest();
    await using raw = await rawNats(own.url);
    const filled = await brokerForTest(own.url);
    for (let index = 0; index < 10; index++) await filled.publish(detected(`reader-${index}`));
    const places: number[] = [];
    const count = await filled.replay(async (batch) => {
      places.push(...batch.map(({ seq }) => seq));
      if (batch.length === 0 || places.length > 4) return;
      const [reader] = await raw.manager.consumers.list('JOBS').next();
      await raw.manager.consumers.delete('JOBS', reader?.name ?? '');
    }, 4);
    expect(count).toBe(10);
    expect(places).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  });

  it('of an empty stream gives nothing', async () => {
    await using own = await natsForTest();
    const empty = await brokerForTest(own.url);
    expect(await empty.replay(() => Promise.reject(new Error('there is nothing')), 100)).toBe(0);
    await empty.close();
  });
});

describe('what the server holds', () => {
  it('gets the limits and times of now, also where it has older ones', async () => {
    await using raw = await rawNats(nats.url);
    const { manager } = raw;
    await broker.openStep('detect');
    const { config } = await manager.consumers.info('JOBS', 'detector-detect');
    await manager.consumers.update('JOBS', 'detector-detect', { ...config, ack_wait: 99_000 * nanosPerMs });
    await broker.openStep('detect');
    expect((await manager.consumers.info('JOBS', 'detector-detect')).config.ack_wait).toBe(
      steps.detect.ackWaitMs * nanosPerMs,
    );

    for (const name of ['project', 'expire'] as const) {
      await broker.openStep(name);
      // A status must never stay behind what happened, and no job be without its deadline.
      expect((await manager.consumers.info('JOBS', `gateway-${name}`)).config.max_deliver).toBe(-1);
    }

    const larger = await open(99_000_000);
    expect((await manager.streams.info('JOBS')).config.max_bytes).toBe(99_000_000);
    await larger.close();
    // Below what is stored, nats-server 2.9 would drop events at once.
    const smaller = await open(1_000);
    expect((await raw.manager.streams.info('JOBS')).config.max_bytes).toBe(99_000_000);
    await smaller.close();
  });

  it('is made again when it was lost, and the step goes on', async () => {
    const pull = await broker.openStep('settle');
    await using raw = await rawNats(nats.url);
    await raw.manager.consumers.delete('JOBS', 'revid-bridge-settle');
    await broker.publish(createEvent('callback', 'lost-consumer', { status: 'ready' }, { part: 'x' }));
    const delivery = await until(pull, { what: 'the callback', timeoutMs: 60_000 });
    expect(delivery.subject).toBe('jobs.v1.callback.lost-consumer');
    delivery.ack();
  });
});

describe('a job that ends', () => {
  it('after its caller was told in the answer is not told again, whoever ends it', async () => {
    await broker.publish(createEvent('rejected', 'told', { code: 'no_pets_detected', late: false }), 0);
    const { event } = await endJob(broker, 'told', { code: 'deadline_exceeded', at: 'expire' });
    expect(event.data).toEqual({ code: 'no_pets_detected', at: 'detect', notify: false });
  });

  it('is told where the rejection came after the answer', async () => {
    await broker.publish(createEvent('rejected', 'late-no', { code: 'no_pets_detected', late: true }), 0);
    const { event } = await endJob(broker, 'late-no', { code: 'no_pets_detected', at: 'detect' });
    expect(event.data).toMatchObject({ code: 'no_pets_detected', notify: true });
  });

  it('leaves no dead letter where it had ended well before', async () => {
    await broker.publish(createEvent('rendered', 'well', { video_url: 'https://v.example/1.mp4', told_by: 'poll' }), 0);
    const received = { ...createEvent('answered', 'well', { waited_ms: 1 }), seq: 1 } as StoredEvent;
    await failJob(broker, 'expire')(received, { code: 'deadline_exceeded', why: 'exhausted', error: undefined });
    expect((await broker.listDead(0, 100)).filter((letter) => letter.job_id === 'well')).toEqual([]);
  });
});

describe('a broker that is away', () => {
  it('is waited for while it restarts, and what was acknowledged is still there', async () => {
    await broker.publish(detected('restart'), 0);
    await nats.restart();
    const { event } = await broker.publish(createEvent('cancelled', 'restart', { notify: true }), 0);
    expect(event.kind).toBe('cancelled');
    expect(await broker.readLast(subjectOf('verdict', 'restart'))).toMatchObject({ kind: 'detected' });
  });

  it('cannot be opened where nothing listens, and says so within its time', async () => {
    const nowhere = brokerForTest('nats://127.0.0.1:1', { connectTimeoutMs: 300 });
    await expect(nowhere).rejects.toMatchObject({ name: 'BrokerUnavailable' });
  });
});
