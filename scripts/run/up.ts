/**
 * The system, kept up, with everything around it on this machine: NATS and Redis (their data stays in `.cache/data`), and
 * the sandbox in place of Revid, AI4Bharat and the backend. An address that names a real one, in the environment or in
 * `.env`, is used instead, with its keys; with `SANDBOX=false` there is no sandbox, and nothing stands in for what is not
 * named. `DATA_DIR` names another place for the data. Ends on Ctrl-C.
 */
import { createWriteStream, existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { startWorld } from '@pet-roast/sandbox';
import { portOrFree } from '@pet-roast/sandbox/infrastructure';
import { type ServiceName, serviceNames, startSystem } from '@pet-roast/testing';
import { takeDataDir } from './data-dir.ts';
import { fetchModel, openMachine, root, tellServer } from './machine.ts';
import { namedVariables } from './named-variables.ts';

/** Brings the system up and keeps it up until SIGINT or SIGTERM; the process ends then, or with 1 if it cannot start. */
export async function up(options: { readonly inOneProcess: boolean }): Promise<void> {
  if (existsSync(join(root, '.env'))) process.loadEnvFile(join(root, '.env'));
  const stack = new AsyncDisposableStack();
  let stopping = false;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (stopping) return;
      stopping = true;
      console.log('\nStopping');
      void stack.disposeAsync().then(() => process.exit(0));
    });
  }
  try {
    await start(stack, options.inOneProcess);
  } catch (error) {
    // What is ended in the middle of its start fails: that is no failure.
    if (stopping) return;
    console.error(`\nCould not start: ${error instanceof Error ? error.message : String(error)}`);
    await stack.disposeAsync();
    process.exit(1);
  }
}

async function start(stack: AsyncDisposableStack, inOneProcess: boolean): Promise<void> {
  const dataDir = resolve(process.env['DATA_DIR'] || join(root, '.cache/data'));
  stack.use(await takeDataDir(dataDir));
  const { nats, redis } = await openMachine(stack, dataDir);
  console.log(`${tellServer('NATS', nats)}, ${tellServer('Redis', redis)}`);
  const model = await fetchModel();
  if (model === undefined) console.log('No detection model: photos are not checked (detection: skipped).');

  const inSandbox = !['false', '0'].includes(process.env['SANDBOX'] ?? 'true');
  const world = inSandbox
    ? stack.use(await startWorld({ imagesDir: join(root, 'packages/sandbox/assets') }))
    : undefined;
  const logs = join(root, '.cache/logs');
  await mkdir(logs, { recursive: true });
  const files = new Map(
    serviceNames.map((name) => [name, createWriteStream(join(logs, `${name}.log`), { flags: 'a' })]),
  );
  for (const [name, file] of files)
    file.once('error', (error) => console.error(`${name}’s log ends: ${error.message}`));
  const named = namedVariables(process.env, inSandbox);
  for (const { name, address } of named.unused) {
    console.log(`${name} is not used: ${address} is not set, so the sandbox stands in for who knows it`);
  }
  const system = stack.use(
    await startSystem({
      inOneProcess,
      natsUrl: nats.url,
      redisUrl: redis.url,
      ports: await choosePorts(),
      env: { ...(model === undefined ? {} : { MODEL_PATH: model }), ...world?.env, ...named.used },
      onReady: (name, tookMs) =>
        console.log(`${inOneProcess ? 'the five services in one process are' : `${name} is`} ready (${tookMs} ms)`),
      onOutput: (name, chunk) => void files.get(name)?.write(chunk),
      onRestart: (name, ending) => console.log(`${name} ended (${ending}); it is started again`),
    }),
  );
  const key = world ? '' : ' -H "authorization: Bearer $PET_ROAST_API_KEY"';
  const photo = world ? world.images.urlOf('pet.jpg') : 'https://ADDRESS/OF/A/PHOTO.jpg';
  console.log(`
The gateway is at ${system.gatewayUrl}; ${world ? 'try' : 'everything around it is real, and Revid.ai wants to be paid:'}

  curl -X POST ${system.gatewayUrl}/api/generate-video${key} -H 'content-type: application/json' \\
    -d '{"text": "My cat thinks that she is the queen of this house.", "image_url": "${photo}"}'
  curl ${system.gatewayUrl}/api/video-status/JOB_ID${key}
  curl ${system.gatewayUrl}/api/test-backend-connection${key}

${world ? `Webhooks so far: ${world.urls.backend}/__sandbox/deliveries` : `BRIDGE_PUBLIC_URL has to lead to ${system.bridgeUrl}: Revid.ai calls it there`}
Logs: ${logs}
Ctrl-C stops everything.`);
}

/** Where callers look for the gateway; the others are looked for by it alone, and give way to what is there. */
async function choosePorts(): Promise<Record<ServiceName, number>> {
  const [bridge, notifier, detector, translator] = await Promise.all([8001, 8002, 8003, 8004].map(portOrFree));
  return {
    gateway: Number(process.env['PORT'] || 8000),
    'revid-bridge': bridge ?? 0,
    notifier: notifier ?? 0,
    detector: detector ?? 0,
    translator: translator ?? 0,
  };
}
