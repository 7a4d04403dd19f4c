/**
 * How V8 keeps house, set on purpose; imported before what holds photos. A photo's bytes and pixels lie outside V8's heap
 * and are freed when the space for new objects is collected. That space is kept at 2 MB: with the 32 MB that it may grow
 * to, 100 MB of photos wait for a collection.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

type Collect = (options: {
  readonly type: 'major';
  readonly execution: 'sync';
  readonly flavor?: 'last-resort';
}) => void;

setFlagsFromString('--semi-space-growth-factor=1');
setFlagsFromString('--expose-gc');
const collect: Collect = runInNewContext('gc');

/**
 * Frees on this thread what V8 frees when memory runs out, 25 MB after a start: compiled code, and what stripped the
 * sources of their types. Takes some 50 ms, so it is for when there is nothing to do.
 */
export function collectGarbage(): void {
  collect({ type: 'major', execution: 'sync', flavor: 'last-resort' });
}

/**
 * Counts bytes that have been used and are garbage now, and frees them once they are `bytesMax`. V8 itself lets up to 64 MB of
 * them wait, because it looks at its own heap, of which they are no part.
 */
export function createGarbageCount(bytesMax: number): (bytes: number) => void {
  let waiting = 0;
  return (bytes) => {
    waiting += bytes;
    if (waiting < bytesMax) return;
    waiting = 0;
    collect({ type: 'major', execution: 'sync' });
  };
}
