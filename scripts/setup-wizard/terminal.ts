/**
 * Questions in a terminal, through @clack/prompts. Ctrl-C, Ctrl-D and Escape at a question, Ctrl-C and Ctrl-D while
 * something is checked, and SIGINT, SIGTERM and SIGHUP at any time, end the run: whatever waits then throws `Ended`.
 */
import * as clack from '@clack/prompts';

/** The run was ended before anything was written. */
export class Ended extends Error {
  override readonly name = 'Ended';
  readonly exitCode: number;
  constructor(exitCode: number) {
    super('ended before anything was written');
    this.exitCode = exitCode;
  }
}

export type Choice<Value extends string> = { readonly value: Value; readonly label: string; readonly hint?: string };

export type Terminal = ReturnType<typeof createTerminal>;

const signals = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

/** Takes stdin and stdout, which must be a terminal. */
export function createTerminal() {
  const stop = new AbortController();
  const end = (exitCode: number) => stop.abort(new Ended(exitCode));
  for (const [signal, exitCode] of Object.entries(signals)) process.on(signal, () => end(exitCode));
  // Raw mode makes keys of what would be a signal, and Ctrl-D would end the input and leave a question unanswered for ever.
  process.stdin.on('keypress', (_text: string | undefined, key: { ctrl?: boolean; name?: string }) => {
    if (key.ctrl === true && (key.name === 'c' || key.name === 'd')) end(signals.SIGINT);
  });

  async function answered<T>(asking: (signal: AbortSignal) => Promise<T | typeof clack.CANCEL_SYMBOL>): Promise<T> {
    stop.signal.throwIfAborted();
    const answer = await asking(stop.signal);
    stop.signal.throwIfAborted();
    if (clack.isCancel(answer)) throw new Ended(signals.SIGINT);
    return answer;
  }

  return {
    intro: (title: string) => clack.intro(title),
    outro: (text: string) => clack.outro(text),
    success: (text: string) => clack.log.success(text),
    warn: (text: string) => clack.log.warn(text),
    error: (text: string) => clack.log.error(text),
    /** Lines in a frame. */
    note: (title: string, text: string) => clack.note(text, title, { format: (line) => line }),
    cancelled: (text: string) => clack.cancel(text),

    /** A line of text, trimmed; asked again while `problem` finds one. */
    text: (message: string, options: { readonly initial?: string; readonly problem: Problem }): Promise<string> =>
      answered((signal) =>
        clack.text({
          message,
          signal,
          ...(options.initial === undefined ? {} : { initialValue: options.initial }),
          validate: (value = '') => options.problem(value.trim()),
        }),
      ).then((value) => value.trim()),

    /** As `text`, for what must not be seen. */
    secret: (message: string, options: { readonly problem: Problem }): Promise<string> =>
      answered((signal) =>
        clack.password({
          message,
          signal,
          clearOnError: true,
          validate: (value = '') => options.problem(value.trim()),
        }),
      ).then((value) => (value ?? '').trim()),

    choose: <Value extends string>(
      message: string,
      choices: readonly Choice<Value>[],
      initial?: string,
    ): Promise<Value> =>
      answered((signal) =>
        clack.select<string>({
          message,
          signal,
          options: choices.map((choice) => ({ ...choice })),
          ...(initial === undefined ? {} : { initialValue: initial }),
        }),
      ).then((value) => value as Value),

    /** Waits for `work`. What is typed meanwhile is neither shown nor taken: it may be half of a secret. */
    async during<T>(what: string, work: Promise<T>): Promise<T> {
      stop.signal.throwIfAborted();
      clack.log.step(what);
      const ended = Promise.withResolvers<never>();
      const onEnd = () => ended.reject(stop.signal.reason);
      stop.signal.addEventListener('abort', onEnd, { once: true });
      process.stdin.setRawMode(true);
      process.stdin.resume();
      try {
        return await Promise.race([work, ended.promise]);
      } finally {
        stop.signal.removeEventListener('abort', onEnd);
        process.stdin.pause();
        process.stdin.setRawMode(false);
      }
    },
  };
}

/** What speaks against a value; undefined where nothing does. */
type Problem = (value: string) => string | undefined;
