import { execFile } from 'node:child_process';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { runBinary } from './binary.ts';
import { containerServer } from './container.ts';
import { findWay, type Machine, thisMachine } from './find.ts';
import { atFreePort } from './free-port.ts';
import { dataFolder, givenServer, type LocalServer, localServer, type Run } from './local-server.ts';
import { natsInfo } from './probe.ts';

export type NatsOptions = {
  /** Where the streams live and stay; without it, in a folder that `close` removes. */
  readonly dataDir?: string;
  /** More lines for the generated configuration, e.g. `max_payload: 8MB`. */
  readonly extraConfig?: string;
  /** A fixed port; a free one unless told. */
  readonly port?: number;
  /** This nats-server and no other way. */
  readonly binary?: string;
  /** Every acknowledged message is on the disk, as in production. nats-server knows this from 2.10; older ones ignore it. */
  readonly syncAlways?: boolean;
  /** Where to look and what to report; this machine unless told. */
  readonly machine?: Machine;
};

const memoryMax = '512MB';
const fileMax = '16GB';

/**
 * A NATS server with JetStream on 127.0.0.1: what NATS_URL names, a binary, a container, or a binary that apt installs,
 * in this order. Throws `NothingToRun` with the ways to help when there is none, or with the server's own words.
 */
export async function openNats(options: NatsOptions = {}): Promise<LocalServer> {
  const machine = options.machine ?? thisMachine();
  const way =
    options.binary === undefined ? await findWay('nats', machine) : { kind: 'binary' as const, path: options.binary };
  if (way.kind === 'given') return givenServer(way.url);
  if (way.kind === 'container') return containerNats(options, machine);

  const syncAlways = options.syncAlways === true && (await knowsSyncAlways(way.path));
  const { folder, scratch, remove } = await dataFolder(options.dataDir, 'nats');
  return localServer({
    kind: 'binary',
    launch: async (before) => {
      await mkdir(folder, { recursive: true });
      const config = join(folder, 'nats-server.conf');
      return atFreePort(before === undefined ? options.port : portOf(before), async (port) => {
        const listen = { port, host: '127.0.0.1' };
        await writeFile(config, natsConfig({ ...listen, storeDir: folder, syncAlways, extra: options.extraConfig }));
        return runBinary({
          name: 'nats-server',
          binary: way.path,
          args: ['--config', config, '--ports_file_dir', folder],
          folder,
          scratch,
          ready: (pid) => answer(folder, pid),
        });
      });
    },
    cleanUp: remove,
  });
}

async function containerNats(options: NatsOptions, machine: Machine): Promise<LocalServer> {
  const config = natsConfig({
    host: '0.0.0.0',
    port: 4222,
    storeDir: '/data',
    syncAlways: options.syncAlways === true,
    extra: options.extraConfig,
  });
  return containerServer({
    name: 'nats',
    image: 'nats:2-alpine',
    port: 4222,
    hostPort: options.port,
    files: { '/etc/pet-roast/nats-server.conf': config },
    command: ['--config', '/etc/pet-roast/nats-server.conf'],
    saysWhenReady: /Server is ready/,
    version: async (address) => (await jetstreamInfo(address)).version,
    dataDir: options.dataDir,
    report: machine.report,
  });
}

type ConfigValues = {
  readonly host: string;
  readonly port: number;
  readonly storeDir: string;
  readonly syncAlways: boolean;
  readonly extra: string | undefined;
};

function natsConfig({ host, port, storeDir, syncAlways, extra }: ConfigValues): string {
  return `# Generated; a change here is lost at the next start.
host: ${JSON.stringify(host)}
port: ${port}
jetstream {
  store_dir: ${JSON.stringify(storeDir)}
  max_mem: ${memoryMax}
  max_file: ${fileMax}${syncAlways ? '\n  sync_interval: always' : ''}
}
${extra ?? ''}
`;
}

/** The server writes its port to a file with its process id in the name: another server's answer is never taken for its. */
async function answer(folder: string, pid: number): Promise<Pick<Run, 'url' | 'version'> | undefined> {
  const portsFile = (await readdir(folder)).find((name) => name.endsWith(`_${pid}.ports`));
  if (portsFile === undefined) return undefined;
  const ports: { nats?: string[] } = JSON.parse(await readFile(join(folder, portsFile), 'utf8'));
  const url = ports.nats?.[0];
  if (url === undefined) return undefined;
  const { hostname: host, port } = new URL(url);
  const { version } = await jetstreamInfo({ host, port: Number(port) });
  return { url: `nats://${host}:${port}`, version };
}

async function jetstreamInfo(address: { host: string; port: number }): Promise<{ version: string }> {
  const info = await natsInfo(address);
  if (!info.jetstream) throw new Error('the server runs without JetStream');
  return info;
}

async function knowsSyncAlways(binary: string): Promise<boolean> {
  const { stdout } = await promisify(execFile)(binary, ['--version'], { timeout: 5_000 });
  const [, major, minor] = /v(\d+)\.(\d+)/.exec(stdout) ?? [];
  return Number(major) > 2 || (Number(major) === 2 && Number(minor) >= 10);
}

function portOf(run: Run): number {
  return Number(new URL(run.url).port);
}
