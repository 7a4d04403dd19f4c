/** The models in a thread of their own (`eyes-thread.ts`): looks cost this thread next to nothing. */
import './adapters/no-telemetry.ts';
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { startAwakeDeadline } from './adapters/awake-deadline.ts';
import { collectGarbage } from './adapters/memory.ts';
import type { View } from './core/looks.ts';
import type { Eye, ModelChoice } from './eye.ts';
import type { LookRequest, ThreadMessage, ThreadSettings } from './eyes-thread.ts';

/** An eye in that thread. */
export type DistantEye = Omit<Eye, 'close'>;
export type Eyes = {
  readonly first: DistantEye;
  readonly second: DistantEye | undefined;
  /** For a pause: gives back memory that is not needed, on both threads. */
  readonly rest: () => void;
  /** Looks that have been asked for are still taken. Nothing to wait for where the thread has ended or hangs. */
  readonly close: () => Promise<void>;
};
export type EyesOptions = {
  /** Told when the thread ends unasked or hangs; an uncaught exception unless told otherwise. */
  readonly onLost?: (error: Error) => void;
  /** From when on a look that is not answered means that the thread hangs. */
  readonly lookTimeoutMs?: number;
  /** The thread's program; a test may have one that ends or hangs. */
  readonly program?: URL;
};

/** Opening takes 0.5 s. */
const openTimeoutMs = 60_000;
/** A look takes 7 to 30 ms, and waits for those that were asked for before it. */
const lookTimeoutMsDefault = 30_000;
const programDefault = new URL('./eyes-thread.ts', import.meta.url);

/**
 * Opens the models; `threads` is for one inference.
 *
 * A thread that ends unasked, for want of memory say, or that hangs, is an uncaught exception: the process ends, and its
 * photos are looked at by the next one. Looks asked for then, or later, fail at once.
 * @throws Error when a file does not fit its manifest entry.
 */
export async function openEyes(
  first: ModelChoice,
  second: ModelChoice | undefined,
  threads: number,
  { onLost = raise, lookTimeoutMs = lookTimeoutMsDefault, program = programDefault }: EyesOptions = {},
): Promise<Eyes> {
  const choices = [first, ...(second ? [second] : [])].map(({ entry, path }) => ({ entry, path }));
  const worker = new Worker(program, {
    workerData: { choices, threads } satisfies ThreadSettings,
    execArgv: [],
  });
  try {
    // Throws what the thread could not start with.
    await once(worker, 'message', { signal: AbortSignal.timeout(openTimeoutMs) });
  } catch (error) {
    await worker.terminate();
    throw error;
  }

  const pictureBytesMax = 3 * Math.max(...choices.map(({ entry }) => entry.inputSize)) ** 2;
  // Copied into memory that both threads have: what is sent instead becomes garbage in either.
  const unused: SharedArrayBuffer[] = [];
  const waiting = new Map<number, PromiseWithResolvers<View>>();
  let asked = 0;
  let closing = false;
  let lost: Error | undefined;
  const lose = (message: string): void => {
    if (lost) return;
    lost = new Error(message);
    for (const { reject } of waiting.values()) reject(lost);
    if (!closing) onLost(lost);
  };
  const hang = (): void => {
    if (lost) return;
    // Node waits for its threads when it exits, and this one hangs in native code that nothing else ends.
    process.once('exit', () => process.kill(process.pid, 'SIGKILL'));
    lose(`the thread that looks at photos has not answered for ${lookTimeoutMs} ms`);
  };
  worker.on('exit', () => lose('the thread that looks at photos has ended'));
  worker.on('message', (message: ThreadMessage) => {
    if (message.kind === 'ready') return;
    const answer = waiting.get(message.id);
    waiting.delete(message.id);
    if (message.kind === 'seen') answer?.resolve(message.view);
    else answer?.reject(message.error);
  });

  const eyeAt = (eye: number, { entry }: ModelChoice): DistantEye => ({
    name: entry.name,
    entry,
    look: async ({ rgb, letterbox }, photo, part) => {
      // What is sent to a thread that has ended is answered by nobody.
      if (lost) throw lost;
      asked += 1;
      const answer = Promise.withResolvers<View>();
      waiting.set(asked, answer);
      const memory = unused.pop() ?? new SharedArrayBuffer(pictureBytesMax);
      const shared = new Uint8Array(memory, 0, rgb.length);
      shared.set(rgb);
      worker.postMessage({ id: asked, eye, picture: { rgb: shared, letterbox }, photo, part } satisfies LookRequest);
      const deadline = startAwakeDeadline(lookTimeoutMs, hang);
      try {
        return await answer.promise;
      } finally {
        deadline.clear();
        unused.push(memory);
      }
    },
  });
  return {
    first: eyeAt(0, first),
    second: second && eyeAt(1, second),
    rest: () => {
      worker.postMessage('rest');
      collectGarbage();
    },
    close: async () => {
      closing = true;
      if (lost) return;
      worker.postMessage('close');
      await once(worker, 'exit');
    },
  };
}

function raise(error: Error): never {
  throw error;
}
