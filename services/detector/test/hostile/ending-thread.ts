/** In place of the thread that looks: it ends when it is asked to look. */
import { parentPort } from 'node:worker_threads';

parentPort?.on('message', () => process.exit(1));
parentPort?.postMessage({ kind: 'ready' });
