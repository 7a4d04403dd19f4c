import { runBinary } from './binary.ts';
import { containerServer } from './container.ts';
import { findWay, type Machine, thisMachine } from './find.ts';
import { atFreePort } from './free-port.ts';
import { type DataFolder, dataFolder, givenServer, type LocalServer, localServer, type Run } from './local-server.ts';
import { redisInfo } from './probe.ts';

export type RedisOptions = {
  /** Where the data lives and stays; without it, in a folder that `close` removes. */
  readonly dataDir?: string;
  /** More arguments of redis-server, e.g. `['--maxmemory', '64mb']`. */
  readonly extraArgs?: readonly string[];
  /** A fixed port; without it a free one. */
  readonly port?: number;
  /** This redis-server and no other way. */
  readonly binary?: string;
  /** Where to look and what to report; this machine unless told. */
  readonly machine?: Machine;
};

/** Each write is handed to the system before it is answered, so that a killed Redis comes back with all of them. */
const keepEveryWrite = ['--appendonly', 'yes', '--appendfsync', 'everysec', '--save', ''];

/**
 * A Redis server on 127.0.0.1: what REDIS_URL names, a binary, a container, or a binary that apt installs, in this
 * order. Throws `NothingToRun` with the ways to help when there is none, or with the server's own words.
 */
export async function openRedis(options: RedisOptions = {}): Promise<LocalServer> {
  const machine = options.machine ?? thisMachine();
  const way =
    options.binary === undefined ? await findWay('redis', machine) : { kind: 'binary' as const, path: options.binary };
  if (way.kind === 'given') return givenServer(way.url);
  if (way.kind === 'container') return containerRedis(options, machine);

  const data = await dataFolder(options.dataDir, 'redis');
  return localServer({
    kind: 'binary',
    launch: (before) => {
      const wanted = before === undefined ? options.port : Number(new URL(before.url).port);
      return atFreePort(wanted, (port) => runRedis(way.path, data, port, options.extraArgs ?? []));
    },
    cleanUp: data.remove,
  });
}

function runRedis(binary: string, data: DataFolder, port: number, extraArgs: readonly string[]): Promise<Run> {
  const { folder, scratch } = data;
  const bind = ['--bind', '127.0.0.1', '--port', String(port), '--daemonize', 'no', '--dir', folder];
  return runBinary({
    name: 'redis-server',
    binary,
    args: [...bind, ...keepEveryWrite, ...extraArgs],
    folder,
    scratch,
    ready: async (pid) => {
      const info = await redisInfo({ host: '127.0.0.1', port });
      // Another Redis may have taken the port first; then ours is about to say so and end.
      return info.pid === pid ? { url: `redis://127.0.0.1:${port}`, version: info.version } : undefined;
    },
  });
}

async function containerRedis(options: RedisOptions, machine: Machine): Promise<LocalServer> {
  const listen = ['--bind', '0.0.0.0', '--protected-mode', 'no'];
  const folder = options.dataDir === undefined ? [] : ['--dir', '/data'];
  return containerServer({
    name: 'redis',
    image: 'redis:7-alpine',
    port: 6379,
    hostPort: options.port,
    files: {},
    command: ['redis-server', ...listen, ...folder, ...keepEveryWrite, ...(options.extraArgs ?? [])],
    saysWhenReady: /Ready to accept connections/,
    version: async (address) => (await redisInfo(address)).version,
    dataDir: options.dataDir,
    report: machine.report,
  });
}
