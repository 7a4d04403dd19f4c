/**
 * `npm run bench -- node-loss [--binary PATH] [--losses 6] [--copies 3]`: a cluster of three nodes with three copies of
 * the stream, of which one after the other is killed (SIGKILL) and loses its disk while messages are published. Then every message that
 * was acknowledged is looked for. A node is lost only after the one before has its copy again: two at once are a majority.
 * Exits with 1 when a message is missing or there twice; `--copies 1` shows that it can.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { freePort, type LocalServer, openNats, poll } from '@pet-roast/sandbox';
import { connect, type JetStreamClient, type JetStreamManager, StorageType, type StreamInfo } from 'nats';
import { versionOf } from './fsync/server.ts';

type Node = { readonly name: string; readonly folder: string; readonly monitor: string; readonly server: LocalServer };

const nodes = 3;
const publishers = 4;
const ackTimeoutMs = 2_000;
const healTimeoutMs = 60_000;
const betweenLossesMs = 1_000;

export async function run(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      binary: { type: 'string' },
      losses: { type: 'string', default: '6' },
      copies: { type: 'string', default: String(nodes) },
    },
  });
  const copies = Number(values.copies);
  await using stack = new AsyncDisposableStack();
  const cluster = await openCluster(stack, values.binary);
  const connection = await connect({
    servers: cluster.map(({ server }) => server.url),
    maxReconnectAttempts: -1,
    reconnectTimeWait: 100,
  });
  stack.defer(() => connection.close());
  // The cluster has no leader to ask yet.
  const manager = await connection.jetstreamManager({ timeout: ackTimeoutMs, checkAPI: false });
  await healed(() =>
    manager.streams.add({ name: 'BENCH', subjects: ['bench.>'], storage: StorageType.File, num_replicas: copies }),
  );

  const publishing = startPublishing(connection.jetstream({ timeout: ackTimeoutMs }));
  const healMs: number[] = [];
  let leaders = 0;
  for (let loss = 0; loss < Number(values.losses); loss++) {
    await sleep(betweenLossesMs);
    const leader = (await whole(manager, copies)).cluster?.leader;
    // The leader and a follower by turns.
    const node = cluster.find(({ name }) => (name === leader) === (loss % 2 === 0 || copies === 1)) as Node;
    if (node.name === leader) leaders++;
    await node.server.kill('SIGKILL');
    await rm(node.folder, { recursive: true, force: true });
    const lostAt = performance.now();
    await sleep(betweenLossesMs);
    await node.server.restart();
    const { state } = await whole(manager, copies);
    if (copies > 1) await holds(node, state.last_seq);
    healMs.push(performance.now() - lostAt);
    say(
      `${node.name}${node.name === leader ? ', the leader,' : ''} lost its disk; its copy is whole again after ${seconds(healMs.at(-1))}`,
    );
  }
  const acknowledged = await publishing.stop();
  const found = await readIds(connection.jetstream(), await whole(manager, copies));
  const missing = acknowledged.filter((id) => !found.has(id));
  const twice = [...found.values()].filter((count) => count > 1).length;
  say(
    `nats-server ${cluster[0]?.server.binaryVersion}, ${nodes} nodes, ${copies} ${copies === 1 ? 'copy' : 'copies'}: ${healMs.length} disks lost (${leaders} of them the leader’s), ${acknowledged.length} messages acknowledged, ${missing.length} missing, ${twice} there twice; longest wait for an acknowledgement ${seconds(publishing.longestMs())}`,
  );
  return missing.length === 0 && twice === 0 ? 0 : 1;
}

async function openCluster(stack: AsyncDisposableStack, binary: string | undefined): Promise<Node[]> {
  if (binary !== undefined) await versionOf(binary);
  const ports = await Promise.all(Array.from({ length: nodes }, freePort));
  const routes = ports.map((port) => `nats-route://127.0.0.1:${port}`).join(', ');
  const cluster: Node[] = [];
  for (const [index, port] of ports.entries()) {
    const name = `node-${index}`;
    const folder = await mkdtemp(join(tmpdir(), 'pet-roast-node-'));
    stack.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }));
    const monitorPort = await freePort();
    const extraConfig = `server_name: ${name}\nhttp: "127.0.0.1:${monitorPort}"\ncluster { name: bench, listen: "127.0.0.1:${port}", routes: [${routes}] }`;
    const server = stack.use(
      await openNats({ dataDir: folder, extraConfig, ...(binary === undefined ? {} : { binary }) }),
    );
    cluster.push({ name, folder, server, monitor: `http://127.0.0.1:${monitorPort}` });
  }
  return cluster;
}

/** Publishers that each wait for their acknowledgement and repeat what got none, under the same message id. */
function startPublishing(js: JetStreamClient): { stop(): Promise<string[]>; longestMs(): number } {
  const acknowledged: string[] = [];
  let stopping = false;
  let longestMs = 0;

  async function publisher(number: number): Promise<void> {
    for (let index = 0; !stopping; index++) {
      const id = `${number}-${index}`;
      const started = performance.now();
      for (let done = false; !done; ) {
        done = await js.publish(`bench.${id}`, id, { msgID: id }).then(
          () => true,
          () => sleep(20, false),
        );
      }
      longestMs = Math.max(longestMs, performance.now() - started);
      acknowledged.push(id);
      await sleep(2);
    }
  }

  const all = Array.from({ length: publishers }, (_, number) => publisher(number));
  return {
    longestMs: () => longestMs,
    async stop() {
      stopping = true;
      await Promise.all(all);
      return acknowledged;
    },
  };
}

/** The stream, once it has a leader and every copy is up to date. */
function whole(manager: JetStreamManager, copiesWanted: number): Promise<StreamInfo> {
  return healed(async () => {
    const info = await manager.streams.info('BENCH');
    const copies = info.cluster?.replicas ?? [];
    const isWhole =
      info.cluster?.leader &&
      copies.length === copiesWanted - 1 &&
      copies.every((copy) => copy.current && !copy.offline);
    return isWhole ? info : undefined;
  });
}

/** The leader may not have noticed yet that a copy is gone; so the node itself is asked what it holds. */
async function holds(node: Node, lastSeq: number): Promise<void> {
  await healed(async () => {
    const answer = await fetch(`${node.monitor}/jsz?streams=true`, { signal: AbortSignal.timeout(ackTimeoutMs) });
    const { account_details } = (await answer.json()) as JetStreamReport;
    const state = account_details?.[0]?.stream_detail?.find(({ name }) => name === 'BENCH')?.state;
    return state && state.last_seq >= lastSeq && state.messages >= lastSeq ? true : undefined;
  });
}

type JetStreamReport = {
  account_details?: { stream_detail?: { name: string; state: { messages: number; last_seq: number } }[] }[];
};

function healed<T>(attempt: () => Promise<T | undefined>): Promise<T> {
  return poll(
    attempt,
    { timeoutMs: healTimeoutMs, everyMs: 100 },
    (error) => new Error(`the cluster does not heal: ${error}`),
  );
}

/** How often each message is in the stream, by what it says. */
async function readIds(js: JetStreamClient, info: StreamInfo): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  const consumer = await js.consumers.get('BENCH');
  const messages = await consumer.consume({ max_messages: 500 });
  for await (const message of messages) {
    found.set(message.string(), (found.get(message.string()) ?? 0) + 1);
    if (message.seq >= info.state.last_seq) break;
  }
  messages.stop();
  return found;
}

function seconds(ms: number | undefined): string {
  return `${((ms ?? Number.NaN) / 1_000).toFixed(1)} s`;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
