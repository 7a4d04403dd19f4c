/** What every server that tests, the demo and `npm start` run on looks like, however it was obtained. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export type LocalServer = {
  readonly url: string;
  readonly kind: 'given' | 'binary' | 'container';
  /** As the server itself says; unknown for one that was given. */
  readonly binaryVersion?: string;
  /** Stops it (or finds it killed) and starts it again at the same address with the same data. */
  restart(): Promise<void>;
  /** Sends a signal, SIGKILL unless told; for one that ends a process, waits until it has ended. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** Stops it for good; data in a folder of its own making goes with it. May be called again. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
};

/** One run of a server: what a way of running it has to offer for the rest to be the same. */
export type Run = {
  readonly url: string;
  readonly version: string;
  stop(): Promise<void>;
  kill(signal: NodeJS.Signals): Promise<void>;
};

export type Launched = {
  readonly kind: 'binary' | 'container';
  /** Starts it, at the address of the run before if there was one. */
  launch(before: Run | undefined): Promise<Run>;
  /** After the last run: remove what is left. */
  cleanUp(): Promise<void>;
};

/** Gives a server its life: start, restart, kill, and close once. */
export async function localServer({ kind, launch, cleanUp }: Launched): Promise<LocalServer> {
  let run = await launch(undefined).catch(async (error: unknown) => {
    await cleanUp();
    throw error;
  });
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closing ??= run.stop().then(cleanUp);
    return closing;
  };
  return {
    url: run.url,
    kind,
    binaryVersion: run.version,
    async restart() {
      if (closing !== undefined) throw new Error('the server is closed');
      await run.stop();
      run = await launch(run);
    },
    kill: (signal = 'SIGKILL') => run.kill(signal),
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** A server somebody else runs: used as it is, never stopped by us. */
export function givenServer(url: string): LocalServer {
  const refuse = async (): Promise<never> => {
    throw new Error(`the server at ${withoutPassword(url)} was given to us and is not ours to stop`);
  };
  const close = async (): Promise<void> => {};
  return { url, kind: 'given', restart: refuse, kill: refuse, close, [Symbol.asyncDispose]: close };
}

/** An address as it may be shown. */
export function withoutPassword(url: string): string {
  return url.replaceAll(/\/\/[^@/]*@/g, '//***@');
}

export type DataFolder = {
  readonly folder: string;
  /** The folder, when it is one of our own. */
  readonly scratch: string | undefined;
  remove(): Promise<void>;
};

/** The given folder; or a scratch one of our own, that `remove` takes away again. */
export async function dataFolder(given: string | undefined, name: string): Promise<DataFolder> {
  if (given !== undefined) return { folder: given, scratch: undefined, remove: async (): Promise<void> => {} };
  const folder = await mkdtemp(join(tmpdir(), `pet-roast-${name}-`));
  const remove = (): Promise<void> => rm(folder, { recursive: true, force: true, maxRetries: 3 });
  return { folder, scratch: folder, remove };
}
