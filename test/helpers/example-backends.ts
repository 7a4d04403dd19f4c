/** The backends in `examples/`, built and started as their READMEs say, at the end of a whole system. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type RunningService, spawnService, startTestSystem, type TestSystem, until } from '@pet-roast/testing';
import sharp from 'sharp';
import { build as buildClient } from '../../packages/client/build.ts';
import { signWebhook } from '../../services/notifier/src/core/webhook.ts';
import { type Passed, type Relay, send, startRelay } from './example-relay.ts';

const names = ['backend-graphql', 'backend-nestjs'] as const;
export type ExampleName = (typeof names)[number];
/** What a test sends: one that has passed, or one that it signed. */
export type Webhook = Pick<Passed, 'headers' | 'body'>;

export type ExampleWorld = {
  readonly t: TestSystem;
  readonly relay: Relay;
  readonly petUrl: string;
  readonly skyUrl: string;
  /** Starts an example as the system's backend, on a free port. */
  start(name: ExampleName, env?: Readonly<Record<string, string>>): Promise<RunningService>;
  /** The first webhook of a job that a backend has taken. */
  webhookOf(jobId: string): Promise<Passed>;
  /** A webhook as the notifier would sign it. */
  sign(id: string, body: { readonly job_id: string }, at?: Date): Webhook;
  [Symbol.asyncDispose](): Promise<void>;
};

const root = fileURLToPath(new URL('../..', import.meta.url));
const compileTimeoutMs = 60_000;
const webhookTimeoutMs = 30_000;
// PGlite makes a new database first, which takes seconds on a busy machine.
const listenTimeoutMs = 60_000;

/** Builds both examples and starts the system that tells them of its jobs. */
export async function startExampleWorld(): Promise<ExampleWorld> {
  await using stack = new AsyncDisposableStack();
  const relay = stack.use(await startRelay());
  const [pet, sky] = await Promise.all([
    readFile(`${root}packages/sandbox/assets/pet.jpg`),
    drawSky(),
    buildExamples(),
  ]);
  const images = { 'pet.jpg': pet, 'sky.jpg': sky };
  const t = stack.use(await startTestSystem({ world: { images }, env: { BACKEND_WEBHOOK_URL: relay.url } }));
  const secret = t.world.env.BACKEND_WEBHOOK_SECRET;
  const owned = stack.move();

  return {
    t,
    relay,
    petUrl: t.world.images.urlOf('pet.jpg'),
    skyUrl: t.world.images.urlOf('sky.jpg'),
    async start(name, env = {}) {
      const entry = `examples/${name}/dist/main.js`;
      // With /api, as the backends have it in their configuration.
      const own = { PET_ROAST_URL: `${t.system.gatewayUrl}/api`, BACKEND_WEBHOOK_SECRET: secret };
      const backend = await spawnService({ entry, name, env: { ...own, ...env }, listenTimeoutMs });
      relay.leadTo(backend.url);
      return backend;
    },
    webhookOf: (jobId) =>
      until(() => relay.passed().find(({ headers, answered }) => headers['x-job-id'] === jobId && answered < 300), {
        what: `the webhook of job ${jobId}`,
        timeoutMs: webhookTimeoutMs,
      }),
    sign: (id, body, at) => signWebhook(id, body, [secret], at),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Sends a webhook to a backend itself; gives the status of its answer. */
export async function deliver(backend: RunningService, { headers, body }: Webhook): Promise<number> {
  return (await send(`${backend.url}/webhooks/pet-roast-complete`, headers, body)).status;
}

/** A webhook that passed, repeated under another id: its true id and signature in the headers that `svix` looks at first. */
export function inDisguise({ headers, body }: Webhook): Webhook {
  const asSvix = Object.entries(headers).map(([name, value]) => [name.replace(/^webhook-/, 'svix-'), value]);
  return { headers: { ...headers, ...Object.fromEntries(asSvix), 'webhook-id': 'msg_new' }, body };
}

/** The client into the folder that its package.json names, then both examples. Throws with the compiler's messages. */
async function buildExamples(): Promise<void> {
  await buildClient(`${root}packages/client/dist`);
  await Promise.all(
    names.map(async (name) => {
      const args = [`${root}node_modules/typescript/bin/tsc`, '-p', `examples/${name}`];
      await promisify(execFile)(process.execPath, args, { cwd: root, timeout: compileTimeoutMs }).catch((cause) => {
        throw new Error(`examples/${name} does not compile:\n${(cause as { stdout?: string }).stdout}`, { cause });
      });
    }),
  );
}

/** A photo without an animal. */
function drawSky(): Promise<Buffer> {
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="640" height="480"><defs><linearGradient id="g" y2="1" x2="0">
    <stop offset="0" stop-color="#2a6fd0"/><stop offset="1" stop-color="#d8ecff"/></linearGradient></defs>
    <rect width="640" height="480" fill="url(#g)"/></svg>`;
  return sharp(Buffer.from(svg)).jpeg().toBuffer();
}
