/** A program in a pseudo-terminal, as a person has it: keys go in, and what the screen was sent comes back. */
import { stripVTControlCharacters } from 'node:util';
import { spawn } from '@lydell/node-pty';
import { until } from '@pet-roast/testing';

export const keys = {
  enter: '\r',
  down: '\u001b[B',
  ctrlC: '\u0003',
  ctrlD: '\u0004',
  escape: '\u001b',
  clearLine: '\u0015',
} as const;

export type PseudoTerminal = {
  /** Waits until a text is on the screen, behind the one that was waited for before. */
  see(text: string): Promise<void>;
  write(text: string): void;
  /** `see`, then `write`. */
  answer(text: string, input: string): Promise<void>;
  /** All that was written to the screen, without colours and movements. */
  screen(): string;
  /** Waits for the end and gives the exit code. */
  exitCode(): Promise<number>;
  signal(name: NodeJS.Signals): void;
  [Symbol.asyncDispose](): Promise<void>;
};

const seeTimeoutMs = 30_000;

/** Starts it, 200 columns wide, so that no text is wrapped. It is ended with the test. */
export function openPseudoTerminal(
  file: string,
  args: readonly string[],
  options: { readonly cwd: string; readonly env: Readonly<Record<string, string>> },
): PseudoTerminal {
  const child = spawn(file, [...args], {
    cols: 200,
    rows: 50,
    cwd: options.cwd,
    env: { TERM: 'xterm', ...options.env },
  });
  const ended = Promise.withResolvers<number>();
  let raw = '';
  let seenTo = 0;
  let isOver = false;
  child.onData((data) => {
    raw += data;
  });
  child.onExit(({ exitCode }) => {
    isOver = true;
    ended.resolve(exitCode);
  });
  const screen = () => stripVTControlCharacters(raw);

  async function see(text: string): Promise<void> {
    const at = await until(
      () => {
        const found = screen().indexOf(text, seenTo);
        if (found === -1 && isOver) return 'over';
        return found === -1 ? undefined : { found };
      },
      { what: `${JSON.stringify(text)} on the screen`, timeoutMs: seeTimeoutMs },
    ).catch((error: Error) => {
      throw new Error(`${error.message}\nThe screen since:\n${screen().slice(seenTo)}`);
    });
    if (at === 'over')
      throw new Error(`it ended without ${JSON.stringify(text)}. The screen since:\n${screen().slice(seenTo)}`);
    seenTo = at.found + text.length;
  }

  return {
    see,
    screen,
    write: (text) => child.write(text),
    async answer(text, input) {
      await see(text);
      child.write(input);
    },
    async exitCode() {
      await until(() => isOver, { what: 'the end of the program', timeoutMs: seeTimeoutMs });
      return ended.promise;
    },
    signal: (name) => child.kill(name),
    async [Symbol.asyncDispose]() {
      if (!isOver) child.kill('SIGKILL');
      await ended.promise;
    },
  };
}
