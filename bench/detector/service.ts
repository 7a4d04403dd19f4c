import { setTimeout as sleep } from 'node:timers/promises';
import { startImageHost } from '@pet-roast/sandbox';
import { type Broker, createEvent, type StoredEvent } from '@pet-roast/shared';
import { brokerForTest, natsForTest, spawnService } from '@pet-roast/testing';
import type { BenchPhoto } from './photos.ts';

export type BenchService = {
  /** Of the detectors, in the order of their start. */
  readonly pids: readonly number[];
  /** From the start of the first one's process until it said that it was ready. */
  readonly readyMs: number;
  /** Images a second when all jobs wait from the start. */
  rate(images: number): Promise<number>;
  /** From event to verdict, in ms, of each photo at a steady rate. */
  latencies(perSecond: number, forMs: number): Promise<number[]>;
  [Symbol.asyncDispose](): Promise<void>;
};

const verdictTimeoutMs = 120_000;

/** `replicas` detector processes with a NATS of their own, and a host with the photos. */
export async function startService(photos: readonly BenchPhoto[], replicas = 1): Promise<BenchService> {
  await using stack = new AsyncDisposableStack();
  const nats = stack.use(await natsForTest());
  const host = stack.use(await startImageHost());
  const urls = photos.map(({ file, bytes }) => host.add(`/${file}`, bytes));
  const broker = await brokerForTest(nats.url);
  stack.defer(() => broker.close());
  const started = await Promise.all(
    Array.from({ length: replicas }, async () => {
      const from = performance.now();
      const service = stack.use(
        await spawnService({ entry: 'services/detector/src/main.ts', env: serviceEnv(nats.url) }),
      );
      await service.ready();
      return { pid: service.pid, readyMs: performance.now() - from };
    }),
  );
  const verdicts = await followVerdicts(broker);
  stack.defer(() => verdicts.stop());
  const owned = stack.move();

  let sent = 0;
  const send = async (): Promise<string> => {
    const jobId = crypto.randomUUID();
    await broker.publish(receivedEvent(jobId, urls[sent++ % urls.length] ?? ''), 0);
    return jobId;
  };
  return {
    pids: started.map(({ pid }) => pid),
    readyMs: started[0]?.readyMs ?? Number.NaN,
    async rate(images) {
      const from = performance.now();
      const jobs = await Promise.all(Array.from({ length: images }, send));
      await Promise.all(jobs.map((jobId) => verdicts.of(jobId)));
      return (images / (performance.now() - from)) * 1_000;
    },
    async latencies(perSecond, forMs) {
      const started = performance.now();
      const waiting: Promise<number>[] = [];
      for (let index = 0; performance.now() - started < forMs; index++) {
        await sleep(Math.max(0, started + (index * 1_000) / perSecond - performance.now()));
        const from = performance.now();
        waiting.push(send().then(async (jobId) => (await verdicts.of(jobId)) - from));
      }
      return await Promise.all(waiting);
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function serviceEnv(natsUrl: string): Record<string, string> {
  const names = ['MODEL_PATH', 'MODEL_MIRROR', 'MODEL_NAME', 'MODEL_SECOND_NAME', 'STAGE_SLOTS'];
  const given = names.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : []));
  return { ...Object.fromEntries(given), NATS_URL: natsUrl, SANDBOX: 'true', LOG_LEVEL: 'info' };
}

/** When each job's verdict was heard of, by this process's clock. */
async function followVerdicts(broker: Broker) {
  const heard = new Map<string, PromiseWithResolvers<number>>();
  const slotOf = (jobId: string) => {
    const slot = heard.get(jobId) ?? Promise.withResolvers<number>();
    heard.set(jobId, slot);
    return slot;
  };
  const follower = await broker.follow('verdict', (event: StoredEvent) =>
    slotOf(event.job_id).resolve(performance.now()),
  );
  return {
    stop: follower.stop,
    of: async (jobId: string): Promise<number> => {
      const overdue = sleep(verdictTimeoutMs, undefined, { ref: false }).then(() => {
        throw new Error(`no verdict on job ${jobId} in ${verdictTimeoutMs} ms`);
      });
      const at = await Promise.race([slotOf(jobId).promise, overdue]);
      heard.delete(jobId);
      return at;
    },
  };
}

function receivedEvent(jobId: string, imageUrl: string) {
  return createEvent('received', jobId, {
    ...{ text: 'bench', image_url: imageUrl, target_language: 'en', request_id: 'bench', request_sha256: '' },
    deadline_at: new Date(Date.now() + 3_600_000).toISOString(),
  });
}
