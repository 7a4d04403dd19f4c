/**
 * The sandbox as a process of its own: starts everything outside the product, prints one line of JSON with the
 * addresses and the services' environment when all of it answers, and stops on SIGTERM or SIGINT.
 */
import { z } from 'zod';
import { startWorld, type WorldKeys, type WorldOptions } from '../world.ts';

const port = z.coerce.number().int().min(0).max(65_535).default(0);
const text = z.string().min(1).optional();

const environment = z.object({
  SANDBOX_HOST: z.string().default('127.0.0.1').describe('Address to listen on'),
  SANDBOX_PUBLIC_HOST: text.describe('Host name by which others reach this process, where that is not the address'),
  SANDBOX_REVID_PORT: port,
  SANDBOX_BHASHINI_PORT: port,
  SANDBOX_INDICTRANS_PORT: port,
  SANDBOX_BACKEND_PORT: port,
  SANDBOX_IMAGES_PORT: port,
  SANDBOX_IMAGES_DIR: text.describe('Folder of photos to serve'),
  SANDBOX_WORK_DIR: text.describe('Where videos lie; a temporary folder unless given'),
  SANDBOX_RENDER_MS: z.coerce.number().min(0).optional().describe('How long a render takes'),
  TRANSLATOR_PROVIDER: z.enum(['bhashini', 'indictrans']).default('bhashini'),
  REVID_API_KEY: text,
  BHASHINI_USER_ID: text,
  BHASHINI_API_KEY: text,
  BHASHINI_PIPELINE_ID: text,
  INDICTRANS_API_KEY: text,
  BACKEND_WEBHOOK_SECRET: text,
});
type Environment = z.output<typeof environment>;

const parsed = environment.safeParse(withoutEmpty(process.env));
if (!parsed.success) {
  console.error(`sandbox: the environment is wrong\n${z.prettifyError(parsed.error)}`);
  process.exit(1);
}

const world = await startWorld(worldOptions(parsed.data));
let stopping = false;
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.on(signal, () => {
    if (stopping) return;
    stopping = true;
    void world.close().then(() => process.exit(0));
  });
}
console.log(JSON.stringify({ ready: true, pid: process.pid, urls: world.urls, env: world.env }));

function worldOptions(env: Environment): WorldOptions {
  const renderMs = env.SANDBOX_RENDER_MS;
  return {
    host: env.SANDBOX_HOST,
    ...(env.SANDBOX_PUBLIC_HOST === undefined ? {} : { publicHost: env.SANDBOX_PUBLIC_HOST }),
    ports: {
      revid: env.SANDBOX_REVID_PORT,
      bhashini: env.SANDBOX_BHASHINI_PORT,
      indictrans: env.SANDBOX_INDICTRANS_PORT,
      backend: env.SANDBOX_BACKEND_PORT,
      images: env.SANDBOX_IMAGES_PORT,
    },
    keys: keysOf(env),
    translator: env.TRANSLATOR_PROVIDER,
    ...(env.SANDBOX_IMAGES_DIR === undefined ? {} : { imagesDir: env.SANDBOX_IMAGES_DIR }),
    revid: {
      ...(env.SANDBOX_WORK_DIR === undefined ? {} : { workDir: env.SANDBOX_WORK_DIR }),
      ...(renderMs === undefined ? {} : { behaviour: { renderMs } }),
    },
  };
}

function keysOf(env: Environment): Partial<WorldKeys> {
  const given = {
    revidApiKey: env.REVID_API_KEY,
    bhashiniUserId: env.BHASHINI_USER_ID,
    bhashiniApiKey: env.BHASHINI_API_KEY,
    bhashiniPipelineId: env.BHASHINI_PIPELINE_ID,
    indictransApiKey: env.INDICTRANS_API_KEY,
    webhookSecret: env.BACKEND_WEBHOOK_SECRET,
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

/** An empty variable is an unset one, as in the services. */
function withoutEmpty(env: NodeJS.ProcessEnv): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
}
