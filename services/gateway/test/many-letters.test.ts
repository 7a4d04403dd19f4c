/** More dead letters than one call looks at: it says where to go on. */
import { brokerForTest, natsForTest, rawNats, redisForTest, spawnService } from '@pet-roast/testing';
import { expect, it } from 'vitest';

const letters = 20_600;
const publishedAtOnce = 500;
const adminToken = 'an-admin-token-for-tests';

it(`of ${letters} dead letters the last is found by what it is about`, { timeout: 90_000 }, async () => {
  await using nats = await natsForTest();
  await using redis = await redisForTest();
  // It makes the streams.
  const broker = await brokerForTest(nats.url);
  await broker.close();
  await using raw = await rawNats(nats.url);
  for (let from = 0; from < letters; from += publishedAtOnce) {
    await Promise.all(Array.from({ length: publishedAtOnce }, (_, index) => publishLetter(from + index)));
  }
  const env = { SANDBOX: 'true', NATS_URL: nats.url, REDIS_URL: redis.url, ADMIN_TOKEN: adminToken };
  await using gateway = await spawnService({ entry: 'services/gateway/src/main.ts', env });
  await gateway.ready();

  const last = `job-${Math.ceil(letters / publishedAtOnce) * publishedAtOnce - 1}`;
  let after = 0;
  const found: unknown[] = [];
  let calls = 0;
  for (; calls < 5; calls += 1) {
    const answer = await fetch(`${gateway.url}/admin/dead-letters?job_id=${last}&after=${after}`, {
      headers: { authorization: `Bearer ${adminToken}` },
    });
    const page = (await answer.json()) as { letters: { job_id: string }[]; next?: number };
    found.push(...page.letters.map(({ job_id }) => job_id));
    if (page.next === undefined) break;
    after = page.next;
  }
  expect(found).toEqual([last]);
  expect(calls).toBe(1);

  function publishLetter(index: number): Promise<void> {
    const letter = {
      ...{ cause: 'permanent', code: 'render_failed', message: 'x', step: 'watch', run: 1, stream_seq: 1 },
      ...{ job_id: `job-${index}`, time: new Date().toISOString() },
    };
    return raw.publish(`dead.v1.watch.job-${index}`, JSON.stringify(letter));
  }
});
