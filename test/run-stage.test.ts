/** The consume loop against a real server: settlements, slots, poison, stopping. */
import {
  type Broker,
  createEvent,
  createLog,
  Permanent,
  RetryLater,
  runStage,
  type Stage,
  subjectOf,
} from '@pet-roast/shared';
import { brokerForTest, natsForTest, rawNats, until } from '@pet-roast/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const log = createLog('test', 'silent');
let nats: Awaited<ReturnType<typeof natsForTest>>;
let broker: Broker;

beforeEach(async () => {
  nats = await natsForTest();
  broker = await brokerForTest(nats.url);
});
afterEach(async () => {
  await broker.close();
  await nats.close();
});

const detected = (jobId: string) => createEvent('detected', jobId, { pets: [], late: false });
const stageOf = (parts: Partial<Stage>): Stage => ({
  step: 'translate',
  handle: async () => undefined,
  fail: async () => {},
  ...parts,
});

describe('a stage', () => {
  it('tries again what may pass, and is done when it passed', async () => {
    const deliveries: number[] = [];
    const handle: Stage['handle'] = async (_event, context) => {
      deliveries.push(context.deliveries);
      if (deliveries.length < 3) throw new RetryLater('translation_failed', { retryAfterMs: 1 });
      return undefined;
    };
    const running = await runStage(stageOf({ handle }), { broker, log });
    await broker.publish(detected('retry'), 0);
    await until(() => deliveries.length === 3, { what: 'three deliveries' });
    await running.stop();
    expect(deliveries).toEqual([1, 2, 3]);
  });

  it('fails at once what no attempt can help, exactly once', async () => {
    const failures: string[] = [];
    const running = await runStage(
      stageOf({
        handle: async () => {
          throw new Permanent('language_not_supported');
        },
        fail: async (event, failure) => void failures.push(`${event.job_id} ${failure.code} ${failure.why}`),
      }),
      { broker, log },
    );
    await broker.publish(detected('permanent'), 0);
    await broker.publish(detected('marker'), 0);
    await until(() => failures.length === 2, { what: 'both failures' });
    await running.stop();
    expect(failures.toSorted()).toEqual([
      'marker language_not_supported permanent',
      'permanent language_not_supported permanent',
    ]);
  });

  it('never has more messages in hand than it has slots', async () => {
    let [now, most, done] = [0, 0, 0];
    const gate = Promise.withResolvers<void>();
    const handle: Stage['handle'] = async () => {
      now++;
      most = Math.max(most, now);
      await gate.promise;
      now--;
      done++;
      return undefined;
    };
    for (let index = 0; index < 12; index++) await broker.publish(detected(`slots-${index}`), 0);
    const running = await runStage(stageOf({ handle }), { broker, log, slots: 3 });
    await until(() => now === 3, { what: 'three at once' });
    await using raw = await rawNats(nats.url);
    const info = await raw.manager.consumers.info('JOBS', 'translator-translate');
    expect(info.num_ack_pending).toBe(3);
    gate.resolve();
    await until(() => done === 12, { what: 'all twelve' });
    await running.stop();
    expect(most).toBe(3);
  });

  it('lets what it gave back itself be tried again beside the others, for it has killed nobody', async () => {
    const handled: string[] = [];
    const gate = Promise.withResolvers<void>();
    const handle: Stage['handle'] = async (event, context) => {
      if (event.job_id === 'slow') await gate.promise;
      if (event.job_id === 'again' && context.deliveries === 1)
        throw new RetryLater('translation_failed', { retryAfterMs: 1 });
      handled.push(event.job_id);
      return undefined;
    };
    const running = await runStage(stageOf({ handle }), { broker, log });
    await broker.publish(detected('slow'), 0);
    await broker.publish(detected('again'), 0);
    await until(() => handled.includes('again'), { what: 'the retry, while another is at work', timeoutMs: 5_000 });
    await broker.publish(detected('next'), 0);
    await until(() => handled.includes('next'), { what: 'the next one', timeoutMs: 5_000 });
    gate.resolve();
    await until(() => handled.includes('slow'), { what: 'the slow one' });
    await running.stop();
  });

  it('buries what it cannot read, fails the job, and goes on', async () => {
    const handled: string[] = [];
    const running = await runStage(
      stageOf({
        handle: async (event) => {
          handled.push(event.job_id);
          return undefined;
        },
      }),
      { broker, log },
    );
    await using raw = await rawNats(nats.url);
    await raw.publish('jobs.v1.verdict.poisoned', 'not json');
    await broker.publish(detected('after-poison'), 0);
    await until(() => handled.includes('after-poison'), { what: 'the message behind the poison' });
    const outcome = await until(() => broker.readLast(subjectOf('outcome', 'poisoned')), { what: 'the outcome' });
    expect(outcome).toMatchObject({ kind: 'failed', data: { code: 'internal' } });
    const { manager } = raw;
    const letter = await manager.streams.getMessage('DEAD', { last_by_subj: 'dead.v1.translate.poisoned' });
    expect(letter.json()).toMatchObject({
      cause: 'unreadable',
      raw_base64: Buffer.from('not json').toString('base64'),
    });
    await running.stop();
  });

  it('ends no job for what it cannot read where the job has gone on without it, and none for a callback', async () => {
    const running = await Promise.all([
      runStage(stageOf({}), { broker, log }),
      runStage(stageOf({ step: 'settle' }), { broker, log }),
    ]);
    await using raw = await rawNats(nats.url);
    const translation = { text: 'x', source_language: 'en', target_language: 'en', translated: false, pieces: 0 };
    await broker.publish(createEvent('translated', 'gone-on', translation), 0);
    await raw.publish('jobs.v1.verdict.gone-on', 'not json');
    await raw.publish('jobs.v1.callback.told', 'not json');
    const buried = async () => (await broker.listDead(0, 10)).map((letter) => letter.job_id).toSorted();
    await until(async () => (await buried()).length === 2, { what: 'both letters' });
    expect(await buried()).toEqual(['gone-on', 'told']);
    // Stopped, it has done all that it does about them.
    await Promise.all(running.map((stage) => stage.stop()));
    for (const jobId of ['gone-on', 'told']) expect(await broker.readLast(subjectOf('outcome', jobId))).toBeUndefined();
  });

  it('gives up on a handler whose last attempt fails, and the server delivers it no more', async () => {
    const failures: string[] = [];
    let attempts = 0;
    const running = await runStage(
      stageOf({
        handle: async () => {
          attempts++;
          if (attempts < 6) return { comeBackInMs: 1 };
          throw new RetryLater('translation_failed');
        },
        fail: async (_event, failure) => void failures.push(failure.why),
      }),
      { broker, log },
    );
    await broker.publish(detected('exhausted'), 0);
    await until(() => failures.length === 1, { what: 'giving up' });
    await running.stop();
    expect(failures).toEqual(['exhausted']);
    expect(attempts).toBe(6);
  });

  it('hands back what comes while it stops once, not once for each of its slots', async () => {
    const stopping = await runStage(stageOf({}), { broker, log, slots: 8 });
    await using raw = await rawNats(nats.url);
    const waiting = async () => (await raw.manager.consumers.info('JOBS', 'translator-translate')).num_waiting;
    await until(async () => (await waiting()) === 8, { what: 'all slots to wait' });
    const stopped = stopping.stop();
    await broker.publish(detected('handed-back'), 0);
    await stopped;
    const deliveries: number[] = [];
    const handle: Stage['handle'] = async (_event, context) => void deliveries.push(context.deliveries);
    const next = await runStage(stageOf({ handle }), { broker, log });
    await until(() => deliveries.length === 1, { what: 'it to be handled' });
    await next.stop();
    expect(deliveries).toEqual([2]);
  });

  it('finishes what is in hand when it stops, and leaves the rest for others', async () => {
    const handled: string[] = [];
    const started = Promise.withResolvers<void>();
    const gate = Promise.withResolvers<void>();
    const first = await runStage(
      stageOf({
        handle: async (event) => {
          started.resolve();
          await gate.promise;
          handled.push(event.job_id);
          return undefined;
        },
      }),
      { broker, log, slots: 1 },
    );
    await broker.publish(detected('in-hand'), 0);
    await started.promise;
    await broker.publish(detected('left'), 0);
    const stopping = first.stop();
    gate.resolve();
    await stopping;
    expect(handled).toEqual(['in-hand']);
    const second = await runStage(
      stageOf({
        handle: async (event) => {
          handled.push(event.job_id);
          return undefined;
        },
      }),
      { broker, log },
    );
    await until(() => handled.length === 2, { what: 'the rest' });
    await second.stop();
    expect(handled).toEqual(['in-hand', 'left']);
  });
});
