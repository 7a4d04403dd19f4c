/**
 * The decoding process itself, but for photos that hold a word: `CRASH` makes it die as from a bug in native code once the
 * photo is in hand, `KILL` as from the system, a photo with `HANG` is never answered, and one with `SLOW` takes too long.
 */
import type { Reply, Request } from '../../src/adapters/decode-child.ts';

const hanging = new Set<number>();
const slow = new Set<number>();
const overdue = { kind: 'refused', code: 'image_too_large', message: 'too long', isOverdue: true } as const;

process.prependListener('message', (message) => {
  const { id, work } = message as Request;
  const text = 'bytes' in work && work.bytes ? Buffer.from(work.bytes).toString('latin1') : '';
  if (text.includes('HANG')) hanging.add(id);
  if (text.includes('SLOW')) slow.add(id);
  const signal = text.includes('CRASH') ? 'SIGSEGV' : text.includes('KILL') ? 'SIGKILL' : undefined;
  if (signal !== undefined) setImmediate(() => process.kill(process.pid, signal));
});
const send = process.send?.bind(process);
process.send = (({ id, done }: Reply) =>
  hanging.has(id) || send?.({ id, done: slow.has(id) ? overdue : done })) as NonNullable<typeof process.send>;

await import('../../src/adapters/decode-child.ts');
