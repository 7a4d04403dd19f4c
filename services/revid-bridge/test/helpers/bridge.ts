/** The bridge as its own process, with a real NATS and the sandbox's Revid; the test plays the stages before it. */
import { freePort, startImageHost, startRevid } from '@pet-roast/sandbox';
import { createEvent, type StoredEvent, subjectOf } from '@pet-roast/shared';
import { brokerForTest, natsForTest, spawnService, until } from '@pet-roast/testing';
import sharp from 'sharp';

export const callbackSecret = 'a-callback-secret-for-tests';
const metricsToken = 'a-metrics-token-for-tests';

/** Starts all of it; `env` is the bridge's, beside what it needs. */
export async function startBridge(env: Readonly<Record<string, string>>) {
  await using stack = new AsyncDisposableStack();
  const nats = await natsForTest();
  stack.defer(nats.close);
  const revid = stack.use(await startRevid({ apiKey: 'key', behaviour: { renderMs: 100, video: 'sample' } }));
  const photo = await sharp({ create: { width: 64, height: 64, channels: 3, background: '#808080' } })
    .png()
    .toBuffer();
  const images = stack.use(await startImageHost({ files: { 'pet.png': photo } }));
  const imageUrl = images.urlOf('pet.png');
  const port = await freePort();
  const bridge = await spawnService({
    entry: 'services/revid-bridge/src/main.ts',
    env: {
      PORT: String(port),
      NATS_URL: nats.url,
      REVID_BASE_URL: revid.baseUrl,
      REVID_API_KEY: 'key',
      BRIDGE_PUBLIC_URL: `http://127.0.0.1:${port}`,
      CALLBACK_SECRET: callbackSecret,
      METRICS_TOKEN: metricsToken,
      ...env,
    },
  });
  stack.defer(async () => void (await bridge.stop()));
  const broker = await brokerForTest(nats.url);
  stack.defer(broker.close);
  await bridge.ready();

  /** A job as the translator leaves it. */
  async function translatedJob(
    more: { source_language?: string; target_language?: string; translated?: boolean; named?: string } = {},
  ): Promise<string> {
    const { named, ...translated } = more;
    const jobId = crypto.randomUUID();
    const text = 'My dog is lazy.';
    const received = {
      ...{ text, image_url: imageUrl, target_language: 'en', request_id: 'test', request_sha256: '' },
      deadline_at: new Date(Date.now() + 60_000).toISOString(),
      ...(named === undefined ? {} : { source_language: named }),
    };
    await broker.publish(createEvent('received', jobId, received), 0);
    const translation = {
      text,
      source_language: 'en',
      target_language: 'en',
      translated: false,
      pieces: 0,
      ...translated,
    };
    await broker.publish(createEvent('translated', jobId, translation), 0);
    return jobId;
  }

  /** A job that the vendor has, and that it does not end by itself. */
  async function renderingJob(): Promise<string> {
    revid.pushFaults({ at: 'render', kind: 'behave', behaviour: { result: 'never' } });
    const jobId = await translatedJob();
    await until(async () => (await stateOf(jobId))?.kind === 'rendering', { what: 'the pid to be recorded' });
    return jobId;
  }

  function outcomeOf(jobId: string): Promise<StoredEvent> {
    return until(() => broker.readLast(subjectOf('outcome', jobId)), {
      what: `the outcome of ${jobId}`,
      timeoutMs: 15_000,
    });
  }

  const stateOf = (jobId: string) => broker.readLast(subjectOf('render', jobId));
  const paid = (jobId: string) => revid.renders().filter((render) => render.jobId === jobId);
  const pidOf = (jobId: string) => paid(jobId)[0]?.pid ?? '';
  const callbackUrl = (jobId: string) => new URL(String(paid(jobId)[0]?.body.webhookUrl));

  async function call(url: URL, body: unknown): Promise<{ status: number; body: unknown }> {
    const answer = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    return { status: answer.status, body: await answer.json() };
  }

  /** How many callbacks the bridge says have become that. */
  async function counted(became: string): Promise<number> {
    const headers = { authorization: `Bearer ${metricsToken}` };
    const text = await (await fetch(`${bridge.url}/metrics`, { headers })).text();
    return Number(text.match(new RegExp(`^pet_roast_callbacks_total\\{became="${became}"\\} (\\d+)$`, 'm'))?.[1] ?? 0);
  }

  const owned = stack.move();
  return {
    ...{ nats, revid, imageUrl, bridge, broker },
    ...{ translatedJob, renderingJob, outcomeOf, stateOf, paid, pidOf, callbackUrl, call, counted },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
