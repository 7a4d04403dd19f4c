/** One decoding process and what it is asked: answers by number, a deadline for each, and how it died if it does. */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { startAwakeDeadline } from './awake-deadline.ts';
import type { ChildSettings, Done, Reply, Request, Work } from './decode-child.ts';

export type DecodeProcess = {
  readonly pid: number | undefined;
  readonly ended: boolean;
  /**
   * @throws DecoderDied when the process ends first, whoever's fault that is.
   * @throws DecodingOverdue after `timeoutMs`, counted anew when the photo's turn comes in there; what hangs in native code
   * can only be ended with its process.
   */
  readonly ask: (work: Work) => Promise<Done>;
  readonly end: () => void;
};

/** The process ended with this in hand. */
export class DecoderDied extends Error {
  override readonly name = 'DecoderDied';
  /** `SIGSEGV`, `exit code 1`, … */
  readonly how: string;

  constructor(how: string) {
    super(`the decoder ended (${how})`);
    this.how = how;
  }
}

export class DecodingOverdue extends Error {
  override readonly name = 'DecodingOverdue';
}

const programDefault = fileURLToPath(new URL('decode-child.ts', import.meta.url));
/** What is needed to run at all; no secret is among it. */
const environmentKept = ['PATH', 'LD_LIBRARY_PATH', 'NODE_COMPILE_CACHE', 'TMPDIR'];

export function startDecodeProcess(
  settings: ChildSettings,
  options: {
    readonly program: string | undefined;
    readonly timeoutMs: number;
    readonly onDied: (how: string) => void;
  },
): DecodeProcess {
  type Waiting = { resolve: (done: Done) => void; reject: (error: Error) => void; begin: () => void };
  const waiting = new Map<number, Waiting>();
  let asked = 0;
  let ended = false;
  const child = fork(options.program ?? programDefault, [JSON.stringify(settings)], {
    // Structured clone: bytes travel as bytes.
    serialization: 'advanced',
    execArgv: [],
    env: childEnvironment(),
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const died = (how: string): void => {
    if (ended) return;
    ended = true;
    options.onDied(how);
    for (const { reject } of waiting.values()) reject(new DecoderDied(how));
  };
  child.on('exit', (code, signal) => died(signal ?? `exit code ${code}`));
  // It could not be started, or not be written to.
  child.on('error', (error) => died(error.message));
  child.on('message', (message) => {
    const { id, done } = message as Reply;
    if (done === undefined) waiting.get(id)?.begin();
    else waiting.get(id)?.resolve(done);
  });

  const end = (): void => {
    ended = true;
    child.kill('SIGKILL');
  };
  return {
    pid: child.pid,
    get ended() {
      return ended;
    },
    end,
    async ask(work) {
      if (ended) throw new DecoderDied('it had ended before');
      asked += 1;
      const id = asked;
      const answer = Promise.withResolvers<Done>();
      const start = () =>
        startAwakeDeadline(options.timeoutMs, () => {
          answer.reject(new DecodingOverdue(`the decoder has not answered within ${options.timeoutMs} ms`));
          child.kill('SIGKILL');
        });
      let deadline = start();
      const begin = (): void => {
        deadline.clear();
        deadline = start();
      };
      waiting.set(id, { ...answer, begin });
      child.send({ id, work } satisfies Request, (error) => {
        if (error) answer.reject(new DecoderDied(error.message));
      });
      try {
        return await answer.promise;
      } finally {
        deadline.clear();
        waiting.delete(id);
      }
    },
  };
}

/**
 * glibc keeps what was freed for the next time: with its defaults the process grows to 250 MB on photos that need 90 MB at a
 * time. With few arenas, and large blocks given back at once, it stays near 160 MB, at no measurable cost in time.
 */
const mallocSettings = {
  MALLOC_ARENA_MAX: '2',
  MALLOC_MMAP_THRESHOLD_: '131072',
  MALLOC_TRIM_THRESHOLD_: '131072',
};

function childEnvironment(): Record<string, string> {
  const kept = environmentKept.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]]));
  return { ...Object.fromEntries(kept), ...mallocSettings };
}
