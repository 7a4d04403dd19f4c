/** What the demo and `npm start` need of the machine before the services: NATS, Redis and the detection model. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { type LocalServer, openNats, openRedis } from '@pet-roast/sandbox';

export const root = fileURLToPath(new URL('../../', import.meta.url));

const modelTimeoutMs = 15 * 60_000;
const modelUnavailable = 3;

export type Machine = { readonly nats: LocalServer; readonly redis: LocalServer };

/** NATS and Redis, found or started; with `dataDir` their data stays. Throws with what a person can do. */
export async function openMachine(stack: AsyncDisposableStack, dataDir?: string): Promise<Machine> {
  const nats = stack.use(await openNats(dataDir === undefined ? {} : { dataDir: `${dataDir}/nats` }));
  const redis = stack.use(await openRedis(dataDir === undefined ? {} : { dataDir: `${dataDir}/redis` }));
  return { nats, redis };
}

export function tellServer(name: string, server: LocalServer): string {
  const how = { given: 'as you named it', binary: 'started here', container: 'started in a container' }[server.kind];
  return `${name}${server.binaryVersion === undefined ? '' : ` ${server.binaryVersion}`} (${how})`;
}

/** The model's path, fetched if need be with progress on stderr; undefined, with the reason told, where none can be had. */
export async function fetchModel(): Promise<string | undefined> {
  const child = spawn(process.execPath, ['services/detector/src/fetch-model.ts'], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: modelTimeoutMs,
  });
  let path = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    path += chunk;
  });
  const [code] = await once(child, 'close');
  if (code === 0) return path.trim();
  if (code === modelUnavailable) return undefined;
  throw new Error('the detection model could not be set up; the reason is above');
}
