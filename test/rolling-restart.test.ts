/** Every replica of every service is replaced, one by one, at a steady load: no call fails, no job is lost. */
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { startTcpProxy, startWorld } from '@pet-roast/sandbox';
import type { JobView } from '@pet-roast/shared';
import { natsForTest, redisForTest, startFleet, until } from '@pet-roast/testing';
import { Agent, fetch as undiciFetch } from 'undici';
import { describe, expect, it } from 'vitest';

const pet = new URL('../packages/sandbox/assets/pet.jpg', import.meta.url);
const sendEveryMs = 150;
const keptIdleMs = 800;

describe('a rolling restart', () => {
  it('costs no call and no job, on connections that are kept as on new ones', { timeout: 170_000 }, async () => {
    await using nats = await natsForTest();
    await using redis = await redisForTest();
    await using world = await startWorld({
      images: { 'pet.jpg': await readFile(pet) },
      revid: { behaviour: { renderMs: 500, video: 'sample' } },
    });
    await using fleet = await startFleet({
      natsUrl: nats.url,
      redisUrl: redis.url,
      env: { ...world.env, MODEL_PATH: process.env['MODEL_PATH'] ?? '', POLL_AFTER_MS: '3000' },
      replicas: 2,
      byReadiness: true,
    });
    // Callers keep their connections, or, as some proxies do, open a new one for each call. A connection that lies idle all
    // through the drain is closed, perhaps under its next request: kept is what is used within that second.
    const kept = { keepAliveTimeout: keptIdleMs, keepAliveMaxTimeout: keptIdleMs };
    const dispatchers = [new Agent(kept), new Agent({ pipelining: 0 })];
    const load = createLoad(fleet.gatewayUrl, world.images.urlOf('pet.jpg'), dispatchers);
    const sending = load.run();
    await until(() => load.accepted.length >= 5, { what: 'the load to be steady' });
    for (const replica of fleet.replicas) {
      expect(await replica.kill('SIGTERM'), `${replica.name} ${replica.index}`).toBe(0);
      await replica.start();
    }
    load.stop();
    await sending;

    expect(load.failures).toEqual([]);
    expect(load.accepted.length).toBeGreaterThan(50);
    for (const jobId of load.accepted) {
      const view = await until(
        async () => {
          const answer = await fetch(`${fleet.gatewayUrl}/api/video-status/${jobId}`);
          const read = (await answer.json()) as JobView;
          return read.stage === 'notified' ? read : undefined;
        },
        { what: `job ${jobId} to be told`, timeoutMs: 60_000 },
      );
      expect(view.status).toBe('completed');
    }
    const paid = Map.groupBy(world.revid.renders(), (render) => render.jobId);
    expect([...paid.values()].filter((renders) => renders.length > 1)).toEqual([]);
    await Promise.all(dispatchers.map((dispatcher) => dispatcher.close()));
  });

  it('answers what is in hand when a gateway is told to stop, and ends at once then', { timeout: 60_000 }, async () => {
    await using nats = await natsForTest();
    await using redis = await redisForTest();
    await using world = await startWorld({ images: { 'pet.jpg': await readFile(pet) } });
    await using fleet = await startFleet({
      natsUrl: nats.url,
      redisUrl: redis.url,
      env: { ...world.env, DETECT_WAIT_MS: '1500', SANDBOX: 'true' },
      replicas: 1,
    });
    const of = (name: string) => fleet.replicas.find((replica) => replica.name === name);
    await of('detector')?.kill('SIGKILL');
    await using path = await startTcpProxy({ targetPorts: [Number(new URL(of('gateway')?.service?.url ?? '').port)] });
    const answering = fetch(`http://127.0.0.1:${path.port}/api/generate-video`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ text: 'My dog is lazy.', image_url: world.images.urlOf('pet.jpg') }),
    });
    await until(() => path.opened() === 1, { what: 'the request to be on its way' });
    await sleep(200);
    const started = performance.now();
    const stopping = of('gateway')?.kill('SIGTERM');
    const answer = await answering;
    expect(answer.status).toBe(202);
    expect(answer.headers.get('connection')).toBe('close');
    expect(await stopping).toBe(0);
    expect(performance.now() - started).toBeLessThan(8_000);
  });
});

function createLoad(gatewayUrl: string, imageUrl: string, dispatchers: readonly Agent[]) {
  const accepted: string[] = [];
  const failures: string[] = [];
  let running = true;

  async function one(index: number): Promise<void> {
    try {
      const answer = await undiciFetch(`${gatewayUrl}/api/generate-video`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ text: `My dog is lazy, number ${index}.`, image_url: imageUrl }),
        dispatcher: dispatchers[index % dispatchers.length] as Agent,
        signal: AbortSignal.timeout(20_000),
      });
      const body = (await answer.json()) as { job_id: string };
      if (answer.status === 202) accepted.push(body.job_id);
      else failures.push(`${answer.status} ${JSON.stringify(body)}`);
    } catch (error) {
      failures.push(`${error} ${(error as Error).cause}`);
    }
  }

  return {
    accepted,
    failures,
    stop: () => {
      running = false;
    },
    async run() {
      const calls: Promise<void>[] = [];
      for (let index = 0; running; index++) {
        calls.push(one(index));
        await sleep(sendEveryMs);
      }
      await Promise.all(calls);
    },
  };
}
