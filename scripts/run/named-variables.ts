/** What the environment names of the services' variables, for a system that is kept up on this machine. */
import { variableNames } from '../setup-wizard/variables.ts';

/** Decided by the start itself: the ports by what is free, the servers by what was found. */
const decidedByStart: readonly string[] = ['PORT', 'NATS_URL', 'REDIS_URL'];
/** In the sandbox a key is used where its owner's address is: a stand-in would refuse it. */
const addressOf: Readonly<Record<string, string>> = {
  REVID_API_KEY: 'REVID_BASE_URL',
  BHASHINI_USER_ID: 'BHASHINI_CONFIG_URL',
  BHASHINI_API_KEY: 'BHASHINI_CONFIG_URL',
  INDICTRANS_API_KEY: 'INDICTRANS_URL',
  BACKEND_WEBHOOK_SECRET: 'BACKEND_WEBHOOK_URL',
};

export type NamedVariables = {
  readonly used: Readonly<Record<string, string>>;
  /** What is not used, and the address that it would be used with. */
  readonly unused: readonly { readonly name: string; readonly address: string }[];
};

/** An empty variable is an unset one. */
export function namedVariables(env: NodeJS.ProcessEnv, inSandbox: boolean): NamedVariables {
  const used: Record<string, string> = {};
  const unused: { name: string; address: string }[] = [];
  for (const name of variableNames) {
    const value = env[name];
    if (!value || decidedByStart.includes(name)) continue;
    const address = inSandbox ? addressOf[name] : undefined;
    if (address === undefined || env[address]) used[name] = value;
    else unused.push({ name, address });
  }
  return { used, unused };
}
