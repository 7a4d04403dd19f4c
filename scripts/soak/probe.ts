/** What the processes and the stores hold at one moment, asked of themselves, with their garbage collected. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Fleet, rawNats } from '@pet-roast/testing';
import { Redis } from 'ioredis';
import type { Tally } from './load.ts';

export type ProcessFigures = {
  readonly rssBytes: number;
  /** Undefined where the process is not one of ours. */
  readonly heapBytes: number | undefined;
  readonly fds: number | undefined;
  readonly handles: number | undefined;
  /** The 99th percentile since the sample before. */
  readonly lagP99Ms: number | undefined;
  /** Connections of its clients, where the process tells them. */
  readonly clients: number | undefined;
};

export type Sample = {
  readonly atMs: number;
  readonly jobs: Tally;
  readonly services: ReadonlyMap<string, ProcessFigures>;
  readonly servers: ReadonlyMap<string, ProcessFigures>;
  readonly stores: {
    readonly jobsBytes: number;
    readonly jobsMessages: number;
    readonly deadBytes: number;
    readonly deadMessages: number;
    readonly redisBytes: number;
    readonly redisKeys: number;
  };
};

export type Probe = {
  sample(jobs: Tally): Promise<Sample>;
  [Symbol.asyncDispose](): Promise<void>;
};

const askTimeoutMs = 5_000;
/** A full collection takes tens of milliseconds, on a busy machine some more. */
const collectMs = 500;

/** Opens one connection to each store. Throws when one of them cannot be reached. */
export async function openProbe(where: {
  readonly fleet: Fleet;
  readonly natsUrl: string;
  readonly natsMonitorUrl: string;
  readonly redisUrl: string;
}): Promise<Probe> {
  const raw = await rawNats(where.natsUrl);
  const { manager } = raw;
  const redis = new Redis(where.redisUrl, { commandTimeout: askTimeoutMs });

  return {
    async sample(jobs) {
      const services = new Map<string, ProcessFigures>();
      await Promise.all(where.fleet.replicas.map(({ service }) => service?.kill('SIGUSR2')));
      await sleep(collectMs);
      for (const { name, service } of where.fleet.replicas) {
        if (service === undefined) throw new Error(`${name} is not running`);
        services.set(name, serviceFigures(await text(`${service.url}/metrics`)));
      }
      const [jobsStream, deadStream, redisText, natsText] = await Promise.all([
        manager.streams.info('JOBS'),
        manager.streams.info('DEAD'),
        redis.info(),
        text(`${where.natsMonitorUrl}/varz`),
      ]);
      const nats = JSON.parse(natsText) as { mem: number; connections: number };
      return {
        atMs: Date.now(),
        jobs,
        services,
        servers: new Map([
          ['nats-server', server(nats.mem, nats.connections)],
          ['redis', server(redisFigure(redisText, 'used_memory_rss'), redisFigure(redisText, 'connected_clients'))],
        ]),
        stores: {
          jobsBytes: jobsStream.state.bytes,
          jobsMessages: jobsStream.state.messages,
          deadBytes: deadStream.state.bytes,
          deadMessages: deadStream.state.messages,
          redisBytes: redisFigure(redisText, 'used_memory'),
          redisKeys: await redis.dbsize(),
        },
      };
    },
    async [Symbol.asyncDispose]() {
      redis.disconnect();
      await raw[Symbol.asyncDispose]();
    },
  };
}

function serviceFigures(metrics: string): ProcessFigures {
  const lag = metric(metrics, 'nodejs_eventloop_lag_p99_seconds');
  return {
    rssBytes: metric(metrics, 'process_resident_memory_bytes') ?? Number.NaN,
    heapBytes: metric(metrics, 'nodejs_heap_size_used_bytes'),
    fds: metric(metrics, 'process_open_fds'),
    handles: metric(metrics, 'nodejs_active_handles_total'),
    lagP99Ms: lag === undefined ? undefined : lag * 1_000,
    clients: undefined,
  };
}

function server(rssBytes: number, clients: number): ProcessFigures {
  return { rssBytes, clients, heapBytes: undefined, fds: undefined, handles: undefined, lagP99Ms: undefined };
}

/** A sample without labels, in Prometheus' text format. */
function metric(metrics: string, name: string): number | undefined {
  const value = new RegExp(`^${name} (\\S+)$`, 'm').exec(metrics)?.[1];
  return value === undefined ? undefined : Number(value);
}

function redisFigure(info: string, name: string): number {
  return Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(info)?.[1]);
}

async function text(url: string): Promise<string> {
  const answer = await fetch(url, { signal: AbortSignal.timeout(askTimeoutMs) });
  if (!answer.ok) throw new Error(`${url} answers ${answer.status}`);
  return answer.text();
}
