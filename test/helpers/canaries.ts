/**
 * Values that may be seen nowhere: one of its own for every variable that a service's schema calls secret, whichever they
 * are, and one for every address that may carry credentials.
 */
import { randomBytes } from 'node:crypto';
import { describeConfig } from '@pet-roast/shared';
import { configSchema as detector } from '../../services/detector/src/config.ts';
import { configSchema as gateway } from '../../services/gateway/src/config.ts';
import { configSchema as notifier } from '../../services/notifier/src/config.ts';
import { configSchema as bridge } from '../../services/revid-bridge/src/config.ts';
import { configSchema as translator } from '../../services/translator/src/config.ts';

export type Canary = {
  /** Whose it is. */
  readonly name: string;
  /** What is looked for. */
  readonly secret: string;
  /** The variable's value that holds it. */
  readonly value: string;
};

export const schemas = { gateway, detector, translator, 'revid-bridge': bridge, notifier };

/** The names of all secret variables. */
export const secretNames = [
  ...new Set(
    Object.values(schemas).flatMap((schema) =>
      describeConfig(schema).flatMap(({ name, secret }) => (secret ? [name] : [])),
    ),
  ),
];

/** Those whose values have a form. */
const formed: Readonly<Record<string, (secret: string) => string>> = {
  API_KEYS: (secret) => `app:${secret}`,
  REDIS_URL: (secret) => `redis://default:${secret}@127.0.0.1:6379`,
};

/** A new canary for a variable. It is base64 too, for the one variable that wants that. */
export function canaryFor(name: string): Canary {
  const secret = `CANARY${name.replaceAll('_', '')}${randomBytes(24).toString('hex')}`.slice(0, 64);
  if (name === 'BACKEND_WEBHOOK_SECRET') return { name, secret, value: `whsec_${secret}` };
  return { name, secret, value: formed[name]?.(secret) ?? secret };
}

/** An address with a canary for a password. */
export function withPassword(name: string, address: string): Canary {
  const { secret } = canaryFor(`${name}_PASSWORD`);
  const url = new URL(address);
  [url.username, url.password] = ['user', secret];
  return { name, secret, value: url.href };
}

/** An address with a canary in its query. */
export function withToken(name: string, address: string): Canary {
  const { secret } = canaryFor(`${name}_TOKEN`);
  const url = new URL(address);
  url.searchParams.set('auth', secret);
  return { name, secret, value: url.href };
}

/** Where a canary is found, in any of the forms that it could have; empty where it is not. */
export function sightings(
  canaries: readonly Canary[],
  seen: readonly { readonly where: string; readonly text: string }[],
) {
  return canaries.flatMap(({ name, secret }) => {
    const forms = [secret, Buffer.from(secret).toString('base64').slice(0, -4), encodeURIComponent(secret)];
    // Half of one is one too many.
    forms.push(secret.slice(0, 24), secret.slice(-24));
    return seen.flatMap(({ where, text }) => {
      const at = Math.max(...forms.map((form) => text.indexOf(form)));
      return at === -1 ? [] : [`${name} in ${where}: …${text.slice(Math.max(0, at - 300), at + 100)}…`];
    });
  });
}
