import { createHash } from 'node:crypto';
import type { StartedTestContainer } from 'testcontainers';
import { freePort } from './free-port.ts';
import { type LocalServer, localServer, type Run } from './local-server.ts';
import { poll } from './poll.ts';
import type { Address } from './probe.ts';

export type ContainerRecipe = {
  readonly name: string;
  readonly image: string;
  /** Where the server listens inside. */
  readonly port: number;
  readonly hostPort: number | undefined;
  /** Path inside to content. */
  readonly files: Readonly<Record<string, string>>;
  readonly command: readonly string[];
  readonly saysWhenReady: RegExp;
  /** Asks the server itself; throws while it does not answer. */
  readonly version: (address: Address) => Promise<string>;
  /** The data is in a volume that is named after this folder and stays; without it, it goes with the container. */
  readonly dataDir: string | undefined;
  readonly report: (line: string) => void;
};

const startTimeoutMs = 5 * 60_000; // the first time, the image is fetched
const readyTimeoutMs = 30_000;
const readyEveryMs = 50;
const stopGraceS = 5;
const portTriesMax = 3;
const logTailChars = 2_000;
const slowAfterMs = 2_000;

/** A server in a container, at a fixed port of the host so that a restart keeps its address. */
export async function containerServer(recipe: ContainerRecipe): Promise<LocalServer> {
  // Loaded only when needed: it is large, and most machines run the binaries.
  const { getContainerRuntimeClient } = await import('testcontainers');
  let container: StartedTestContainer | undefined;
  return localServer({
    kind: 'container',
    launch: async () => {
      const engine = (await getContainerRuntimeClient()).container;
      if (container === undefined) container = await startAtFreePort(recipe);
      else await engine.start(engine.getById(container.getId()));
      const handle = engine.getById(container.getId());
      const address = { host: container.getHost(), port: container.getMappedPort(recipe.port) };
      const stopped = async (): Promise<true | undefined> =>
        (await handle.inspect()).State.Running ? undefined : true;
      return {
        url: `${recipe.name}://${address.host}:${address.port}`,
        version: await answer(recipe, address),
        stop: async () => {
          if ((await stopped()) === undefined) await engine.stop(handle, { timeout: stopGraceS });
        },
        kill: async (signal) => {
          if ((await stopped()) === true) return;
          await handle.kill({ signal });
          if (signal === 'SIGKILL' || signal === 'SIGTERM')
            await poll(
              stopped,
              readyBounds,
              () => new Error(`the container of ${recipe.name} runs on after ${signal}`),
            );
        },
      } satisfies Run;
    },
    cleanUp: async () => {
      await container?.stop({ remove: true, removeVolumes: true });
    },
  });
}

const readyBounds = { timeoutMs: readyTimeoutMs, everyMs: readyEveryMs };

function answer({ name, version }: ContainerRecipe, address: Address): Promise<string> {
  return poll(
    () => version(address),
    readyBounds,
    (last) =>
      new Error(
        `the container of ${name} runs, but ${name} does not answer within ${readyTimeoutMs / 1000} s at ${address.host}:${address.port}`,
        { cause: last },
      ),
  );
}

async function startAtFreePort(recipe: ContainerRecipe): Promise<StartedTestContainer> {
  const slow = setTimeout(
    () => recipe.report(`Setting up: a container of ${recipe.image} (the first time, the image is fetched) …`),
    slowAfterMs,
  );
  try {
    for (let triesLeft = portTriesMax; ; triesLeft -= 1) {
      try {
        return await start(recipe, recipe.hostPort ?? (await freePort()));
      } catch (error) {
        const taken = /address already in use|port is already allocated/i.test((error as Error).message);
        if (!taken || recipe.hostPort !== undefined || triesLeft <= 1) {
          throw new Error(
            `${recipe.name} could not be run in a container of ${recipe.image}: ${(error as Error).message}`,
            { cause: error },
          );
        }
      }
    }
  } finally {
    clearTimeout(slow);
  }
}

async function start(recipe: ContainerRecipe, hostPort: number): Promise<StartedTestContainer> {
  const { GenericContainer, Wait } = await import('testcontainers');
  let said = '';
  const container = new GenericContainer(recipe.image)
    .withLogConsumer((log) => {
      log.on('data', (chunk: Buffer) => {
        said = (said + chunk.toString()).slice(-logTailChars);
      });
    })
    .withExposedPorts({ container: recipe.port, host: hostPort })
    .withCommand([...recipe.command])
    .withCopyContentToContainer(Object.entries(recipe.files).map(([target, content]) => ({ target, content })))
    .withWaitStrategy(Wait.forLogMessage(recipe.saysWhenReady))
    .withStartupTimeout(startTimeoutMs);
  if (recipe.dataDir !== undefined) {
    container.withBindMounts([{ source: volumeOf(recipe.name, recipe.dataDir), target: '/data' }]);
  }
  return container.start().catch((cause: Error) => {
    throw new Error(`${cause.message}${said === '' ? '' : `\nThe end of its log:\n${said}`}`, { cause });
  });
}

function volumeOf(name: string, dataDir: string): string {
  return `pet-roast-${name}-${createHash('sha256').update(dataDir).digest('hex').slice(0, 12)}`;
}
