/**
 * Child processes that never outlive their parent.
 *
 * Each child leads a process group of its own, so that a Ctrl-C in the terminal reaches only us and we decide the
 * order in which things stop. That makes us answerable for it however we end, SIGKILL included, so no handler of ours
 * would do. A one-line watchdog shell reads from a pipe that we never write to: the system closes it when we end, and
 * the shell then kills the child's group.
 */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { Socket } from 'node:net';

export type Exit = { readonly code: number | null; readonly signal: NodeJS.Signals | null };

export type OwnedProcess = {
  readonly pid: number;
  readonly child: ChildProcess;
  /** Resolves when the process has ended and its output is read; never rejects. */
  readonly exited: Promise<Exit>;
  /** How it ended, or undefined while it runs. */
  exit(): Exit | undefined;
  /** Sends a signal to the process alone; false when it is gone. */
  signal(signal: NodeJS.Signals): boolean;
  /** Asks with `signal` (SIGTERM), waits at most `graceMs`, then kills the whole group. */
  stop(options?: { readonly signal?: NodeJS.Signals; readonly graceMs?: number }): Promise<Exit>;
};

export type ProcessOptions = SpawnOptions & {
  /** A folder that goes too when this process ends without having stopped the child. */
  readonly scratch?: string | undefined;
};

const stopGraceMs = 10_000;

/** Starts a process that ends with this one. Throws when it cannot be started at all. */
export async function startProcess(
  command: string,
  args: readonly string[],
  { scratch, ...options }: ProcessOptions = {},
): Promise<OwnedProcess> {
  const child = spawn(command, [...args], { ...options, detached: true });
  let ended: Exit | undefined;
  const exited = new Promise<Exit>((resolve) => {
    child.once('close', (code, signal) => {
      ended = { code, signal };
      resolve(ended);
    });
  });
  await once(child, 'spawn').catch((cause: Error) => {
    throw new Error(`could not start ${command}: ${cause.message}`, { cause });
  });
  const pid = child.pid;
  if (pid === undefined) throw new Error(`could not start ${command}: it has no process id`);
  child.once('exit', endWithParent(pid, scratch));

  const signal = (name: NodeJS.Signals): boolean =>
    child.exitCode === null && child.signalCode === null && child.kill(name);
  return {
    pid,
    child,
    exited,
    exit: () => ended,
    signal,
    async stop({ signal: name = 'SIGTERM', graceMs = stopGraceMs } = {}) {
      signal(name);
      signal('SIGCONT'); // a paused process cannot act on a signal
      const timer = setTimeout(() => killGroup(pid), graceMs);
      const exit = await exited;
      clearTimeout(timer);
      return exit;
    },
  };
}

const watchdogScript = 'read -r _; kill -s KILL -- "-$1"; if [ -n "$2" ]; then rm -rf -- "$2"; fi';

/** Ties a process group's life to ours; the returned function unties it once the group's leader is gone. */
function endWithParent(pid: number, scratch = ''): () => void {
  const watchdog = spawn('/bin/sh', ['-c', watchdogScript, 'watchdog', String(pid), scratch], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  watchdog.on('error', () => {}); // no shell there: the child must be stopped by hand then
  watchdog.unref();
  if (watchdog.stdin instanceof Socket) watchdog.stdin.unref();
  watchdog.stdin?.on('error', () => {});
  return () => void watchdog.kill('SIGKILL');
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // already gone
  }
}
