/** The plan, asked of a person. */
import { maskSecret } from './mask.ts';
import { type Field, type Group, isCheckable, plan } from './plan.ts';
import { Ended, type Terminal } from './terminal.ts';
import { about, isSecret, problemWith, type Values } from './variables.ts';
import { type Failed, tellFailure } from './verdict.ts';

export type Answers = {
  readonly values: Values;
  /** Variables of the file that were left empty, and so are to go from it. */
  readonly removed: readonly string[];
  /** What was kept although its check failed. */
  readonly unchecked: readonly string[];
};

const quitExitCode = 1;
/** Typed where Enter alone would keep a secret that nobody needs any more. */
const removal = '-';

/**
 * Asks for everything that the plan needs. `present` are values that are in the file already, offered again; `settings`
 * are what the checks read beside the answers. Throws `Ended`.
 */
export async function interview(
  terminal: Terminal,
  { present, settings }: { readonly present: Values; readonly settings: Values },
): Promise<Answers> {
  let values: Values = {};
  const removed: string[] = [];
  const unchecked: string[] = [];
  for (const group of plan) {
    const asked = await askGroup(terminal, group, { values, present, settings });
    values = asked.values;
    removed.push(...removedIn(group, values, present));
    if (asked.unchecked) unchecked.push(group.what);
  }
  return { values, removed, unchecked };
}

/**
 * What was asked for and left empty, and what is asked for only beside it: an address's login. What another choice makes
 * needless stays, as the keys of the other translator.
 */
function removedIn({ fields }: Group, values: Values, present: Values): string[] {
  const without = fields.filter(({ name }) => values[name] === undefined);
  const isCleared = without.some(({ name, when }) => name in present && (when?.(values) ?? true));
  return isCleared ? without.flatMap(({ name }) => (name in present ? [name] : [])) : [];
}

type Known = { readonly values: Values; readonly present: Values; readonly settings: Values };

/** Asks until the check passes, or its failure is accepted. */
async function askGroup(
  terminal: Terminal,
  group: Group,
  known: Known,
): Promise<{ values: Values; unchecked: boolean }> {
  let { present } = known;
  for (;;) {
    let values = known.values;
    for (const field of group.fields) {
      if (field.when?.(values) === false) continue;
      const value = await askField(terminal, field, present[field.name]);
      if (value !== '') values = { ...values, [field.name]: value };
    }
    if (group.check === undefined || !isCheckable(group, values)) return { values, unchecked: false };
    const checking = group.check({ ...known.settings, ...values });
    const verdict = await terminal.during(`Checking ${group.what}, 10 s at most`, checking);
    if (verdict.ok) {
      terminal.success(verdict.told);
      if (verdict.warning !== undefined) terminal.warn(verdict.warning);
      return { values, unchecked: false };
    }
    if ((await afterFailure(terminal, verdict)) === 'keep') return { values, unchecked: true };
    present = { ...present, ...values };
  }
}

async function afterFailure(terminal: Terminal, verdict: Failed): Promise<'again' | 'keep'> {
  terminal.error(tellFailure(verdict));
  const choice = await terminal.choose('What now?', [
    { value: 'again', label: 'Try again' },
    { value: 'keep', label: 'Keep it anyway' },
    { value: 'quit', label: 'Quit', hint: 'nothing is written' },
  ]);
  if (choice === 'quit') throw new Ended(quitExitCode);
  return choice;
}

/** The field's value; an empty one where it is left out. */
async function askField(terminal: Terminal, field: Field, present: string | undefined): Promise<string> {
  const { name } = field;
  const usable = present !== undefined && problemWith(name, present) === undefined ? present : undefined;
  switch (field.kind) {
    case 'choice':
      return terminal.choose(`${name}: ${about(name)}`, field.options, usable);
    case 'generated':
      if (field.pasteable !== true) return usable ?? field.make();
      return generatedOrPasted(terminal, name, field.make, usable);
    case 'text':
    case 'secret':
      return typed(terminal, field, usable);
  }
}

async function typed(
  terminal: Terminal,
  { name, kind, without }: { readonly name: string; readonly kind: 'text' | 'secret'; readonly without?: string },
  present: string | undefined,
): Promise<string> {
  const hidden = kind === 'secret' || isSecret(name);
  const kept = hidden ? present : undefined;
  const hints = [
    ...(kept === undefined ? [] : [`Enter: the present one stays, ${maskSecret(kept)}`]),
    ...(without === undefined
      ? []
      : [`${kept !== undefined ? removal : present !== undefined ? 'empty' : 'Enter'}: ${without}`]),
  ];
  const message = `${name}: ${about(name)}${hints.length === 0 ? '' : ` (${hints.join('; ')})`}`;
  const removes = (value: string) => kept !== undefined && without !== undefined && value === removal;
  const problem = (value: string): string | undefined => {
    if (value !== '') return removes(value) ? undefined : sentence(problemWith(name, value));
    return kept === undefined && without === undefined ? 'It is needed.' : undefined;
  };
  if (!hidden) return terminal.text(message, { problem, ...(present === undefined ? {} : { initial: present }) });
  const value = await terminal.secret(message, { problem });
  if (removes(value)) return '';
  return value === '' ? (kept ?? '') : value;
}

async function generatedOrPasted(
  terminal: Terminal,
  name: string,
  make: () => string,
  present: string | undefined,
): Promise<string> {
  const keep = { value: 'keep', label: `Keep the present one, ${maskSecret(present ?? '')}` } as const;
  const choice = await terminal.choose(`${name}: ${about(name)}`, [
    ...(present === undefined ? [] : [keep]),
    { value: 'make', label: 'Make a new one', hint: 'the backend then needs it too' },
    { value: 'paste', label: 'Paste the one that the backend has' },
  ]);
  if (choice === 'paste') return typed(terminal, { name, kind: 'secret' }, undefined);
  return choice === 'keep' && present !== undefined ? present : make();
}

function sentence(problem: string | undefined): string | undefined {
  return problem === undefined ? undefined : `It ${problem}.`;
}
