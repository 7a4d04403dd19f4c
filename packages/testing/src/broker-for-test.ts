/** A test's own way into its NATS: in the project's words, and past them, for what nobody of the project does. */
import { type Broker, createLog, inboxPrefixOf, openBroker } from '@pet-roast/shared';
import { connect, type JetStreamManager, type NatsConnection } from 'nats';

export type { NatsConnection } from 'nats';

/** The broker as the services have it, on a test's server; it sets no limits of what is there. */
export function brokerForTest(
  natsUrl: string,
  options: Partial<Parameters<typeof openBroker>[0]> = {},
): Promise<Broker> {
  return openBroker({
    url: natsUrl,
    name: 'test',
    log: createLog('test', 'silent'),
    connectTimeoutMs: 10_000,
    replicas: 1,
    jobTtlMs: 3_600_000,
    streamBytesMax: 500_000_000,
    ...options,
  });
}

export type RawNats = {
  readonly connection: NatsConnection;
  readonly manager: JetStreamManager;
  /** Publishes bytes that no event may be, and waits until they are stored. */
  publish(subject: string, body: string): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
};

/** The client itself, which does not come back once its server is away; as nobody without a login. */
export function connectToNats(natsUrl: string, login?: { readonly user: string; readonly password: string }) {
  return connect({
    servers: natsUrl.split(','),
    timeout: 5_000,
    maxReconnectAttempts: 0,
    ...(login === undefined ? {} : { user: login.user, pass: login.password, inboxPrefix: inboxPrefixOf(login.user) }),
  });
}

/** The same with JetStream's API: `await using raw = await rawNats(nats.url)`. */
export async function rawNats(natsUrl: string): Promise<RawNats> {
  const connection = await connectToNats(natsUrl);
  return {
    connection,
    manager: await connection.jetstreamManager({ timeout: 2_000 }),
    async publish(subject, body) {
      await connection.jetstream().publish(subject, body);
    },
    [Symbol.asyncDispose]: () => connection.close(),
  };
}
