/** The plan, answered by the environment. */
import { type Field, isCheckable, plan } from './plan.ts';
import { about, problemWith, type Values } from './variables.ts';
import { tellFailure } from './verdict.ts';

export type Outcome =
  | { readonly values: Values; readonly warnings: readonly string[] }
  | { readonly problems: string[] };

/**
 * Takes what the plan needs from `given`, makes what can be made, and checks all of it at once unless told not to.
 * Gives every problem, each with the name of its variable, where there is one.
 */
export async function unattended(
  given: Values,
  { settings, checks }: { readonly settings: Values; readonly checks: boolean },
): Promise<Outcome> {
  let values: Values = {};
  const problems: string[] = [];
  const bad = new Set<string>();
  for (const field of plan.flatMap(({ fields }) => fields)) {
    if (field.when?.(values) === false) continue;
    const { name } = field;
    const value = given[name] ?? fallback(field);
    const problem = value === undefined ? missing(field) : problemWith(name, value);
    if (problem !== undefined) {
      problems.push(`${name} ${problem}`);
      bad.add(name);
    }
    if (value !== undefined) values = { ...values, [name]: value };
  }

  const checkable = checks ? plan.filter((group) => isCheckable(group, values)) : [];
  const sound = checkable.filter(({ fields }) => !fields.some(({ name }) => bad.has(name)));
  const verdicts = await Promise.all(
    sound.map(async ({ fields: [first], check }) => ({
      name: first?.name,
      verdict: await check?.({ ...settings, ...values }),
    })),
  );
  const warnings: string[] = [];
  for (const { name, verdict } of verdicts) {
    if (verdict === undefined) continue;
    if (!verdict.ok) problems.push(`${name}: ${tellFailure(verdict)}`);
    else if (verdict.warning !== undefined) warnings.push(`${name}: ${verdict.warning}`);
  }
  return problems.length > 0 ? { problems } : { values, warnings };
}

function fallback(field: Field): string | undefined {
  if (field.kind === 'generated') return field.make();
  return field.kind === 'choice' ? field.options[0]?.value : undefined;
}

function missing(field: Field): string | undefined {
  const isNeeded = field.kind === 'text' || field.kind === 'secret' ? field.without === undefined : true;
  return isNeeded ? `is missing: ${about(field.name)}` : undefined;
}
