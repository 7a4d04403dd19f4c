/** What a check found of the values that were given. */
export type Verdict = Passed | Failed;
export type Passed = {
  readonly ok: true;
  /** What is known now. */
  readonly told: string;
  /** What the operator should know all the same. */
  readonly warning?: string;
};
export type Failed = {
  readonly ok: false;
  readonly why: string;
  /** Whose matter it is. */
  readonly whose: string;
  readonly todo: string;
};

export function passed(told: string, warning?: string): Passed {
  return { ok: true, told: printable(told), ...(warning === undefined ? {} : { warning }) };
}

export function failed(why: string, whose: string, todo: string): Failed {
  return { ok: false, why: printable(why), whose, todo };
}

export function tellFailure({ why, whose, todo }: Failed): string {
  return `${why}\n  Whose: ${whose}\n  To do: ${todo}`;
}

/** Words of the other side may be in it, which could steer the terminal. */
function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is taken out
  return text.replaceAll(/[\x00-\x1f\x7f-\x9f]+/g, ' ');
}
