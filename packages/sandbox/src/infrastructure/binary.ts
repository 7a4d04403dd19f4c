import { mkdir, open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Run } from './local-server.ts';
import { poll } from './poll.ts';
import { type OwnedProcess, startProcess } from './process.ts';

const readyTimeoutMs = 15_000;
const readyEveryMs = 5;
const stopGraceMs = 5_000;
const logTailChars = 2_000;

export type BinaryRun = {
  readonly name: string;
  readonly binary: string;
  readonly args: readonly string[];
  /** Its data, and `<name>.log` with all it said. */
  readonly folder: string;
  /** The folder, where nobody wants it when this process ends. */
  readonly scratch: string | undefined;
  /** Its address and version once it answers; throws or gives undefined before that. */
  ready(pid: number): Promise<Pick<Run, 'url' | 'version'> | undefined>;
};

/** Runs a server's binary and waits, at most 15 s, until it answers. Throws with the end of its log when it does not. */
export async function runBinary({ name, binary, args, folder, scratch, ready }: BinaryRun): Promise<Run> {
  await mkdir(folder, { recursive: true });
  const logPath = join(folder, `${name}.log`);
  const log = await open(logPath, 'a');
  const offset = (await log.stat()).size;
  const server = await startProcess(binary, args, {
    cwd: folder,
    scratch,
    env: serverEnvironment(),
    stdio: ['ignore', log.fd, log.fd],
  }).finally(() => log.close());
  const said = async (): Promise<string> => {
    const text = (await readFile(logPath, 'utf8')).slice(offset).trim().slice(-logTailChars);
    return text === '' ? 'It said nothing.' : `The end of ${logPath}:\n${text}`;
  };
  try {
    const answer = await poll(
      () => ready(server.pid),
      {
        timeoutMs: readyTimeoutMs,
        everyMs: readyEveryMs,
        hopeless: () =>
          server.exit() === undefined ? undefined : new Error(`${name} ended at once (${describe(server)})`),
      },
      (last) => new Error(`${name} did not answer within ${readyTimeoutMs / 1000} s`, { cause: last }),
    );
    return { ...answer, stop: () => stop(server), kill: (signal) => kill(server, signal) };
  } catch (error) {
    await server.stop({ signal: 'SIGKILL' });
    throw new Error(`${(error as Error).message}: ${binary} ${args.join(' ')}\n${await said()}`, { cause: error });
  }
}

async function stop(server: OwnedProcess): Promise<void> {
  await server.stop({ graceMs: stopGraceMs });
}

const ending: readonly NodeJS.Signals[] = ['SIGKILL', 'SIGTERM', 'SIGINT', 'SIGQUIT'];

async function kill(server: OwnedProcess, signal: NodeJS.Signals): Promise<void> {
  if (!server.signal(signal)) return;
  if (ending.includes(signal)) await server.stop({ signal, graceMs: stopGraceMs });
}

/** Nothing of ours that could change how a server behaves; Redis 7 ends at once on a locale it does not have. */
function serverEnvironment(): NodeJS.ProcessEnv {
  const { PATH = '/usr/bin:/bin', HOME = '/', TMPDIR } = process.env;
  return { PATH, HOME, LC_ALL: 'C', ...(TMPDIR === undefined ? {} : { TMPDIR }) };
}

function describe(server: OwnedProcess): string {
  const exit = server.exit();
  return exit?.signal ?? `exit code ${exit?.code}`;
}
