/**
 * `npm run soak -- --minutes 10 [--rate 3]`: the real system, one process a service, at a steady load of `rate` jobs a
 * second. Each minute it says what every process and every store holds; at the end, whether that is flat (see
 * `soak/verdict.ts` for the rule). Exits with 1 when something is not, or when a job was not completed and told.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { freePort, startWorld } from '@pet-roast/sandbox';
import { natsForTest, redisForTest, startFleet } from '@pet-roast/testing';
import { fetchModel, root } from './run/machine.ts';
import { startLoad } from './soak/load.ts';
import { openProbe, type Sample } from './soak/probe.ts';
import { minuteLines, verdictLines } from './soak/report.ts';
import { judge } from './soak/verdict.ts';

const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '10' }, rate: { type: 'string', default: '3' } },
});
const minutes = Number(values.minutes);
const jobsPerSecond = Number(values.rate);

const sampleEveryMs = 10_000;
const minuteMs = 60_000;
const collectable = `--expose-gc --import=${pathToFileURL(join(root, 'scripts/soak/collect-on-signal.ts'))}`;
/** Two samples in each third are the least that a median can be taken of. */
const minutesMin = 1;

process.exit(await soak());

async function soak(): Promise<number> {
  if (!(minutes >= minutesMin) || !(jobsPerSecond > 0)) {
    console.error(
      `Usage: npm run soak -- --minutes N [--rate R], N at least ${minutesMin} and R jobs a second above 0`,
    );
    return 2;
  }
  console.log(`Soak: ${minutes} min at ${jobsPerSecond} jobs a second; a figure each ${sampleEveryMs / 1_000} s`);
  await using stack = new AsyncDisposableStack();
  const monitorPort = await freePort();
  const nats = stack.use(await natsForTest({ extraConfig: `http: "127.0.0.1:${monitorPort}"` }));
  const redis = stack.use(await redisForTest());
  const model = await fetchModel();
  if (model === undefined) throw new Error('the soak needs the detection model');
  const world = stack.use(
    await startWorld({
      images: { 'pet.jpg': await readFile(join(root, 'packages/sandbox/assets/pet.jpg')) },
      revid: { behaviour: { renderMs: 1_500, jitterMs: 1_500, video: 'sample' } },
    }),
  );
  const fleet = stack.use(
    await startFleet({
      natsUrl: nats.url,
      redisUrl: redis.url,
      env: { LOG_LEVEL: 'info', ...world.env, MODEL_PATH: model, NODE_OPTIONS: collectable },
      replicas: 1,
    }),
  );
  const probe = stack.use(
    await openProbe({
      fleet,
      natsUrl: nats.url,
      natsMonitorUrl: `http://127.0.0.1:${monitorPort}`,
      redisUrl: redis.url,
    }),
  );
  const load = startLoad({ gatewayUrl: fleet.gatewayUrl, imageUrl: world.images.urlOf('pet.jpg'), jobsPerSecond });

  const samples: Sample[] = [await probe.sample(load.tally())];
  const started = Date.now();
  for (let next = sampleEveryMs; next <= minutes * minuteMs; next += sampleEveryMs) {
    await sleep(Math.max(0, started + next - Date.now()));
    samples.push(await probe.sample(load.tally()));
    if (next % minuteMs === 0) console.log(minuteLines(next / minuteMs, samples.slice(-1 - minuteMs / sampleEveryMs)));
  }
  const done = await load.stop();
  const verdict = judge(samples);
  console.log(verdictLines(verdict, done));
  return verdict.every((line) => line.flat) && done.completed === done.sent ? 0 : 1;
}
