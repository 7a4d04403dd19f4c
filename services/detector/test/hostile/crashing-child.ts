/**
 * The decoding process itself, but for photos that hold a word: `CRASH` makes it die as from a bug in native code once the
 * photo is in hand, `KILL` as from the system, a photo with `HANG` is never answered, and one with `SLOW` takes too long.
 * Those with `LARGE` take 0.9 of their time each from when their turn comes, one after the other.
 */
import { setTimeout } from 'node:timers/promises';
import type { Reply, Request } from '../../src/adapters/decode-child.ts';

const hanging = new Set<number>();
const slow = new Set<number>();
const { decodeTimeoutMs }: { decodeTimeoutMs: number } = JSON.parse(process.argv[2] ?? '').bounds;
const large = new Set<number>();
const turns = new Map<number, Promise<unknown>>();
let lastLarge: Promise<unknown> = Promise.resolve();
const overdue = { kind: 'refused', code: 'image_too_large', message: 'too long', isOverdue: true } as const;

process.prependListener('message', (message) => {
  const { id, work } = message as Request;
  const text = 'bytes' in work && work.bytes ? Buffer.from(work.bytes).toString('latin1') : '';
  if (text.includes('HANG')) hanging.add(id);
  if (text.includes('SLOW')) slow.add(id);
  if (text.includes('LARGE')) large.add(id);
  const signal = text.includes('CRASH') ? 'SIGSEGV' : text.includes('KILL') ? 'SIGKILL' : undefined;
  if (signal !== undefined) setImmediate(() => process.kill(process.pid, signal));
});
const send = process.send?.bind(process);
process.send = (({ id, done }: Reply) => {
  const answer = () => send?.({ id, done: done && slow.has(id) ? overdue : done });
  if (large.has(id) && done) void turns.get(id)?.then(answer);
  else if (large.has(id)) {
    lastLarge = lastLarge.then(answer).then(() => setTimeout(0.9 * decodeTimeoutMs));
    turns.set(id, lastLarge);
  } else if (!hanging.has(id)) answer();
  return true;
}) as NonNullable<typeof process.send>;

await import('../../src/adapters/decode-child.ts');
