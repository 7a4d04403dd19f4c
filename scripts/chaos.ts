/**
 * `npm run chaos -- --jobs N --seed S --minutes M [--cluster] [--vendors off]`: the real system, two replicas of each
 * service, with patient clients; meanwhile, by a seeded schedule, everything is broken that can break. Then every single
 * job is verified from outside. Exits with 1 on any violation. The same seed breaks the same things at the same times.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { startTcpProxy, startWorld } from '@pet-roast/sandbox';
import { startFleet } from '@pet-roast/testing';
import sharp from 'sharp';
import { breakThings } from './chaos/faults.ts';
import { type Sent, sendJobs } from './chaos/jobs.ts';
import { createRandom } from './chaos/random.ts';
import { report } from './chaos/report.ts';
import { openServers } from './chaos/servers.ts';
import { gather, isSettled, judge, readLetters } from './chaos/verify.ts';
import { fetchModel, root } from './run/machine.ts';

const { values } = parseArgs({
  options: {
    jobs: { type: 'string', default: '200' },
    seed: { type: 'string' },
    minutes: { type: 'string', default: '2' },
    cluster: { type: 'boolean', default: false },
    vendors: { type: 'string', default: 'on' },
    quiet: { type: 'boolean', default: false },
  },
});
const jobs = Number(values.jobs);
const seed = values.seed === undefined ? Math.floor(Math.random() * 1e9) : Number(values.seed);
const minutes = Number(values.minutes);
if (!(Number.isInteger(jobs) && jobs > 0 && minutes > 0 && Number.isFinite(minutes) && Number.isInteger(seed))) {
  console.error('Usage: npm run chaos -- [--jobs N] [--minutes M] [--seed S], N and S whole numbers, N and M above 0');
  process.exit(2);
}

const adminToken = 'chaos-admin-token-0123';
const breakEveryMs = 1_500;
/** Every deadline below, the longest ack wait and the retries have passed by then. */
const settleTimeoutMs = 180_000;

const env = {
  LOG_LEVEL: 'info',
  ADMIN_TOKEN: adminToken,
  DETECT_WAIT_MS: '3000',
  JOB_DEADLINE_MS: '120000',
  RENDER_DEADLINE_MS: '25000',
  SUBMIT_TIMEOUT_MS: '2000',
  SUBMIT_RETRY_MS: '500',
  POLL_AFTER_MS: '3000',
  POLL_EVERY_MS: '1500',
  WEBHOOK_TIMEOUT_MS: '2000',
  WEBHOOK_WAITS_MS: '300,600,1000',
  CIRCUIT_OPEN_MS: '2000',
  WEBHOOK_HOLD_MS: '20000',
};

const started = Date.now();
const log = (line: string) => {
  if (!values.quiet) console.log(`${((Date.now() - started) / 1_000).toFixed(1).padStart(6)} s  ${line}`);
};

process.exit(await chaos());

async function chaos(): Promise<number> {
  console.log(`Chaos: ${jobs} jobs in ${minutes} min, seed ${seed}${values.cluster ? ', three NATS nodes' : ''}`);
  await using stack = new AsyncDisposableStack();
  const servers = await openServers(stack, values.cluster);
  const model = await fetchModel();
  if (model === undefined) throw new Error('the chaos run needs the detection model');
  const world = stack.use(
    await startWorld({
      images: { 'pet.jpg': await readFile(join(root, 'packages/sandbox/assets/pet.jpg')), 'sky.png': await sky() },
      revid: { behaviour: { renderMs: 800, jitterMs: 1_500, video: 'sample' } },
    }),
  );
  const natsPaths = [];
  for (const port of servers.natsPorts) natsPaths.push(stack.use(await startTcpProxy({ targetPorts: [port] })));
  const redisPath = stack.use(await startTcpProxy({ targetPorts: [servers.redisPort] }));
  const fleet = stack.use(
    await startFleet({
      natsUrl: natsPaths.map((path) => `nats://127.0.0.1:${path.port}`).join(','),
      redisUrl: `redis://127.0.0.1:${redisPath.port}`,
      env: { ...env, ...world.env, MODEL_PATH: model, NATS_REPLICAS: values.cluster ? '3' : '1' },
      replicas: 2,
    }),
  );
  log('everything is up; the jobs begin');

  const untilMs = Date.now() + minutes * 60_000;
  const random = createRandom(seed);
  const target = {
    fleet,
    world,
    pickNats: servers.pickNats,
    redis: servers.redis,
    redisUrl: servers.redisUrl,
    network: [...natsPaths, redisPath],
    vendors: values.vendors !== 'off',
  };
  const addresses = {
    gateway: fleet.gatewayUrl,
    pet: world.images.urlOf('pet.jpg'),
    noPet: world.images.urlOf('sky.png'),
    missing: world.images.urlOf('missing'),
  };
  const everyMs = (minutes * 60_000) / jobs;
  const [sent, tally] = await Promise.all([
    sendJobs(jobs, everyMs, addresses, createRandom(seed + 1), () => {}),
    breakThings(target, random, { everyMs: breakEveryMs, untilMs, log }),
  ]);

  log('everything is mended; waiting for every job to end');
  world.revid.clearFaults();
  world.bhashini.clearFaults();
  world.backend.clearAnswers();
  await settled(sent);
  const letters = await readLetters(fleet.gatewayUrl, adminToken);
  const evidence = await gather(sent, fleet.gatewayUrl, world, letters);
  const violations = evidence.flatMap(judge);
  console.log(`\n${report(evidence, violations, tally)}\n`);
  for (const { kind, job, why } of violations.slice(0, 50)) console.log(`  ${kind}: job ${job} ${why}`);
  for (const exit of tally.badExits) console.log(`  not a clean stop: ${exit}`);
  const logs = join(root, 'out/chaos');
  await mkdir(logs, { recursive: true });
  for (const replica of fleet.replicas)
    await writeFile(join(logs, `${replica.name}-${replica.index}.log`), replica.output());
  // Where nothing was made or nothing was broken, nothing was shown.
  const shown = evidence.some(({ view }) => view?.status === 'completed') && tally.kills > 0;
  const failed = violations.length > 0 || tally.badExits.length > 0 || !shown;
  if (!shown) console.log('  no job was completed, or nothing was killed: this run shows nothing');
  console.log(failed ? `FAILED with seed ${seed}` : `Nothing lost, nothing paid twice (seed ${seed})`);
  return failed ? 1 : 0;

  async function settled(all: readonly Sent[]): Promise<void> {
    const until = Date.now() + settleTimeoutMs;
    for (let left = all.length; left > 0 && Date.now() < until; ) {
      await sleep(2_000);
      const now = await gather(all, fleet.gatewayUrl, world, []);
      const open = now.filter((one) => !isSettled(one));
      if (open.length !== left) log(`${open.length} jobs are not over`);
      left = open.length;
    }
  }
}

function sky(): Promise<Buffer> {
  return sharp({ create: { width: 320, height: 240, channels: 3, background: '#7fb2e5' } })
    .png()
    .toBuffer();
}
