/** What a production set-up needs, in the order in which it is asked for, and how each answer is checked. */
import { randomBytes } from 'node:crypto';
import { checkBackend } from './checks/backend.ts';
import { checkBridgeUrl } from './checks/bridge.ts';
import { checkRevid } from './checks/revid.ts';
import { checkNats, checkRedis } from './checks/servers.ts';
import { checkBhashini, checkIndicTrans } from './checks/translator.ts';
import { translatorProviders, type Values } from './variables.ts';
import type { Verdict } from './verdict.ts';

export type Field = {
  readonly name: string;
  /** Whether it is needed, given what is known so far; always unless told. */
  readonly when?: (values: Values) => boolean;
} & (
  | {
      /** Typed in; a `secret` is not shown while it is. */
      readonly kind: 'text' | 'secret';
      /** What happens without it; absent where it cannot be left out. */
      readonly without?: string;
    }
  | { readonly kind: 'choice'; readonly options: readonly { readonly value: string; readonly label: string }[] }
  | {
      /** Made here; `pasteable` where the other side may have made one already. */
      readonly kind: 'generated';
      readonly make: () => string;
      readonly pasteable?: boolean;
    }
);

export type Group = {
  /** Who is asked, as the object of "checking …". */
  readonly what: string;
  readonly fields: readonly Field[];
  /** Left out where the first field has no value. */
  readonly check?: (values: Values) => Promise<Verdict>;
};

const withBhashini = (values: Values) => values['TRANSLATOR_PROVIDER'] === 'bhashini';
const withIndicTrans = (values: Values) => values['TRANSLATOR_PROVIDER'] === 'indictrans';
const startBrings = (name: string) => `\`npm start\` brings ${name}`;

const providerLabels: Readonly<Record<(typeof translatorProviders)[number], string>> = {
  bhashini: 'Bhashini',
  indictrans: 'an IndicTrans2 server of your own',
};

export const plan: readonly Group[] = [
  { what: 'Revid.ai', fields: [{ name: 'REVID_API_KEY', kind: 'secret' }], check: checkRevid },
  {
    what: 'the translator',
    fields: [
      {
        name: 'TRANSLATOR_PROVIDER',
        kind: 'choice',
        options: translatorProviders.map((value) => ({ value, label: providerLabels[value] })),
      },
    ],
  },
  {
    what: 'Bhashini',
    fields: [
      { name: 'BHASHINI_USER_ID', kind: 'text', when: withBhashini },
      { name: 'BHASHINI_API_KEY', kind: 'secret', when: withBhashini },
    ],
    check: checkBhashini,
  },
  {
    what: 'the IndicTrans2 server',
    fields: [
      { name: 'INDICTRANS_URL', kind: 'text', when: withIndicTrans },
      { name: 'INDICTRANS_API_KEY', kind: 'secret', when: withIndicTrans, without: 'no token is sent' },
    ],
    check: checkIndicTrans,
  },
  { what: 'the backend', fields: [{ name: 'BACKEND_WEBHOOK_URL', kind: 'text' }], check: checkBackend },
  {
    what: 'the webhook secret',
    fields: [
      {
        name: 'BACKEND_WEBHOOK_SECRET',
        kind: 'generated',
        pasteable: true,
        // Standard Webhooks asks for 24 to 64 random bytes in base64, not base64url.
        make: () => `whsec_${randomBytes(32).toString('base64')}`,
      },
    ],
  },
  { what: 'the bridge’s address', fields: [{ name: 'BRIDGE_PUBLIC_URL', kind: 'text' }], check: checkBridgeUrl },
  {
    what: 'NATS',
    fields: [
      { name: 'NATS_URL', kind: 'text', without: startBrings('NATS') },
      { name: 'NATS_USER', kind: 'text', when: (values) => 'NATS_URL' in values, without: 'no login' },
      { name: 'NATS_PASSWORD', kind: 'secret', when: (values) => 'NATS_USER' in values },
    ],
    check: checkNats,
  },
  { what: 'Redis', fields: [{ name: 'REDIS_URL', kind: 'secret', without: startBrings('Redis') }], check: checkRedis },
  {
    what: 'the secrets of its own',
    fields: [
      { name: 'CALLBACK_SECRET', kind: 'generated', make: token },
      { name: 'ADMIN_TOKEN', kind: 'generated', make: token },
      { name: 'API_KEYS', kind: 'generated', make: () => `backend:pr_${token()}` },
    ],
  },
];

/** Addresses that are never asked for, but checked against; one that is set in the environment goes into the file too. */
export const checkedAgainst: readonly { readonly name: string; readonly when: (values: Values) => boolean }[] = [
  { name: 'REVID_BASE_URL', when: () => true },
  { name: 'BHASHINI_CONFIG_URL', when: withBhashini },
  { name: 'BHASHINI_PIPELINE_ID', when: withBhashini },
];

/** Whether a group's check has anything to check. */
export function isCheckable({ fields: [first] }: Group, values: Values): boolean {
  return first !== undefined && (first.when?.(values) ?? true) && values[first.name] !== undefined;
}

/** 32 random bytes as 43 characters that need quoting nowhere. */
function token(): string {
  return randomBytes(32).toString('base64url');
}
