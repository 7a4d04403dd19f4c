/**
 * `npm run bench -- fsync [--binary PATH]… [--messages 200] [--until-synced]`: what `sync_interval` costs and what it
 * buys, on the nats-server of the PATH or on those named. SIGKILL proves nothing here, since the system still writes what a
 * killed process has handed to it; so the calls that put bytes on the disk are counted by strace, between the first
 * publish and the last acknowledgement. Latency and throughput are taken without strace, which slows every call.
 *
 * `--until-synced` also waits (minutes) until the default setting puts an acknowledged message on the disk by itself.
 */

import { parseArgs } from 'node:util';
import { thisMachine } from '@pet-roast/sandbox';
import { findBinary } from '@pet-roast/sandbox/infrastructure';
import { compare, diskSyncMs, type Timed } from './fsync/publish.ts';
import { openServer, type Setting, settingsOf, versionOf } from './fsync/server.ts';
import { countSyncs, findStrace, secondsUntilSynced, straceMissing } from './fsync/trace.ts';

type Row = Timed & { readonly setting: Setting; readonly syncsPerMessage: number | undefined };

const messagesDefault = '200';
/** What the settings do is compared in turns, so that whatever else this machine does meanwhile hits both. */
const rounds = 5;
const throughputMessages = 2_000;

export async function run(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      binary: { type: 'string', multiple: true, default: [] },
      messages: { type: 'string', default: messagesDefault },
      'until-synced': { type: 'boolean', default: false },
    },
  });
  const messages = Number(values.messages);
  const onPath = await findBinary('nats-server', thisMachine());
  const binaries = values.binary.length > 0 ? values.binary : onPath === undefined ? [] : [onPath];
  if (binaries.length === 0) {
    say('There is no nats-server on the PATH; name one with --binary PATH.');
    return 2;
  }
  const strace = await findStrace();
  if (strace === undefined) say(straceMissing);

  say(`fsync of 4 KB on this disk alone: p50 ${(await diskSyncMs()).toFixed(2)} ms`);

  for (const binary of binaries) {
    say(`\nnats-server ${await versionOf(binary)} (${binary})`);
    const rows = await measure(binary, messages, strace);
    for (const row of rows) say(lineOf(row, messages));
    const [usual, always] = rows;
    if (usual && always) say(ratioOf(usual, always));
    else say('  always:  not known to this version; it does not start with it');
    if (values['until-synced'] && strace !== undefined) {
      const seconds = await secondsUntilSynced(binary, strace);
      say(`  default: an acknowledged message was put on the disk after ${seconds?.toFixed(0) ?? 'more than 300'} s`);
    }
  }
  return 0;
}

async function measure(binary: string, messages: number, strace: string | undefined): Promise<Row[]> {
  await using stack = new AsyncDisposableStack();
  const servers = [];
  for (const setting of await settingsOf(binary)) {
    servers.push({ setting, js: stack.use(await openServer(binary, setting)).js });
  }
  const timed = await compare(
    servers.map(({ js }) => js),
    { messages, throughputMessages, rounds },
  );
  const rows: Row[] = [];
  for (const [index, figures] of timed.entries()) {
    const setting = servers[index]?.setting ?? 'default';
    const syncs = strace === undefined ? undefined : await countSyncs(binary, setting, strace, messages);
    rows.push({ setting, ...figures, syncsPerMessage: syncs === undefined ? undefined : syncs / messages });
  }
  return rows;
}

function lineOf({ setting, p50Ms, p99Ms, perSecond, syncsPerMessage }: Row, messages: number): string {
  const syncs = syncsPerMessage === undefined ? 'not counted' : syncsPerMessage.toFixed(2);
  return `  ${`${setting}:`.padEnd(8)} ${syncs} syncs an acknowledged message (of ${messages}); ack p50 ${p50Ms.toFixed(2)} ms, p99 ${p99Ms.toFixed(2)} ms; ${Math.round(perSecond)} messages/s, 64 at once`;
}

function ratioOf(usual: Row, always: Row): string {
  const times = (a: number, b: number) => `${(a / b).toFixed(1)} times`;
  return `  always against default: p50 ${times(always.p50Ms, usual.p50Ms)}, p99 ${times(always.p99Ms, usual.p99Ms)} as long; throughput ${((100 * always.perSecond) / usual.perSecond).toFixed(0)} %`;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
