/** Gateways that ask for keys, and requests of their callers; the test plays the services behind them. */
import { type Broker, createEvent } from '@pet-roast/shared';
import { brokerForTest, natsForTest, type RunningService, redisForTest, spawnService, until } from '@pet-roast/testing';

export const secrets = {
  alice: 'alice-secret-0123456789abcdef',
  bob: 'bob-secret-0123456789abcdef-x',
} as const;
const probe = 'probe-secret-0123456789abcdef';
export const apiKeys = `alice:${secrets.alice},bob:${secrets.bob},probe:${probe}`;
export const roast = { text: 'My dog is lazy.', image_url: 'https://photos.example/1.jpg' };

export type KeyedTest = {
  readonly nats: Awaited<ReturnType<typeof natsForTest>>;
  readonly redis: Awaited<ReturnType<typeof redisForTest>>;
  readonly broker: Broker;
  /** A gateway with the keys above, as in production, unless told otherwise; it is ready, and so is its Redis. */
  gateway(env?: Readonly<Record<string, string>>): Promise<RunningService>;
  [Symbol.asyncDispose](): Promise<void>;
};

/** A NATS and a Redis of the test's own; the detector finds a pet where the request's metadata says so. */
export async function keyedTest(): Promise<KeyedTest> {
  await using stack = new AsyncDisposableStack();
  const [nats, redis] = await Promise.all([natsForTest(), redisForTest()]);
  stack.use(nats);
  stack.use(redis);
  const env = { NATS_URL: nats.url, REDIS_URL: redis.url, DETECT_WAIT_MS: '50', API_KEYS: apiKeys };
  const gateway = async (more: Readonly<Record<string, string>> = {}) => {
    const service = await spawnService({ entry: 'services/gateway/src/main.ts', env: { ...env, ...more } });
    await service.ready();
    if (more['API_KEYS'] === undefined) {
      const isCounted = async () => (await send(service, probe, '/api/video-status/x')).headers.has('ratelimit-limit');
      await until(isCounted, { what: 'Redis' });
    }
    return service;
  };
  // A gateway makes the streams.
  await using first = await gateway();
  const broker = await brokerForTest(nats.url);
  stack.defer(broker.close);
  await first.stop();
  const owned = stack.move();
  return { nats, redis, broker, gateway, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** Sends as a caller, by a secret; as nobody without one. */
export function send(
  to: RunningService,
  secret: string | undefined,
  path: string,
  options: {
    readonly method?: string;
    readonly body?: unknown;
    readonly headers?: Readonly<Record<string, string>>;
  } = {},
): Promise<Response> {
  return fetch(to.url + path, {
    method: options.method ?? (options.body === undefined ? 'GET' : 'POST'),
    headers: {
      ...(options.body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(secret === undefined ? {} : { authorization: `Bearer ${secret}` }),
      ...options.headers,
    },
    ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
  });
}

/** Asks for a video; `key` is the Idempotency-Key. */
export function generate(to: RunningService, secret: string | undefined, key?: string): Promise<Response> {
  const headers: Record<string, string> = key === undefined ? {} : { 'idempotency-key': key };
  return send(to, secret, '/api/generate-video', { body: roast, headers });
}

/** Asks for a video, and gives the id of the job that it became. */
export async function newJob(to: RunningService, secret: string | undefined, key?: string): Promise<string> {
  const answer = await generate(to, secret, key);
  const body = (await answer.json()) as { job_id: string };
  if (answer.status !== 202) throw new Error(`${answer.status} ${JSON.stringify(body)}`);
  return body.job_id;
}

export async function codeOf(answer: Response): Promise<string | undefined> {
  const body = (await answer.json()) as { detail?: { error?: string } };
  return body.detail?.error;
}

export async function finish(broker: Broker, jobId: string): Promise<void> {
  const video_url = `https://v.example/${jobId}.mp4`;
  await broker.publish(createEvent('rendered', jobId, { video_url, told_by: 'poll' }), 0);
}
