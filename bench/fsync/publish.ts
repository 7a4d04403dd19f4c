/** Publishing as the services do: with a message id and an expected sequence, the size of a job's event. */
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { JetStreamClient } from 'nats';

const eventBytes = 800;
const inFlightMax = 64;
const payload = new Uint8Array(eventBytes).fill(120);

export type Timed = {
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Messages a second, with `inFlightMax` publishers that each wait for their own. */
  readonly perSecond: number;
};

/** The same work for each server, in turns, after a round of warm-up. */
export async function compare(
  servers: readonly JetStreamClient[],
  work: { readonly messages: number; readonly throughputMessages: number; readonly rounds: number },
): Promise<Timed[]> {
  const tookMs = servers.map((): number[] => []);
  const perSecond = servers.map((): number[] => []);
  for (const js of servers) await publishAll(js, 'warm', 200);
  for (let round = 0; round < work.rounds; round++) {
    for (const [index, js] of servers.entries()) {
      tookMs[index]?.push(...(await latencies(js, `latency.${round}`, Math.ceil(work.messages / work.rounds))));
    }
    for (const [index, js] of servers.entries()) {
      perSecond[index]?.push(await throughput(js, `through.${round}`, work.throughputMessages));
    }
  }
  return servers.map((_, index) => ({
    p50Ms: quantile(tookMs[index] ?? [], 0.5),
    p99Ms: quantile(tookMs[index] ?? [], 0.99),
    perSecond: quantile(perSecond[index] ?? [], 0.5),
  }));
}

/** What the disk takes to put 4 KB behind a file's end, without any server: the scale for everything else. */
export async function diskSyncMs(times = 100): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'pet-roast-fsync-'));
  try {
    await using file = await open(join(folder, 'file'), 'a');
    const tookMs: number[] = [];
    for (let index = 0; index < times; index++) {
      await file.write(new Uint8Array(4_096));
      const started = performance.now();
      await file.sync();
      tookMs.push(performance.now() - started);
    }
    return quantile(tookMs, 0.5);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** One after the other, each waiting for its acknowledgement. */
async function latencies(js: JetStreamClient, name: string, messages: number): Promise<number[]> {
  const tookMs: number[] = [];
  for (let index = 0; index < messages; index++) {
    const started = performance.now();
    await publishOne(js, `${name}.${index}`);
    tookMs.push(performance.now() - started);
  }
  return tookMs;
}

async function throughput(js: JetStreamClient, name: string, messages: number): Promise<number> {
  const started = performance.now();
  const each = Math.floor(messages / inFlightMax);
  await Promise.all(Array.from({ length: inFlightMax }, (_, index) => publishAll(js, `${name}.${index}`, each)));
  return (each * inFlightMax) / ((performance.now() - started) / 1_000);
}

function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

export async function publishAll(js: JetStreamClient, name: string, count: number): Promise<void> {
  for (let index = 0; index < count; index++) await publishOne(js, `${name}.${index}`);
}

async function publishOne(js: JetStreamClient, name: string): Promise<void> {
  await js.publish(`bench.${name}`, payload, { msgID: name, expect: { lastSubjectSequence: 0 } });
}
