/**
 * The decoding process itself, but for photos that hold a word: `CRASH` makes it die as from a bug in native code once the
 * photo is in hand, `KILL` as from the system, and a photo with `HANG` is never answered.
 */
import type { Reply, Request } from '../../src/adapters/decode-child.ts';

const hanging = new Set<number>();

process.prependListener('message', (message) => {
  const { id, work } = message as Request;
  const text = 'bytes' in work && work.bytes ? Buffer.from(work.bytes).toString('latin1') : '';
  if (text.includes('HANG')) hanging.add(id);
  const signal = text.includes('CRASH') ? 'SIGSEGV' : text.includes('KILL') ? 'SIGKILL' : undefined;
  if (signal !== undefined) setImmediate(() => process.kill(process.pid, signal));
});
const send = process.send?.bind(process);
process.send = ((reply: Reply) => hanging.has(reply.id) || send?.(reply)) as NonNullable<typeof process.send>;

await import('../../src/adapters/decode-child.ts');
