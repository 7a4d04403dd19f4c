/** Redis is away for a minute: every status is right throughout, and what was missed is written when it is back. */
import { createEvent } from '@pet-roast/shared';
import { brokerForTest, natsForTest, redisForTest, spawnService, until } from '@pet-roast/testing';
import { Redis } from 'ioredis';
import { expect, it } from 'vitest';

const outageMs = 60_000;
const jobEveryMs = 2_000;

it('a minute without Redis makes no status wrong, slow or late', { timeout: 150_000 }, async () => {
  await using nats = await natsForTest();
  await using redis = await redisForTest();
  await using gateway = await spawnService({
    entry: 'services/gateway/src/main.ts',
    env: { SANDBOX: 'true', NATS_URL: nats.url, REDIS_URL: redis.url },
  });
  await gateway.ready();
  const broker = await brokerForTest(nats.url);
  const statusOf = async (jobId: string) => {
    const signal = AbortSignal.timeout(3_000);
    const answer = await fetch(`${gateway.url}/api/video-status/${jobId}`, { signal }).catch(() => undefined);
    return answer && ((await answer.json()) as { status: string }).status;
  };

  await redis.kill();
  const jobs: string[] = [];
  // Kept for the end: what is waited for may throw, and is then tried again.
  const wrong: unknown[] = [];
  const check = (is: unknown, should: unknown) => is === should || wrong.push({ is, should });
  const started = Date.now();
  await until(
    async () => {
      const jobId = crypto.randomUUID();
      jobs.push(jobId);
      const received = {
        ...{ text: 'x', image_url: 'https://x.example', target_language: 'en', request_id: 'r', request_sha256: 's' },
        deadline_at: new Date(Date.now() + 600_000).toISOString(),
      };
      await broker.publish(createEvent('received', jobId, received), 0);
      check(await statusOf(jobId), 'queued');
      await broker.publish(createEvent('rendering', jobId, { pid: 'p', deadline_at: received.deadline_at }), 0);
      check(await statusOf(jobId), 'processing');
      await broker.publish(createEvent('rendered', jobId, { video_url: 'https://v.example/1', told_by: 'poll' }), 0);
      for (const one of jobs) check(await statusOf(one), 'completed');
      check((await fetch(`${gateway.url}/readyz`)).status, 200);
      return Date.now() - started >= outageMs;
    },
    { what: 'the minute to pass', everyMs: jobEveryMs, timeoutMs: outageMs + 30_000 },
  );
  expect(wrong).toEqual([]);
  expect(jobs.length).toBeGreaterThan(15);

  await redis.restart();
  const client = new Redis(redis.url);
  const written = async () =>
    (await Promise.all(jobs.map((jobId) => client.hlen(`pet_roast:job:${jobId}`)))).every((n) => n === 3);
  await until(written, { what: 'the jobs of that minute to be written', timeoutMs: 30_000 });
  client.disconnect();
  await broker.close();
});
