/**
 * Configuration: read once from the environment through a zod schema, frozen. A wrong value stops the process with a
 * message that names the variable. The README's table is generated from the same schemas.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { z } from 'zod';
import { eachText, learnSecrets, redact } from './redact.ts';

export type Shape = Record<string, z.ZodType>;

/** What `readConfig` gives for a schema. */
export type ConfigOf<S extends Shape> = Readonly<z.output<z.ZodObject<S>>>;

/** Marks a field whose value is never shown. */
export function secret<Field extends z.ZodType>(field: Field): Field {
  return field.meta({ ...field.meta(), secret: true }) as Field;
}

/** A whole number in an environment variable, within bounds. */
export const whole = (min: number, max: number) => z.coerce.number().int().min(min).max(max);
/** `true`/`1` or `false`/`0`. */
export const flag = () => z.enum(['true', '1', 'false', '0']).transform((value) => value === 'true' || value === '1');
/** A comma-separated list. */
export const list = () =>
  z.string().transform((value) =>
    value
      .split(',')
      .map((entry) => entry.trim())
      .filter((entry) => entry !== ''),
  );

/** An http or https address. */
export const webUrl = () => z.url({ protocol: /^https?$/, error: 'it is not an http or https address' });
/** What goes out in a header, such as a key: visible ASCII, and so no line break of the file that it came from. */
export const headerValue = () =>
  z.string().regex(/^[\x21-\x7e]+$/, 'it has a space or a character that no key has; was it copied whole?');
/** Secrets that sign or are signed with, separated by commas: at least one, each of 16 characters or more. */
export const secretList = () =>
  list().refine((secrets) => secrets.length > 0 && secrets.every((one) => one.length >= secretCharsMin), {
    message: `each has to have ${secretCharsMin} characters or more`,
  });
const secretCharsMin = 16;

/** Where http is no risk: this machine, and Railway's private network, which is encrypted and has no TLS of its own. */
const trustedWithoutTls = /^(localhost|127(\.\d+){3}|\[::1\]|.+\.railway\.internal)$/;

/** What is wrong with an address that is plain http, and why, as a sentence without its beginning; else nothing. */
export function plainHttpFault(url: string, why: string): string | undefined {
  const { protocol, hostname } = new URL(url);
  if (protocol === 'https:' || trustedWithoutTls.test(hostname)) return undefined;
  return `has to begin with https://: ${why}`;
}

/** The path of a PEM file that can be read and holds what it should. */
export function pemFile(holds: 'certificate' | 'private key') {
  return z.string().superRefine((path, context) => {
    try {
      const pem = readFileSync(path);
      if (holds === 'certificate') new X509Certificate(pem);
      else createPrivateKey(pem);
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      const isThere = code === undefined || !/^E[A-Z]+$/.test(code);
      const why = isThere ? `holds no ${holds} in PEM form (${message})` : `cannot be read (${code})`;
      context.addIssue({ code: 'custom', message: `${path} ${why}` });
    }
  });
}

/** Redis' address. It holds the password, so what is wrong with it is said without it. */
export function redisUrl() {
  return z.string().refine((value) => /^rediss?:\/\/[^/]/.test(value) && URL.canParse(value), {
    message:
      'it has to be redis://:PASSWORD@HOST:PORT, or rediss:// for TLS, with %23 for # and the like in the password',
  });
}

/** NATS' addresses. They are logged, so none may carry a password; a certificate is held against a name, not an address. */
function natsServers() {
  return z.string().superRefine((value, context) => {
    for (const server of value.split(',').map((one) => one.trim())) {
      const [, scheme, rest = ''] = /^(?:(\w+):\/\/)?(.*)$/.exec(server) ?? [];
      if (scheme !== undefined && !['nats', 'tls'].includes(scheme)) complain('begin with nats:// or tls://');
      if (rest.includes('@')) complain('carry no password; NATS_USER and NATS_PASSWORD are for that');
      if (scheme === 'tls' && isIP(rest.replace(/:\d*\/?$/, '').replace(/^\[|\]$/g, '')) !== 0) {
        complain('have a name behind tls://, the one in the server’s certificate, not an IP address');
      }
    }
    function complain(rule: string): void {
      context.addIssue({ code: 'custom', message: `an address has to ${rule}` });
    }
  });
}

const hour = 3_600_000;

/** What every service reads. */
export const commonConfig = {
  PORT: whole(0, 65_535).default(0).describe('Port to listen on, on every address; 0 takes a free one'),
  LOG_LEVEL: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info').describe('How much is logged'),
  SANDBOX: flag().default(false).describe('Everything outside is a stand-in: private addresses and http are allowed'),
  TRUST_PROXY_HOPS: whole(0, 10)
    .default(0)
    .describe('Proxies in front of this process that add to `X-Forwarded-For` (Railway: 1); with 0 it is not believed'),
  METRICS_TOKEN: secret(z.string().min(16).optional()).describe(
    'Bearer token of `/metrics`; unset: open, but 404 on the gateway and the bridge outside the sandbox',
  ),
  NATS_URL: natsServers()
    .default('nats://127.0.0.1:4222')
    .describe('NATS servers, separated by commas; with `tls://HOST` the connection is encrypted'),
  NATS_USER: z
    .string()
    .optional()
    .describe('NATS user: the service’s name, or `admin` for all in one process (`deploy/nats-users.conf`)'),
  NATS_PASSWORD: secret(z.string().optional()).describe('NATS password; needed with a user'),
  NATS_TLS_CA_FILE: pemFile('certificate')
    .optional()
    .describe('PEM file of the authority that signed NATS’ certificate; unset: those that Node.js trusts'),
  NATS_TLS_CERT_FILE: pemFile('certificate')
    .optional()
    .describe('PEM file of this side’s certificate, if NATS wants one'),
  NATS_TLS_KEY_FILE: pemFile('private key').optional().describe('PEM file of its private key'),
  NATS_REPLICAS: z.coerce
    .number()
    .pipe(z.union([z.literal(1), z.literal(3), z.literal(5)]))
    .default(1)
    .describe('Copies of each stream: 1 on a single server, 3 in a cluster'),
  CONNECT_TIMEOUT_MS: whole(0, 600_000).default(60_000).describe('How long to wait for NATS at the start'),
  JOB_TTL_MS: whole(60_000, 90 * 24 * hour)
    .default(7 * 24 * hour)
    .describe('How long a job is remembered'),
  JOB_DEADLINE_MS: whole(10_000, 24 * hour)
    .default(hour)
    .describe('By when a job ends, whatever happens'),
  STREAM_BYTES_MAX: whole(1_000_000, 1e12)
    .default(2_000_000_000)
    .describe('Bytes of the job stream; when full, new jobs are refused'),
  STAGE_SLOTS: whole(1, 1_000)
    .optional()
    .describe('Messages worked on at once by each of this process’s steps; unset: the contract’s number'),
} satisfies Shape;

/** The broker's options out of a service's configuration. Exits with 1 where variables do not go together. */
export function brokerOptions(config: ConfigOf<typeof commonConfig>) {
  if (config.NATS_USER !== undefined && config.NATS_PASSWORD === undefined) {
    exitForConfig('NATS_PASSWORD', `is missing, since NATS_USER is ${config.NATS_USER}`);
  }
  return {
    url: config.NATS_URL,
    user: config.NATS_USER,
    password: config.NATS_PASSWORD,
    tls: natsTls(config),
    connectTimeoutMs: config.CONNECT_TIMEOUT_MS,
    replicas: config.NATS_REPLICAS,
    jobTtlMs: config.JOB_TTL_MS + config.JOB_DEADLINE_MS,
    streamBytesMax: config.STREAM_BYTES_MAX,
  };
}

/** Files for a connection that is not encrypted would be a mistake that nobody sees. */
function natsTls(config: ConfigOf<typeof commonConfig>) {
  const { NATS_TLS_CA_FILE: caFile, NATS_TLS_CERT_FILE: certFile, NATS_TLS_KEY_FILE: keyFile } = config;
  if ((certFile === undefined) !== (keyFile === undefined)) {
    exitForConfig(certFile === undefined ? 'NATS_TLS_CERT_FILE' : 'NATS_TLS_KEY_FILE', 'is missing; both are needed');
  }
  if (/(^|,)\s*tls:\/\//.test(config.NATS_URL)) {
    return { ...(caFile && { caFile }), ...(certFile && { certFile }), ...(keyFile && { keyFile }) };
  }
  if (caFile ?? certFile) exitForConfig('NATS_URL', 'has to begin with tls://, since NATS_TLS_… files are set');
  return undefined;
}

/** Reads and freezes the configuration. Prints what is wrong, by variable, and exits with 1. */
export function readConfig<S extends Shape>(shape: S, env: NodeJS.ProcessEnv = process.env): ConfigOf<S> {
  // An empty variable is an unset one: that is how hosting panels and compose files clear a value.
  const given = Object.fromEntries(Object.keys(shape).flatMap((name) => (env[name] ? [[name, env[name]]] : [])));
  learnSecrets(given, (name) => isSecret(shape[name]));
  const parsed = z.object(shape).safeParse(given);
  if (parsed.success) return Object.freeze(parsed.data) as ConfigOf<S>;
  for (const issue of parsed.error.issues) {
    const name = String(issue.path[0] ?? '?');
    tell(name, name in given ? `is not valid: ${issue.message}` : 'is missing');
  }
  process.exit(1);
}

/** Says what is wrong with a variable, for rules that no single field knows, and exits with 1. */
export function exitForConfig(name: string, why: string): never {
  tell(name, why);
  process.exit(1);
}

/** Exits with 1 where an address is plain http outside the sandbox; `why` it must not be ends the sentence. */
export function demandHttps(name: string, url: string, why: string, { SANDBOX }: { readonly SANDBOX: boolean }): void {
  const fault = SANDBOX ? undefined : plainHttpFault(url, why);
  if (fault !== undefined) exitForConfig(name, fault);
}

function tell(name: string, why: string): void {
  process.stderr.write(redact(`configuration: ${name} ${why}\n`));
}

/** The configuration as it may be printed: secrets are masked, and credentials and queries of URLs. */
export function maskConfig(shape: Shape, config: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const shown = (text: string) => redact(text).replace(/(:\/\/[^\s?,]*\?)[^\s#,]+/g, '$1***');
  return Object.fromEntries(
    Object.entries(config).map(([name, value]) => [
      name,
      value !== undefined && isSecret(shape[name]) ? '***' : eachText(value, shown),
    ]),
  );
}

function isSecret(field: z.ZodType | undefined): boolean {
  return field?.meta()?.['secret'] === true;
}

/** One row a variable, for the README's table. */
export function describeConfig(shape: Shape): { name: string; fallback: string; about: string; secret: boolean }[] {
  return Object.entries(shape).map(([name, field]) => {
    const unset = field.safeParse(undefined);
    const fallback = !unset.success ? 'required' : unset.data === undefined ? '' : shown(unset.data);
    return { name, fallback, about: field.description ?? '', secret: isSecret(field) };
  });
}

function shown(value: unknown): string {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? JSON.stringify(value) : String(value);
}
