/** In place of the thread that looks: asked to look, it hangs where nothing in the process can end it. */
import { execFileSync } from 'node:child_process';
import { parentPort } from 'node:worker_threads';

// Until who started the process closes its input.
parentPort?.on('message', () => execFileSync('cat', { stdio: ['inherit', 'ignore', 'inherit'] }));
parentPort?.postMessage({ kind: 'ready' });
