/**
 * The thread that looks: it has the models, and nothing else to do. On the main thread an inference would keep downloads,
 * acks and other photos' pixels waiting. Started by `eyes.ts`.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { collectGarbage } from './adapters/memory.ts';
import type { PhotoBox } from './core/letterbox.ts';
import type { PhotoSize, View } from './core/looks.ts';
import { type Eye, type ModelChoice, openEye, type Picture } from './eye.ts';

/** What the thread is started with. */
export type ThreadSettings = { readonly choices: readonly ModelChoice[]; readonly threads: number };

/** One look by the model at that place among the choices. */
export type LookRequest = {
  readonly id: number;
  readonly eye: number;
  readonly picture: Picture;
  readonly photo: PhotoSize;
  readonly part: PhotoBox | undefined;
};
export type ThreadRequest = LookRequest | 'rest' | 'close';
export type ThreadMessage =
  | { readonly kind: 'ready' }
  | { readonly kind: 'seen'; readonly id: number; readonly view: View }
  | { readonly kind: 'failed'; readonly id: number; readonly error: unknown };

const { choices, threads }: ThreadSettings = workerData;
const eyes: Eye[] = [];
for (const choice of choices) eyes.push(await openEye(choice, threads));

parentPort?.on('message', (request: ThreadRequest) => {
  if (request === 'rest') collectGarbage();
  else void (request === 'close' ? close() : answer(request));
});
tell({ kind: 'ready' });

async function answer({ id, eye, picture, photo, part }: LookRequest): Promise<void> {
  try {
    const view = await eyes[eye]?.look(picture, photo, part);
    if (view === undefined) throw new Error(`there is no model number ${eye}`);
    tell({ kind: 'seen', id, view });
  } catch (error) {
    tell({ kind: 'failed', id, error });
  }
}

async function close(): Promise<void> {
  for (const eye of eyes) await eye.close();
  parentPort?.close();
}

function tell(message: ThreadMessage): void {
  parentPort?.postMessage(message);
}
