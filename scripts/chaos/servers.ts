/**
 * The NATS and Redis of a run, its own whatever the environment names: one NATS server, or three nodes of a cluster; all can
 * be killed and started again.
 */
import { freePort, type LocalServer } from '@pet-roast/sandbox';
import { natsForTest, rawNats, redisForTest } from '@pet-roast/testing';
import type { Broker, PickNats } from './faults.ts';

export type Servers = {
  readonly pickNats: PickNats;
  readonly natsPorts: readonly number[];
  readonly redis: Broker;
  readonly redisUrl: string;
  readonly redisPort: number;
};

export async function openServers(stack: AsyncDisposableStack, cluster: boolean): Promise<Servers> {
  const nats = cluster ? await openCluster(stack) : [stack.use(await natsForTest())];
  const redis = stack.use(await redisForTest());
  return {
    pickNats: cluster ? () => leaderOf(nats) : async () => brokerOf('NATS', nats[0] as LocalServer),
    natsPorts: nats.map((server) => Number(new URL(server.url).port)),
    redis: brokerOf('Redis', redis),
    redisUrl: redis.url,
    redisPort: Number(new URL(redis.url).port),
  };
}

const nodes = 3;

async function openCluster(stack: AsyncDisposableStack): Promise<LocalServer[]> {
  const routePorts = await Promise.all(Array.from({ length: nodes }, freePort));
  const routes = routePorts.map((port) => `nats-route://127.0.0.1:${port}`).join(', ');
  const servers: LocalServer[] = [];
  for (const [index, port] of routePorts.entries()) {
    const extraConfig = [
      `server_name: node-${index}`,
      // Clients keep to the addresses they were given, which lead through the run's own network.
      `cluster { name: chaos, listen: "127.0.0.1:${port}", routes: [${routes}], no_advertise: true }`,
    ].join('\n');
    servers.push(stack.use(await natsForTest({ extraConfig })));
  }
  return servers;
}

/** The node that leads the job stream; the first one where nobody does at the moment. */
async function leaderOf(nodes: readonly LocalServer[]): Promise<Broker> {
  const index = await leaderIndex(nodes).catch(() => 0);
  return brokerOf(`NATS node ${index}, the leader`, nodes[index] ?? (nodes[0] as LocalServer));
}

async function leaderIndex(nodes: readonly LocalServer[]): Promise<number> {
  await using raw = await rawNats(nodes.map((node) => node.url).join(','));
  const { cluster } = await raw.manager.streams.info('JOBS');
  return Number(cluster?.leader?.replace('node-', '') ?? 0);
}

function brokerOf(name: string, server: LocalServer): Broker {
  return { name, kill: () => server.kill('SIGKILL'), restart: () => server.restart() };
}
