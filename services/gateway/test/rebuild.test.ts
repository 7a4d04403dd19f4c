/** Redis loses everything: status stays right, and the projection is written again by itself. */
import { createEvent } from '@pet-roast/shared';
import { brokerForTest, natsForTest, redisForTest, spawnService, until } from '@pet-roast/testing';
import { Redis } from 'ioredis';
import { expect, it } from 'vitest';

const jobs = 10_000;
const sampleEvery = 997;
const publishedAtOnce = 500;

it(`a flushed Redis is written again from the stream, ${jobs} jobs, and every status stays right meanwhile`, async () => {
  await using nats = await natsForTest();
  await using redis = await redisForTest();
  const env = { SANDBOX: 'true', NATS_URL: nats.url, REDIS_URL: redis.url, LOG_LEVEL: 'info' };
  const broker = await brokerForTest(nats.url);
  const idOf = (index: number) => `job-${index}`;
  for (let from = 0; from < jobs; from += publishedAtOnce) {
    await Promise.all(Array.from({ length: publishedAtOnce }, (_, index) => publishJob(idOf(from + index))));
  }

  await using first = await spawnService({ entry: 'services/gateway/src/main.ts', env });
  await using second = await spawnService({ entry: 'services/gateway/src/main.ts', env });
  await Promise.all([first.ready(), second.ready()]);
  const client = new Redis(redis.url);
  const complete = async () =>
    (await client.get('pet_roast:epoch'))?.startsWith('complete') && (await client.dbsize()) === jobs + 1;
  await until(complete, { what: 'the projection to be complete', timeoutMs: 25_000 });

  await client.flushall();
  const started = performance.now();
  const rebuilt = until(complete, { what: 'the projection to be complete again', timeoutMs: 25_000, everyMs: 10 });
  for (let index = 0; index < jobs; index += sampleEvery) {
    for (const { url } of [first, second]) {
      const answer = await fetch(`${url}/api/video-status/${idOf(index)}`);
      expect(await answer.json()).toMatchObject({
        job_id: idOf(index),
        status: 'completed',
        video_url: videoOf(idOf(index)),
      });
    }
  }
  await rebuilt;
  process.stdout.write(
    `rebuilt ${jobs} jobs (${jobs * 3} events) in ${((performance.now() - started) / 1_000).toFixed(1)} s\n`,
  );
  expect(await client.hlen(`pet_roast:job:${idOf(1)}`)).toBe(3);
  client.disconnect();
  await broker.close();

  async function publishJob(jobId: string): Promise<void> {
    const received = {
      ...{ text: 'x', image_url: 'https://x.example', target_language: 'en', request_id: 'r', request_sha256: 's' },
      deadline_at: new Date(Date.now() + 3_600_000).toISOString(),
    };
    await broker.publish(createEvent('received', jobId, received), 0);
    await broker.publish(createEvent('detected', jobId, { pets: [], late: false }), 0);
    await broker.publish(createEvent('rendered', jobId, { video_url: videoOf(jobId), told_by: 'poll' }), 0);
  }
}, 90_000);

function videoOf(jobId: string): string {
  return `https://videos.example/${jobId}.mp4`;
}
