/**
 * `npm run demo [-- --image FILE|URL --text "…"]`: one job, end to end, through the five real processes. Everything
 * outside the product is the sandbox's. Exits with 0 when the video was delivered and plays, with 1 and the reason else.
 */
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { probeVideo, startWorld, type World } from '@pet-roast/sandbox';
import { createLog, type JobView, openBroker, type StoredEvent } from '@pet-roast/shared';
import { type System, startSystem, until } from '@pet-roast/testing';
import { fetchModel, openMachine, root, tellServer } from './run/machine.ts';
import { tellEvent } from './run/tell-event.ts';

const jobTimeoutMs = 120_000;
const defaultText = 'मेरी बिल्ली दिन में बीस घंटे सोती है। बाकी चार घंटे वह मुझे घूरती है। इतना नाटक तो फ़िल्मों में भी नहीं होता।';
const defaultImage = join(root, 'packages/sandbox/assets/pet.jpg');

const { values } = parseArgs({
  options: { image: { type: 'string' }, text: { type: 'string', default: defaultText } },
});

try {
  await using stack = new AsyncDisposableStack();
  await demo(stack, values.image ?? defaultImage, values.text);
} catch (error) {
  console.error(`\nThe demo failed: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
// Whatever else is open must not keep a finished demo up.
process.exit();

async function demo(stack: AsyncDisposableStack, image: string, text: string): Promise<void> {
  console.log('Setting up');
  const { nats, redis } = await openMachine(stack);
  console.log(`  ${tellServer('NATS', nats)}, ${tellServer('Redis', redis)}`);
  const model = await fetchModel();
  console.log(
    model ? `  detection model: ${model}` : '  no detection model: the photo is not checked (detection: skipped)',
  );

  const isUrl = /^https?:\/\//i.test(image);
  const photo = isUrl ? {} : { [`photo${extname(image) || '.jpg'}`]: await readPhoto(image) };
  const workDir = join(root, 'out');
  await mkdir(workDir, { recursive: true });
  const world = stack.use(await startWorld({ images: photo, revid: { behaviour: { renderMs: 1_500 } } }));
  const imageUrl = isUrl ? image : world.images.urlOf(Object.keys(photo)[0] ?? '');
  const system = stack.use(await startServices(world, nats.url, redis.url, model));

  const started = performance.now();
  const seconds = () => `${((performance.now() - started) / 1_000).toFixed(2).padStart(6)} s`;
  const log = createLog('demo', 'silent');
  const broker = await openBroker({
    url: nats.url,
    name: 'demo',
    log,
    connectTimeoutMs: 10_000,
    replicas: 1,
    jobTtlMs: 1,
    streamBytesMax: 1,
  });
  stack.defer(() => broker.close());
  const tell = (event: StoredEvent) => {
    const line = tellEvent(event);
    if (line !== undefined) console.log(`  ${seconds()}  ${line}`);
  };
  for (const subject of ['received', 'verdict', 'translated', 'render', 'callback', 'outcome', 'delivery'] as const) {
    const follower = await broker.follow(subject, tell);
    stack.defer(() => follower.stop());
  }

  console.log(`\nPOST ${system.gatewayUrl}/api/generate-video\n  photo: ${image}\n  text:  ${text}`);
  const jobId = await generate(system.gatewayUrl, imageUrl, text);
  console.log(`  ${seconds()}  202: job ${jobId}`);

  const delivery = await world.backend.waitForDelivery((it) => it.job_id === jobId, jobTimeoutMs);
  const view = await until(() => finished(system.gatewayUrl, jobId), { what: 'the end of the job', timeoutMs: 20_000 });
  console.log('\nThe backend got');
  for (const name of ['webhook-id', 'webhook-timestamp', 'webhook-signature', 'x-webhook-source', 'x-job-id']) {
    console.log(`  ${name}: ${String(delivery.headers[name])}`);
  }
  console.log(`  ${delivery.rawBody}`);
  console.log(`  signature: ${delivery.signature_valid ? 'verified' : 'NOT VALID'}`);
  if (!delivery.signature_valid) throw new Error(`the webhook’s signature is not valid: ${delivery.signature_error}`);
  if (view.status !== 'completed' || view.video_url === null) {
    throw new Error(`the job ended as ${view.status}: ${view.error?.error}: ${view.error?.message}`);
  }
  await keepVideo(view.video_url, join(workDir, `${jobId}${extname(new URL(view.video_url).pathname)}`));
  console.log(`Delivered: ${view.video_url}`);
}

async function startServices(
  world: World,
  natsUrl: string,
  redisUrl: string,
  model: string | undefined,
): Promise<System> {
  const modelEnv = model === undefined ? {} : { MODEL_PATH: model };
  return startSystem({
    natsUrl,
    redisUrl,
    env: { ...modelEnv, POLL_AFTER_MS: '5000', POLL_EVERY_MS: '1000', ...world.env },
    onReady: (name, tookMs) => console.log(`  ${name} is ready (${tookMs} ms)`),
    onRestart: (name, ending) => console.log(`  ${name} ended (${ending}); it is started again`),
  });
}

async function generate(gatewayUrl: string, imageUrl: string, text: string): Promise<string> {
  const answer = await fetch(`${gatewayUrl}/api/generate-video`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ text, image_url: imageUrl }),
    signal: AbortSignal.timeout(jobTimeoutMs),
  });
  const body = (await answer.json()) as {
    job_id?: string;
    detail?: { error: string; message: string; suggestion: string };
  };
  if (answer.status === 202 && body.job_id !== undefined) return body.job_id;
  throw new Error(`${answer.status} ${body.detail?.error}: ${body.detail?.message} ${body.detail?.suggestion}`);
}

async function finished(gatewayUrl: string, jobId: string): Promise<JobView | undefined> {
  const answer = await fetch(`${gatewayUrl}/api/video-status/${jobId}`, { signal: AbortSignal.timeout(5_000) });
  const view = (await answer.json()) as JobView;
  return view.stage === 'notified' || view.stage === 'undeliverable' ? view : undefined;
}

/** Downloads the video and plays it with a decoder: an address alone is no video. */
async function keepVideo(url: string, path: string): Promise<void> {
  const answer = await fetch(url, { signal: AbortSignal.timeout(30_000) });
  if (!answer.ok) throw new Error(`the video’s address answers ${answer.status}`);
  await writeFile(path, new Uint8Array(await answer.arrayBuffer()));
  const { size } = await stat(path);
  const { durationSeconds, width, height, frames } = await probeVideo(path);
  console.log(
    `\nThe video plays: ${durationSeconds.toFixed(1)} s, ${width}×${height}, ${frames} frames, ${Math.round(size / 1_000)} kB`,
  );
  console.log(`  ${path}`);
}

async function readPhoto(path: string): Promise<Buffer> {
  return readFile(path).catch((cause: NodeJS.ErrnoException) => {
    throw new Error(`the photo ${path} cannot be read (${cause.code})`, { cause });
  });
}
