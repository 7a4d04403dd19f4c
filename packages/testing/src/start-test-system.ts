/** The whole thing for one test file: its own NATS and Redis, the sandbox world, the five services, short times. */
import { type LocalServer, type NatsOptions, startWorld, type World, type WorldOptions } from '@pet-roast/sandbox';
import { rawNats } from './broker-for-test.ts';
import { natsForTest, redisForTest } from './infrastructure.ts';
import { type System, type SystemOptions, startSystem } from './start-system.ts';
import { until } from './until.ts';

export type TestSystem = {
  readonly nats: LocalServer;
  readonly redis: LocalServer;
  readonly world: World;
  readonly system: System;
  /** What the services got beside their addresses. */
  readonly env: Readonly<Record<string, string>>;
  /** Waits until no step has a message left to do or in hand, waits for vendors and deadlines aside. */
  settled(): Promise<void>;
  /** Publishes a message, as somebody else would. */
  publish(subject: string, body: unknown): Promise<void>;
  /** The place of a subject's last event in the job stream; undefined where there is none. */
  lastSeqOf(subject: string): Promise<number | undefined>;
  [Symbol.asyncDispose](): Promise<void>;
};

/** The operator's token of every test system. */
export const testAdminToken = 'an-admin-token-for-tests';

/** Times that make a test quick and change nothing else. */
const quick = {
  LOG_LEVEL: 'info',
  ADMIN_TOKEN: testAdminToken,
  POLL_AFTER_MS: '2000',
  POLL_EVERY_MS: '500',
  SUBMIT_RETRY_MS: '300',
  RENDER_DEADLINE_MS: '20000',
  WEBHOOK_WAITS_MS: '200,400,600',
};
const working = [
  'detector-detect',
  'translator-translate',
  'revid-bridge-submit',
  'revid-bridge-settle',
  'notifier-notify',
  'gateway-project',
];

export async function startTestSystem(
  options: Pick<SystemOptions, 'inOneProcess'> & {
    readonly env?: Readonly<Record<string, string>>;
    readonly world?: WorldOptions;
    readonly nats?: NatsOptions;
  } = {},
): Promise<TestSystem> {
  await using stack = new AsyncDisposableStack();
  const [nats, redis] = await Promise.all([natsForTest(options.nats), redisForTest()]);
  stack.use(nats);
  stack.use(redis);
  const behaviour = { renderMs: 200, video: 'sample', ...options.world?.revid?.behaviour } as const;
  const world = stack.use(await startWorld({ ...options.world, revid: { ...options.world?.revid, behaviour } }));
  const model = process.env['MODEL_PATH'];
  const env = { ...quick, ...(model === undefined ? {} : { MODEL_PATH: model }), ...world.env, ...options.env };
  const inOneProcess = options.inOneProcess ?? false;
  const system = stack.use(await startSystem({ inOneProcess, natsUrl: nats.url, redisUrl: redis.url, env }));
  const raw = stack.use(await rawNats(nats.url));
  const { manager } = raw;
  const owned = stack.move();

  return {
    nats,
    redis,
    world,
    system,
    env,
    publish: (subject, body) => raw.publish(subject, JSON.stringify(body)),
    lastSeqOf: (subject) =>
      manager.streams.getMessage('JOBS', { last_by_subj: subject }).then(
        (message) => message.seq,
        () => undefined,
      ),
    async settled() {
      const idle = async (durable: string) => {
        const info = await manager.consumers.info('JOBS', durable);
        return info.num_pending === 0 && info.num_ack_pending === 0;
      };
      await until(async () => (await Promise.all(working.map(idle))).every(Boolean), {
        what: 'every step to be idle',
        timeoutMs: 20_000,
      });
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
