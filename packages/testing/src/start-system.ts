/**
 * The five services as five processes, wired as they are in production. Tests give them short times; `npm run demo` and
 * `npm start` leave the defaults.
 */
import { setTimeout } from 'node:timers/promises';
import { freePort } from '@pet-roast/sandbox/infrastructure';
import { type RunningService, spawnService } from './spawn-service.ts';

export const serviceNames = ['gateway', 'detector', 'translator', 'revid-bridge', 'notifier'] as const;
export type ServiceName = (typeof serviceNames)[number];

export type SystemOptions = {
  /** All five in one process, as `services/all-in-one` runs them; every name then means that process. */
  readonly inOneProcess?: boolean;
  readonly natsUrl: string;
  readonly redisUrl: string;
  /** For every service: where the outside world is, and anything else. */
  readonly env: Readonly<Record<string, string>>;
  /** Fixed ports; free ones for the rest. */
  readonly ports?: Partial<Record<ServiceName, number>>;
  /** Tells of each service when it is ready. */
  readonly onReady?: (name: ServiceName, tookMs: number) => void;
  /** Gets what the services write. */
  readonly onOutput?: (name: ServiceName, chunk: string) => void;
  /** Starts a service again that ended by itself or was killed from outside, and tells of it. */
  readonly onRestart?: (name: ServiceName, ending: string) => void;
};

export type System = {
  readonly gatewayUrl: string;
  readonly bridgeUrl: string;
  /** The processes that run now. */
  service(name: ServiceName): RunningService;
  /** Ends a service with a signal (SIGKILL unless told) and waits for its end. */
  kill(name: ServiceName, signal?: NodeJS.Signals): Promise<void>;
  /** Starts a service again, at the same address, and waits until it is ready. */
  start(name: ServiceName): Promise<void>;
  /** Stops all of them cleanly. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
};

const readyTimeoutMs = 60_000;
const restartAfterMs = 500;
/** Long enough for a HMAC, and nobody's secret. */
export const sandboxCallbackSecret = 'sandbox-callback-secret-0123456789';
export const sandboxPhotoSecret = 'sandbox-photo-url-secret-0123456789';

/** Starts all services and waits until each is ready. Throws, with nothing left running, when one is not. */
export async function startSystem(options: SystemOptions): Promise<System> {
  const ports = await choosePorts(options);
  const entries = options.inOneProcess ? (['gateway'] as const) : serviceNames;
  const nameOf = (name: ServiceName): ServiceName => (options.inOneProcess ? 'gateway' : name);
  const urlOf = (name: ServiceName) => `http://127.0.0.1:${ports[name]}`;
  // The real vendor can reach none of these addresses, and everybody knows these secrets.
  const ofSandbox = {
    BRIDGE_PUBLIC_URL: urlOf('revid-bridge'),
    CALLBACK_SECRET: sandboxCallbackSecret,
    GATEWAY_PUBLIC_URL: urlOf('gateway'),
    PHOTO_URL_SECRET: sandboxPhotoSecret,
  };
  const env = {
    NATS_URL: options.natsUrl,
    REDIS_URL: options.redisUrl,
    NOTIFIER_URL: urlOf('notifier'),
    ...(['true', '1'].includes(options.env['SANDBOX'] ?? '') ? ofSandbox : {}),
    ...options.env,
  };
  const running = new Map<ServiceName, RunningService>();

  async function start(name: ServiceName): Promise<void> {
    const started = performance.now();
    const service = await spawnService({
      entry: `services/${options.inOneProcess ? 'all-in-one' : name}/src/main.ts`,
      env: { ...env, PORT: String(ports[name]) },
      name,
      listenTimeoutMs: readyTimeoutMs,
      onOutput: options.onOutput && ((chunk) => options.onOutput?.(name, chunk)),
    });
    running.set(name, service);
    if (options.onRestart) void restartWhenEnded(name, service, options.onRestart);
    await service.ready({ timeoutMs: readyTimeoutMs });
    options.onReady?.(name, Math.round(performance.now() - started));
  }

  async function restartWhenEnded(
    name: ServiceName,
    ended: RunningService,
    tell: NonNullable<SystemOptions['onRestart']>,
  ): Promise<void> {
    const { code, signal } = await ended.exited;
    while (running.get(name) === ended) {
      tell(name, signal ?? `exit code ${code}`);
      await setTimeout(restartAfterMs);
      await start(name).catch((error: unknown) => tell(name, String(error)));
    }
  }

  async function close(): Promise<void> {
    const services = [...running.values()];
    running.clear();
    await Promise.all(services.map((service) => service.stop({ timeoutMs: 35_000 }).catch(() => service.kill())));
  }

  function service(name: ServiceName): RunningService {
    const found = running.get(nameOf(name));
    if (found === undefined) throw new Error(`${name} is not running`);
    return found;
  }

  try {
    await Promise.all(entries.map(start));
  } catch (error) {
    const services = [...running.values()];
    // First: what is no longer here is not started again.
    running.clear();
    await Promise.all(services.map((service) => service.kill()));
    throw error;
  }
  return {
    gatewayUrl: urlOf('gateway'),
    bridgeUrl: urlOf('revid-bridge'),
    service,
    start: (name) => start(nameOf(name)),
    async kill(name, signal = 'SIGKILL') {
      const target = service(name);
      await target.kill(signal);
      await target.exited;
      running.delete(nameOf(name));
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** Ports are chosen once, so that a service that starts again has the address that others know it by. */
async function choosePorts(options: SystemOptions): Promise<Record<ServiceName, number>> {
  const fixed = options.ports ?? {};
  const shared = options.inOneProcess ? (fixed.gateway ?? (await freePort())) : undefined;
  const entries = await Promise.all(
    serviceNames.map(async (name) => [name, shared ?? fixed[name] ?? (await freePort())] as const),
  );
  return Object.fromEntries(entries) as Record<ServiceName, number>;
}
