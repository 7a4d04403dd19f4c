/** A process that opens a decoder, says its process's id, and stays. */
import { openDecoder } from '../../src/adapters/decoder.ts';

const decoder = await openDecoder({ idleMs: 600_000 });
process.stdout.write(`${decoder.pid()}\n`);
