import { fileURLToPath } from 'node:url';
import { type Exit, poll, startProcess } from '@pet-roast/sandbox/infrastructure';

export type ServiceOptions = {
  /** The program, from the root of the repository: `services/gateway/src/main.ts`. */
  readonly entry: string;
  /** What it gets beside PORT=0 and the few variables of the machine (`PATH`, `HOME`, `TMPDIR`, certificates). */
  readonly env: Readonly<Record<string, string>>;
  /** How messages call it; its entry unless told. */
  readonly name?: string;
  /** How long it may take until it listens; 15 s unless told. */
  readonly listenTimeoutMs?: number;
  /** Gets what it writes, as it comes. */
  readonly onOutput?: ((chunk: string) => void) | undefined;
};

export type RunningService = {
  readonly name: string;
  readonly pid: number;
  /** `http://127.0.0.1:<port>` */
  readonly url: string;
  /** All it wrote, stdout and stderr as they came; of more than 1 MB only the end. */
  output(): string;
  /** Waits until `GET /readyz` answers 200; 15 s unless told. */
  ready(options?: { readonly timeoutMs?: number }): Promise<void>;
  /** SIGTERM, then waits for the end; gives the exit code. Throws when it takes longer than 15 s unless told. */
  stop(options?: { readonly timeoutMs?: number }): Promise<number | null>;
  /** Sends a signal, SIGKILL unless told; for SIGKILL waits for the end. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  readonly exited: Promise<Exit>;
  [Symbol.asyncDispose](): Promise<void>;
};

const defaultTimeoutMs = 15_000;
const everyMs = 10;
const outputCharsMax = 1_000_000;
const shownChars = 4_000;
const root = fileURLToPath(new URL('../../../', import.meta.url));

/**
 * Starts a service as its own process on a free port that it picks itself, and waits until it says that it listens:
 * one JSON line on stdout with `"msg":"listening"` and the `port`. It ends with the test, however that ends.
 * Throws, with the end of what the service wrote, when it ends or stays silent instead.
 */
export async function spawnService(options: ServiceOptions): Promise<RunningService> {
  const { entry, env, name = entry, listenTimeoutMs = defaultTimeoutMs } = options;
  const service = await startProcess(process.execPath, [entry], {
    cwd: root,
    env: { ...machineEnvironment(), ...imageEnvironment, PORT: '0', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const keep = (chunk: string): void => {
    output = (output + chunk).slice(-outputCharsMax);
    options.onOutput?.(chunk);
  };
  service.child.stdout?.setEncoding('utf8').on('data', keep);
  service.child.stderr?.setEncoding('utf8').on('data', keep);
  const failure = (what: string): Error =>
    new Error(`${name} ${what}.${causeIn(output)} The end of its output:\n${output.slice(-shownChars)}`);
  const hopeless = (): Error | undefined =>
    service.exit() === undefined ? undefined : failure(`has ended (${ending(service.exit())})`);

  const waitFor = async <T>(
    what: string,
    timeoutMs: number,
    attempt: () => Promise<T | undefined> | T | undefined,
  ): Promise<T> => poll(attempt, { timeoutMs, everyMs, hopeless }, () => failure(`${what} within ${timeoutMs} ms`));
  const end = async (): Promise<void> => void (await service.stop({ signal: 'SIGKILL' }));

  const port = await waitFor('did not say that it listens', listenTimeoutMs, () => listeningPort(output)).catch(
    async (error: unknown) => {
      await end();
      throw error;
    },
  );
  const url = `http://127.0.0.1:${port}`;
  return {
    name,
    pid: service.pid,
    url,
    output: () => output,
    exited: service.exited,
    ready: ({ timeoutMs = defaultTimeoutMs } = {}) =>
      waitFor('was not ready', timeoutMs, async () => {
        const answer = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(timeoutMs) });
        await answer.body?.cancel();
        return answer.status === 200 ? true : undefined;
      }).then(() => {}),
    async stop({ timeoutMs = defaultTimeoutMs } = {}) {
      const { code, signal } = await service.stop({ graceMs: timeoutMs });
      if (signal === 'SIGKILL') throw failure(`did not stop within ${timeoutMs} ms of SIGTERM`);
      return code;
    },
    async kill(signal = 'SIGKILL') {
      if (signal === 'SIGKILL') await end();
      else service.signal(signal);
    },
    [Symbol.asyncDispose]: end,
  };
}

function listeningPort(output: string): number | undefined {
  for (const line of output.split('\n')) {
    if (!line.includes('"listening"')) continue;
    try {
      const said: { msg?: unknown; port?: unknown } = JSON.parse(line);
      if (said.msg === 'listening' && typeof said.port === 'number') return said.port;
    } catch {
      // half a line, or not ours
    }
  }
  return undefined;
}

/** Why it ended, which the noise of its stopping may push out of the end of its output. */
function causeIn(output: string): string {
  const fatal = output.split('\n').find((line) => line.includes('"level":60'));
  return fatal === undefined ? '' : ` The cause:\n${fatal.slice(0, shownChars)}\n`;
}

/** As the image sets it: glibc's defaults make the detector half as large again. */
const imageEnvironment = {
  MALLOC_ARENA_MAX: '2',
  MALLOC_MMAP_THRESHOLD_: '131072',
  MALLOC_TRIM_THRESHOLD_: '131072',
};

/** A test says itself what a service is told; only what the machine needs to run programs comes along unasked. */
function machineEnvironment(): Record<string, string> {
  const wanted = ['PATH', 'HOME', 'TMPDIR', 'NODE_EXTRA_CA_CERTS', 'SSL_CERT_FILE'];
  return Object.fromEntries(
    wanted.flatMap((key) => (process.env[key] === undefined ? [] : [[key, String(process.env[key])]])),
  );
}

function ending(exit: Exit | undefined): string {
  return exit?.signal ?? `exit code ${exit?.code}`;
}
