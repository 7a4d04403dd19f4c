/** What is known of each variable, out of the services' own schemas, and the stricter rules of a set-up for production. */
import { describeConfig } from '@pet-roast/shared';
import type { z } from 'zod';
import { configSchema as detector } from '../../services/detector/src/config.ts';
import { configSchema as gateway } from '../../services/gateway/src/config.ts';
import { configSchema as notifier } from '../../services/notifier/src/config.ts';
import { configSchema as bridge } from '../../services/revid-bridge/src/config.ts';
import { configSchema as translator } from '../../services/translator/src/config.ts';
import { encodeValue } from './env-file.ts';
import { publicUrlProblem } from './public-url.ts';

/** Values by the name of their variable; one that is not set is absent. */
export type Values = Readonly<Record<string, string>>;

export const serviceSchemas = { gateway, detector, translator, 'revid-bridge': bridge, notifier } as const;
export const translatorProviders = translator.TRANSLATOR_PROVIDER.unwrap().options;

const schemas: readonly Record<string, z.ZodType>[] = Object.values(serviceSchemas);
const rows = new Map(schemas.flatMap(describeConfig).map((row) => [row.name, row]));

/** The name of every variable that a service reads. */
export const variableNames: ReadonlySet<string> = new Set(rows.keys());

/** What a variable is, in one line. Throws for one that no service reads. */
export function about(name: string): string {
  return rowOf(name).about;
}

/** Whether a variable's value may never be shown whole. */
export function isSecret(name: string): boolean {
  return rowOf(name).secret;
}

/** Why a value cannot be that variable's, as the end of "it …"; undefined where it can. */
export function problemWith(name: string, value: string): string | undefined {
  for (const schema of schemas) {
    const parsed = schema[name]?.safeParse(value);
    if (parsed?.success === false) return `is not valid: ${parsed.error.issues[0]?.message ?? 'unknown'}`;
  }
  return stricter[name]?.(value) ?? (encodeValue(value) === undefined ? notForEnvFiles : undefined);
}

const notForEnvFiles =
  'cannot be written to a .env file: a line break, or a mix of quotes, $, # and \\, has no spelling that all its readers share';

/** Rules that the schemas leave out, because a sandbox or a private network may do without them. */
const stricter: Readonly<Record<string, (value: string) => string | undefined>> = {
  BRIDGE_PUBLIC_URL: publicUrlProblem,
};

function rowOf(name: string) {
  const row = rows.get(name);
  if (row === undefined) throw new Error(`no service reads ${name}`);
  return row;
}
