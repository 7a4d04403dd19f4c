/**
 * The process that decodes: it has sharp and nothing else, no secret in its environment and no connection but the
 * channel to the detector (`decoder.ts`), which starts it, ends it and starts another when it dies.
 *
 * It remembers nothing that matters: a part is cut from a copy that it may have kept, and where it has not, it says so
 * and is sent the photo once more.
 */

import { writeFileSync } from 'node:fs';
import type { PhotoBox } from '../core/letterbox.ts';
import type { ImageBounds } from './image-bounds.ts';
import { createGarbageCount } from './memory.ts';
import {
  cutPart,
  decodeCopy,
  decodeWhole,
  ImageRefused,
  type InputSquare,
  limitSharp,
  type PhotoCopy,
  type WholePhoto,
} from './sharp-image.ts';

/** What the child is started with, as JSON in its only argument. */
export type ChildSettings = { readonly threads: number; readonly bounds: ImageBounds };

export type Work =
  | { readonly kind: 'hello' }
  | { readonly kind: 'whole'; readonly bytes: Uint8Array; readonly input: InputSquare }
  /** `photo` names the copy; `bytes` make it where it is not kept, or not any more. */
  | {
      readonly kind: 'part';
      readonly photo: number;
      readonly bytes?: Uint8Array;
      readonly part: PhotoBox;
      readonly input: InputSquare;
    };
export type Done =
  | { readonly kind: 'hello' }
  | ({ readonly kind: 'whole' } & WholePhoto)
  | { readonly kind: 'part'; readonly rgb: Uint8Array }
  /** No copy of that photo is kept here. */
  | { readonly kind: 'unknown' }
  | {
      readonly kind: 'refused';
      readonly code: ImageRefused['code'];
      readonly message: string;
      readonly isOverdue: boolean;
    };
export type Request = { readonly id: number; readonly work: Work };
/** Without `done`: the turn of a photo that takes much memory has come. */
export type Reply = { readonly id: number; readonly done?: Done };

/** One for each photo in hand; 4.9 MB each. */
const copiesMax = 4;

/** A collection takes some 5 ms of the 30 to 150 that a photo of several megabytes takes. */
const garbageBytesMax = 8_000_000;

const settings: ChildSettings = JSON.parse(process.argv[2] ?? '');
const copies = new Map<number, PhotoCopy>();
const discard = createGarbageCount(garbageBytesMax);

limitSharp(settings.threads);
beTheFirstToGo();
// Ctrl-C reaches the whole group; the detector ends this process once nothing is in hand.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => {});
// The detector is gone. Not process.exit: that waits for a decoding that may never end.
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
process.on('message', (message) => void answer(message as Request).then(discard));

/** Says how many bytes of the request are garbage now; while it runs they are not. */
async function answer({ id, work }: Request): Promise<number> {
  const begin = () => process.send?.({ id } satisfies Reply);
  const done = await doWork(work, begin).catch(refusedBy);
  process.send?.({ id, done } satisfies Reply);
  return 'bytes' in work ? (work.bytes?.length ?? 0) : 0;
}

async function doWork(work: Work, begin: () => void): Promise<Done> {
  if (work.kind === 'hello') return work;
  if (work.kind === 'whole') {
    return { kind: 'whole', ...(await decodeWhole(work.bytes, work.input, settings.bounds, begin)) };
  }
  const kept = copies.get(work.photo);
  if (kept === undefined && work.bytes === undefined) return { kind: 'unknown' };
  const copy = kept ?? (await decodeCopy(work.bytes ?? new Uint8Array(), settings.bounds, begin));
  keep(work.photo, copy);
  return { kind: 'part', rgb: await cutPart(copy, work.part, work.input) };
}

/** What was used last goes last. */
function keep(photo: number, copy: PhotoCopy): void {
  copies.delete(photo);
  copies.set(photo, copy);
  const [oldest] = copies.keys();
  if (copies.size <= copiesMax || oldest === undefined) return;
  discard(copies.get(oldest)?.data.length ?? 0);
  copies.delete(oldest);
}

function refusedBy(error: unknown): Done {
  if (!(error instanceof ImageRefused)) throw error;
  return { kind: 'refused', code: error.code, message: error.message, isOverdue: error.isOverdue };
}

/** Where memory runs out, Linux takes this process and not the detector. Elsewhere there is no such choice. */
function beTheFirstToGo(): void {
  try {
    writeFileSync('/proc/self/oom_score_adj', '1000');
  } catch {
    // no Linux, or no /proc
  }
}
