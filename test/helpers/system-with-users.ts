/** The five services as five NATS users, on a server with the configuration of `deploy/`. */
import { freePort, startWorld, type World, type WorldOptions } from '@pet-roast/sandbox';
import {
  type RunningService,
  redisForTest,
  type ServiceName,
  sandboxCallbackSecret,
  sandboxPhotoSecret,
  serviceNames,
  spawnService,
  type TestSystem,
  testAdminToken,
} from '@pet-roast/testing';
import { Redis } from 'ioredis';
import { apiOf } from './api.ts';
import { type NatsWithUsers, startNatsWithUsers } from './nats-with-users.ts';

export type SystemWithUsers = {
  readonly nats: NatsWithUsers;
  /** With the password. */
  readonly redisUrl: string;
  readonly world: World;
  readonly gatewayUrl: string;
  readonly api: ReturnType<typeof apiOf>;
  service(name: ServiceName): RunningService;
  /** Starts a service, as its own user unless `env` says otherwise, and waits until it is ready. */
  start(name: ServiceName, env?: Readonly<Record<string, string>>): Promise<void>;
  stop(name: ServiceName): Promise<void>;
  /** What all services have written. */
  output(): string;
  [Symbol.asyncDispose](): Promise<void>;
};

export const redisPassword = 'a-password-of-redis';
const readyTimeoutMs = 60_000;

/** Starts the server and what is outside; the services are started by `start`, in any order. */
export async function startSystemWithUsers(worldOptions: WorldOptions): Promise<SystemWithUsers> {
  await using stack = new AsyncDisposableStack();
  const nats = stack.use(await startNatsWithUsers());
  const redis = stack.use(await redisForTest());
  const redisUrl = await protect(redis.url);
  const world = stack.use(await startWorld(worldOptions));
  const ports = Object.fromEntries(
    await Promise.all(serviceNames.map(async (name) => [name, await freePort()])),
  ) as Record<ServiceName, number>;
  const urlOf = (name: ServiceName) => `http://127.0.0.1:${ports[name]}`;
  const model = process.env['MODEL_PATH'];
  const common = {
    LOG_LEVEL: 'info',
    ADMIN_TOKEN: testAdminToken,
    POLL_AFTER_MS: '2000',
    POLL_EVERY_MS: '500',
    NATS_URL: nats.url,
    REDIS_URL: redisUrl,
    NOTIFIER_URL: urlOf('notifier'),
    BRIDGE_PUBLIC_URL: urlOf('revid-bridge'),
    CALLBACK_SECRET: sandboxCallbackSecret,
    GATEWAY_PUBLIC_URL: urlOf('gateway'),
    PHOTO_URL_SECRET: sandboxPhotoSecret,
    ...(model === undefined ? {} : { MODEL_PATH: model }),
    ...world.env,
  };
  const running = new Map<ServiceName, RunningService>();
  let output = '';
  const owned = stack.move();

  return {
    nats,
    redisUrl,
    world,
    gatewayUrl: urlOf('gateway'),
    api: apiOf({ world, system: { gatewayUrl: urlOf('gateway') } } as TestSystem),
    service: (name) => running.get(name) as RunningService,
    async start(name, env = {}) {
      const login = { NATS_USER: name, NATS_PASSWORD: nats.passwords[name] };
      const service = owned.use(
        await spawnService({
          entry: `services/${name}/src/main.ts`,
          env: { ...common, ...login, PORT: String(ports[name]), ...env },
          name,
          listenTimeoutMs: readyTimeoutMs,
          onOutput: (chunk) => {
            output += chunk;
          },
        }),
      );
      running.set(name, service);
      await service.ready({ timeoutMs: readyTimeoutMs });
    },
    stop: async (name) => void (await running.get(name)?.stop({ timeoutMs: 30_000 })),
    output: () => output,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Gives a Redis a password; its address with that. */
async function protect(url: string): Promise<string> {
  const redis = new Redis(url);
  await redis.config('SET', 'requirepass', redisPassword);
  redis.disconnect();
  return url.replace('//', `//:${redisPassword}@`);
}
