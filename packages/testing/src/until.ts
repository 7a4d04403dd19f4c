import { inspect } from 'node:util';
import { poll } from '@pet-roast/sandbox/infrastructure';

export type UntilOptions = {
  /** What is waited for, as the rest of "waited for …". */
  readonly what: string;
  /** 10 s unless told. */
  readonly timeoutMs?: number;
  /** 20 ms unless told. */
  readonly everyMs?: number;
};

const shownCharsMax = 1_000;

/**
 * Waits until a condition gives something truthy, and gives that. A condition that throws, or that does not come back,
 * is one that does not hold yet. Throws at the deadline, with what was waited for and what the condition last gave.
 */
export async function until<T>(condition: () => T | Promise<T>, options: UntilOptions): Promise<NonNullable<T>> {
  const { what, timeoutMs = 10_000, everyMs = 20 } = options;
  let last = 'the condition never came back';
  const attempt = async (): Promise<NonNullable<T> | undefined> => {
    try {
      const value = await condition();
      last = `it last gave ${inspect(value, { depth: 4 })}`;
      return value || undefined;
    } catch (error) {
      last = `it last threw ${error}`;
      return undefined;
    }
  };
  const late = (): Error => new Error(`waited ${timeoutMs} ms for ${what}; ${last.slice(0, shownCharsMax)}`);
  const stuck = Promise.withResolvers<never>();
  const timer = setTimeout(() => stuck.reject(late()), timeoutMs);
  try {
    return await Promise.race([poll(attempt, { timeoutMs, everyMs }, late), stuck.promise]);
  } finally {
    clearTimeout(timer);
  }
}
