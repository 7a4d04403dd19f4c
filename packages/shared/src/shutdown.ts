/** A clean end: on SIGTERM or SIGINT the closers run in the reverse of the order they were added, within a deadline. */
import type { Log } from './log.ts';

export type Shutdown = {
  /** Adds something to close; what is added last is closed first. */
  add(name: string, close: () => unknown): void;
};

/** Longer than the longest thing in hand: a submission and its record. */
const shutdownTimeoutMs = 60_000;

/**
 * Installs the signal handlers. Exits with 0 when everything closed, with 1 after `shutdownTimeoutMs` or on an error
 * that nobody caught: a process in an unknown state is worth less than a fresh one, since nothing lives only in it.
 */
export function createShutdown(log: Log): Shutdown {
  const closers: { readonly name: string; readonly close: () => unknown }[] = [];
  let begun = false;
  let closing = '';

  async function end(reason: string, code: number): Promise<void> {
    if (begun) return;
    begun = true;
    log.info({ reason }, 'stopping');
    setTimeout(() => {
      log.error({ what: closing }, 'stopping took too long');
      process.exit(1);
    }, shutdownTimeoutMs).unref();
    for (const { name, close } of closers.reverse()) {
      try {
        closing = name;
        await close();
      } catch (error) {
        log.error({ error, what: name }, 'could not close');
      }
    }
    log.info('stopped');
    process.exit(code);
  }

  process.on('SIGTERM', () => void end('SIGTERM', 0));
  process.on('SIGINT', () => void end('SIGINT', 0));
  process.on('uncaughtException', (error) => {
    log.fatal({ error }, 'uncaught exception');
    void end('uncaughtException', 1);
  });
  process.on('unhandledRejection', (error) => {
    log.fatal({ error }, 'unhandled rejection');
    void end('unhandledRejection', 1);
  });

  return { add: (name, close) => void closers.push({ name, close }) };
}
