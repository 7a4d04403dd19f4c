import { spawn } from 'node:child_process';
import { delimiter } from 'node:path';

/** Runs the command in our place: its terminal is ours, its end is ours. */
export function handOver(runtime, script, args) {
  const child = spawn(runtime.node, [script, ...args], {
    stdio: 'inherit',
    env: { ...process.env, PATH: [...runtime.path, process.env.PATH ?? ''].join(delimiter) },
  });
  for (const signal of ['SIGTERM', 'SIGHUP', 'SIGINT']) {
    process.on(signal, () => {
      // Ctrl-C in a terminal reaches the command without us, and a second one could read as "at once".
      const fromTerminal = signal === 'SIGINT' && (process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY);
      if (!fromTerminal) child.kill(signal);
    });
  }
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      if (signal !== null) {
        process.removeAllListeners(signal);
        process.kill(process.pid, signal);
      }
      process.exitCode = code ?? 1;
      resolve();
    });
  });
}
