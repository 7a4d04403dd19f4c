/**
 * Which system calls put a message on the disk, by strace. A wrapper script stands in for nats-server: strace's `-D` lets
 * the server keep the process id that the wrapper had, so that whoever starts it notices no difference.
 */
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { thisMachine } from '@pet-roast/sandbox';
import { findBinary } from '@pet-roast/sandbox/infrastructure';
import { publishAll } from './publish.ts';
import { openServer, type Setting } from './server.ts';

export const straceMissing =
  'strace is not here, so the syncs are not counted. Debian, Ubuntu: sudo apt-get install strace';

const untilSyncedMsMax = 300_000;
const lookEveryMs = 500;
/** What is written at the start, the stream's own files too, is on the disk by then. */
const quietMs = 1_500;

export function findStrace(): Promise<string | undefined> {
  return findBinary('strace', thisMachine());
}

/** Calls of fsync and its kin while `messages` messages are published, each waiting for its acknowledgement. */
export function countSyncs(binary: string, setting: Setting, strace: string, messages: number): Promise<number> {
  return traced(binary, setting, strace, async (publish, syncs) => {
    await sleep(quietMs);
    const before = (await syncs()).length;
    await publish(messages);
    return (await syncs()).length - before;
  });
}

/** How long after its acknowledgement a message is put on the disk by the default setting; undefined after 5 min. */
export function secondsUntilSynced(binary: string, strace: string): Promise<number | undefined> {
  return traced(binary, 'default', strace, async (publish, syncs) => {
    await sleep(quietMs);
    const before = (await syncs()).length;
    await publish(1);
    const started = performance.now();
    while (performance.now() - started < untilSyncedMsMax) {
      if ((await syncs()).length > before) return (performance.now() - started) / 1_000;
      await sleep(lookEveryMs);
    }
    return undefined;
  });
}

async function traced<T>(
  binary: string,
  setting: Setting,
  strace: string,
  work: (publish: (count: number) => Promise<void>, syncs: () => Promise<string[]>) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'pet-roast-strace-'));
  try {
    const wrapper = join(folder, 'nats-server');
    const trace = `exec '${strace}' -D -f -y -e trace=fsync,fdatasync,sync_file_range,msync -o '${folder}/calls.'$$ '${binary}' "$@"`;
    await writeFile(wrapper, `#!/bin/sh\nif [ "$1" = --version ]; then exec '${binary}' --version; fi\n${trace}\n`);
    await chmod(wrapper, 0o755);
    await using server = await openServer(wrapper, setting);
    return await work(
      (count) => publishAll(server.js, 'traced', count),
      () => syncsIn(folder),
    );
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  }
}

/**
 * The stream's messages are in `…/msgs/<n>.blk`; syncs of its state and of its consumers do not save one. A call that another
 * thread interrupts is written on two lines; the first one counts.
 */
async function syncsIn(folder: string): Promise<string[]> {
  const file = (await readdir(folder)).find((name) => name.startsWith('calls.'));
  if (file === undefined) throw new Error('strace has written nothing');
  const lines = (await readFile(join(folder, file), 'utf8')).split('\n');
  return lines.filter((line) => /\b(fsync|fdatasync|sync_file_range|msync)\(.*\.blk>/.test(line));
}
