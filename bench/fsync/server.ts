/** A nats-server of the bench's own, with one setting of `sync_interval`, and a stream like the job stream. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { openNats } from '@pet-roast/sandbox';
import { connect, DiscardPolicy, type JetStreamClient, RetentionPolicy, StorageType } from 'nats';

export type Setting = 'default' | 'always';

export type BenchServer = AsyncDisposable & { readonly js: JetStreamClient };

/** A fresh server with an empty stream; disposing takes both away. */
export async function openServer(binary: string, setting: Setting): Promise<BenchServer> {
  await using stack = new AsyncDisposableStack();
  const server = stack.use(await openNats({ binary, syncAlways: setting === 'always' }));
  const connection = await connect({ servers: server.url });
  stack.defer(() => connection.close());
  const manager = await connection.jetstreamManager();
  await manager.streams.add({
    name: 'BENCH',
    subjects: ['bench.>'],
    storage: StorageType.File,
    retention: RetentionPolicy.Limits,
    discard: DiscardPolicy.New,
  });
  const owned = stack.move();
  return {
    js: connection.jetstream({ timeout: 10_000 }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

export async function versionOf(binary: string): Promise<string> {
  const { stdout } = await promisify(execFile)(binary, ['--version'], { timeout: 5_000 });
  return /v(\d+\.\d+\.\d+)/.exec(stdout)?.[1] ?? stdout.trim();
}

/** `always` is known from 2.10 on; before, the server does not start with it. */
export async function settingsOf(binary: string): Promise<Setting[]> {
  const [major = 0, minor = 0] = (await versionOf(binary)).split('.').map(Number);
  return major > 2 || minor >= 10 ? ['default', 'always'] : ['default'];
}
