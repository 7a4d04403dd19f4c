/** What can be broken, and how it is mended again. Every fault ends by itself; `count` is what the report tells. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { TcpProxy, World } from '@pet-roast/sandbox';
import type { Fleet, Replica } from '@pet-roast/testing';
import { Redis } from 'ioredis';
import type { Random } from './random.ts';

export type Broker = { readonly name: string; kill(): Promise<void>; restart(): Promise<void> };

/** The NATS server to break: in a cluster the one that leads the job stream now. */
export type PickNats = () => Promise<Broker>;

export type Target = {
  readonly fleet: Fleet;
  readonly world: World;
  readonly pickNats: PickNats;
  readonly redis: Broker;
  readonly redisUrl: string;
  readonly network: readonly TcpProxy[];
  /** Whether the sandbox's vendors misbehave too. */
  readonly vendors: boolean;
};

export type Log = (line: string) => void;
export type Tally = {
  kills: number;
  terms: number;
  freezes: number;
  brokerRestarts: number;
  redisRestarts: number;
  flushes: number;
  cuts: number;
  vendorFaults: number;
  backendOutages: number;
  readonly recoveryMs: number[];
  readonly badExits: string[];
};

/** Longer than any step's ack wait (15 s): the server gives the frozen process's messages to another. */
const freezeMs = 17_000;

type Fault = (target: Target, random: Random, tally: Tally, log: Log) => Promise<void>;

const kill: Fault = async (target, random, tally, log) => {
  const replica = pickAlive(target.fleet, random);
  if (replica === undefined) return;
  log(`SIGKILL ${nameOf(replica)}`);
  tally.kills++;
  await bringBack(replica, 'SIGKILL', random.between(0, 2_500), tally);
};

const term: Fault = async (target, random, tally, log) => {
  const replica = pickAlive(target.fleet, random);
  if (replica === undefined) return;
  log(`SIGTERM ${nameOf(replica)}`);
  tally.terms++;
  await bringBack(replica, 'SIGTERM', 0, tally);
};

const freeze: Fault = async (target, random, tally, log) => {
  const service = pickAlive(target.fleet, random)?.service;
  if (service === undefined) return;
  log(`SIGSTOP ${service.name} for ${freezeMs / 1_000} s`);
  tally.freezes++;
  await service.kill('SIGSTOP').catch(() => undefined);
  await sleep(freezeMs);
  await service.kill('SIGCONT').catch(() => undefined);
};

const restartNats: Fault = async (target, random, tally, log) => {
  const server = await target.pickNats();
  log(`kill and restart ${server.name}`);
  tally.brokerRestarts++;
  await server.kill();
  await sleep(random.between(0, 2_000));
  await server.restart();
};

const restartRedis: Fault = async (target, random, tally, log) => {
  log('kill and restart Redis');
  tally.redisRestarts++;
  await target.redis.kill();
  await sleep(random.between(0, 4_000));
  await target.redis.restart();
};

const flushRedis: Fault = async (target, _random, tally, log) => {
  log('FLUSHALL Redis');
  const redis = new Redis(target.redisUrl, { lazyConnect: true, maxRetriesPerRequest: 0, retryStrategy: () => null });
  redis.on('error', () => undefined);
  await redis
    .connect()
    .then(() => redis.flushall())
    .then(() => tally.flushes++)
    .catch(() => undefined);
  redis.disconnect();
};

const network: Fault = async (target, random, tally, log) => {
  const proxy = random.pick(target.network);
  tally.cuts++;
  if (random.next() < 0.5) {
    log('cut every connection of a network path');
    proxy.cut();
    return;
  }
  const ms = random.between(50, 400);
  log(`delay a network path by ${ms} ms for 4 s`);
  proxy.delay(ms);
  await sleep(4_000);
  proxy.delay(0);
};

const vendor: Fault = async ({ world }, random, tally, log) => {
  const times = random.between(1, 3);
  const [what, push] = random.pick(vendorFaults);
  log(`vendor: ${what} ×${times}`);
  tally.vendorFaults++;
  push(world, times);
};

const vendorFaults: readonly (readonly [string, (world: World, times: number) => void])[] = [
  ['Revid answers 429', ({ revid }, times) => revid.pushFaults({ kind: 'http', status: 429, retryAfter: 1, times })],
  ['Revid answers 500', ({ revid }) => revid.pushFaults({ kind: 'http', status: 500, times: 1 })],
  ['Revid accepts and hangs', ({ revid }, times) => revid.pushFaults({ kind: 'accept_then_hang', times })],
  ['Revid accepts and resets', ({ revid }, times) => revid.pushFaults({ kind: 'accept_then_reset', times })],
  [
    'Revid accepts and answers 502',
    ({ revid }, times) => revid.pushFaults({ kind: 'accept_then_http', status: 502, times }),
  ],
  ['Revid refuses with 422', ({ revid }) => revid.pushFaults({ kind: 'http', status: 422, times: 1 })],
  [
    'Revid’s render fails',
    ({ revid }) => revid.pushFaults({ kind: 'behave', behaviour: { result: 'failed' }, times: 1 }),
  ],
  [
    'callback early',
    ({ revid }, times) => revid.pushFaults({ kind: 'behave', behaviour: { callback: { early: true } }, times }),
  ],
  [
    'callbacks tripled',
    ({ revid }, times) => revid.pushFaults({ kind: 'behave', behaviour: { callback: { copies: 3 } }, times }),
  ],
  [
    'callback never',
    ({ revid }, times) => revid.pushFaults({ kind: 'behave', behaviour: { callback: { none: true } }, times }),
  ],
  [
    'callback late',
    ({ revid }, times) => revid.pushFaults({ kind: 'behave', behaviour: { callback: { delayMs: 8_000 } }, times }),
  ],
  ['status answers 500', ({ revid }, times) => revid.pushFaults({ at: 'status', kind: 'http', status: 500, times })],
  [
    'Bhashini answers 500',
    ({ bhashini }, times) => bhashini.pushFaults({ at: 'compute', kind: 'http', status: 500, times }),
  ],
  [
    'Bhashini answers 429',
    ({ bhashini }, times) => bhashini.pushFaults({ at: 'compute', kind: 'http', status: 429, times }),
  ],
  ['the backend answers 503', ({ backend }, times) => backend.pushAnswers({ kind: 'http', status: 503, times })],
  ['the backend hangs', ({ backend }) => backend.pushAnswers({ kind: 'hang', ms: 3_000, times: 1 })],
  ['the backend answers and forgets', ({ backend }, times) => backend.pushAnswers({ kind: 'reset', times })],
];

/** Longer than the whole retry schedule of a webhook. */
const backendOutage: Fault = async ({ world }, random, tally, log) => {
  const ms = random.between(6_000, 12_000);
  log(`the backend is down for ${Math.round(ms / 1_000)} s`);
  tally.backendOutages++;
  await world.backend.down();
  await sleep(ms);
  await world.backend.up();
};

/** How often each is chosen. */
const faults: readonly (readonly [weight: number, fault: Fault])[] = [
  [34, kill],
  [10, term],
  [4, freeze],
  [5, restartNats],
  [3, restartRedis],
  [3, flushRedis],
  [8, network],
  [30, vendor],
  [3, backendOutage],
];

/** Breaks something every `everyMs` until `untilMs`, by the seed alone; returns when the last fault has ended. */
export async function breakThings(
  target: Target,
  random: Random,
  options: { readonly everyMs: number; readonly untilMs: number; readonly log: Log },
): Promise<Tally> {
  const tally: Tally = {
    ...{ kills: 0, terms: 0, freezes: 0, brokerRestarts: 0, redisRestarts: 0, flushes: 0, cuts: 0 },
    ...{ vendorFaults: 0, backendOutages: 0, recoveryMs: [], badExits: [] },
  };
  const busy = new Map<Fault, Promise<void>>();
  const running: Promise<void>[] = [];
  while (Date.now() < options.untilMs) {
    const fault = random.weighted(faults);
    const alone = fault !== kill && fault !== term && fault !== vendor;
    if ((!alone || !busy.has(fault)) && (target.vendors || fault !== vendor)) {
      const done = fault(target, random, tally, options.log).finally(() => busy.delete(fault));
      if (alone) busy.set(fault, done);
      running.push(done);
    }
    await sleep(options.everyMs);
  }
  await Promise.all(running);
  return tally;
}

/** Who brings a replica back: the latest fault that ended it, also where that was while it was still starting. */
const bringers = new WeakMap<Replica, symbol>();

async function bringBack(replica: Replica, signal: NodeJS.Signals, afterMs: number, tally: Tally): Promise<void> {
  const me = Symbol(signal);
  bringers.set(replica, me);
  const killedAt = performance.now();
  const code = await replica.kill(signal).catch((error: unknown) => String(error));
  if (signal === 'SIGTERM' && code !== 0) tally.badExits.push(`${nameOf(replica)}: ${code}`);
  await sleep(afterMs);
  const isMine = () => bringers.get(replica) === me;
  if (await startPatiently(replica, isMine)) tally.recoveryMs.push(performance.now() - killedAt);
}

/**
 * A service that starts while NATS is away may give up; a platform would start it again. False where it is no longer
 * ours to start: two processes would want one port.
 */
async function startPatiently(replica: Replica, isMine: () => boolean): Promise<boolean> {
  for (let tries = 1; ; tries++) {
    try {
      await replica.start();
      return true;
    } catch (error) {
      if (!isMine()) return false;
      if (tries === 5) throw error;
      // It may run, and not be ready in time.
      await replica.kill('SIGKILL');
    }
  }
}

function pickAlive(fleet: Fleet, random: Random): Replica | undefined {
  const alive = fleet.replicas.filter((replica) => replica.service !== undefined);
  return alive.length === 0 ? undefined : random.pick(alive);
}

function nameOf(replica: Replica): string {
  return `${replica.name} ${replica.index}`;
}
