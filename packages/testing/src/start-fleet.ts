/** Several replicas of every service, behind balancers, as a platform would run them; each can be killed alone. */
import { freePort, startTcpProxy } from '@pet-roast/sandbox';
import { type RunningService, spawnService } from './spawn-service.ts';
import { type ServiceName, sandboxCallbackSecret, sandboxPhotoSecret, serviceNames } from './start-system.ts';

export type Replica = {
  readonly name: ServiceName;
  readonly index: number;
  /** Absent while it is dead. */
  readonly service: RunningService | undefined;
  /** What it has written over all its lives, the newest last. */
  output(): string;
  /** Ends it with a signal and waits for its end; gives its exit code. */
  kill(signal: NodeJS.Signals): Promise<number | null>;
  /** Starts it at its old address and waits until it is ready. */
  start(): Promise<void>;
};

export type Fleet = {
  readonly gatewayUrl: string;
  readonly replicas: readonly Replica[];
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
};

const readyTimeoutMs = 60_000;
const stopTimeoutMs = 40_000;
const outputCharsMax = 20_000_000;

/** Starts `replicas` of each service and waits until all are ready. */
export async function startFleet(options: {
  readonly natsUrl: string;
  readonly redisUrl: string;
  readonly env: Readonly<Record<string, string>>;
  readonly replicas: number;
  /** The balancers ask the replicas whether they are ready, and spare those that are not. */
  readonly byReadiness?: boolean;
}): Promise<Fleet> {
  await using stack = new AsyncDisposableStack();
  const ports = new Map<ServiceName, number[]>();
  for (const name of serviceNames) {
    ports.set(name, await Promise.all(Array.from({ length: options.replicas }, freePort)));
  }
  const balanced = async (name: ServiceName) => {
    const readyPath = options.byReadiness ? '/readyz' : undefined;
    const proxy = stack.use(await startTcpProxy({ targetPorts: ports.get(name) ?? [], readyPath }));
    return `http://127.0.0.1:${proxy.port}`;
  };
  const gatewayUrl = await balanced('gateway');
  const env = {
    NATS_URL: options.natsUrl,
    REDIS_URL: options.redisUrl,
    NOTIFIER_URL: await balanced('notifier'),
    BRIDGE_PUBLIC_URL: await balanced('revid-bridge'),
    CALLBACK_SECRET: sandboxCallbackSecret,
    GATEWAY_PUBLIC_URL: gatewayUrl,
    PHOTO_URL_SECRET: sandboxPhotoSecret,
    ...options.env,
  };
  const replicas = serviceNames.flatMap((name) =>
    (ports.get(name) ?? []).map((port, index) => createReplica(name, index, { ...env, PORT: String(port) })),
  );
  stack.defer(async () => {
    await Promise.all(replicas.map((replica) => replica.service?.kill('SIGKILL')));
  });
  await Promise.all(replicas.map((replica) => replica.start()));

  const owned = stack.move();
  const close = async (): Promise<void> => {
    const stops = replicas.map((replica) => replica.service?.stop({ timeoutMs: stopTimeoutMs }).catch(() => null));
    await Promise.all(stops);
    await owned.disposeAsync();
  };
  return { gatewayUrl, replicas, close, [Symbol.asyncDispose]: close };
}

function createReplica(name: ServiceName, index: number, env: Record<string, string>): Replica {
  let service: RunningService | undefined;
  let output = '';
  return {
    output: () => output,
    name,
    index,
    get service() {
      return service;
    },
    async kill(signal) {
      const ending = service;
      service = undefined;
      if (ending === undefined) return null;
      if (signal === 'SIGTERM') return ending.stop({ timeoutMs: stopTimeoutMs });
      await ending.kill(signal);
      return (await ending.exited).code;
    },
    async start() {
      service = await spawnService({
        entry: `services/${name}/src/main.ts`,
        env,
        name: `${name} ${index}`,
        listenTimeoutMs: readyTimeoutMs,
        onOutput: (chunk) => {
          output = (output + chunk).slice(-outputCharsMax);
        },
      });
      await service.ready({ timeoutMs: readyTimeoutMs });
    },
  };
}
