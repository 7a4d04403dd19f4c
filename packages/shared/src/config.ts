/**
 * Configuration: read once from the environment through a zod schema, frozen. A wrong value stops the process with a
 * message that names the variable. The README's table is generated from the same schemas.
 */
import { z } from 'zod';

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

const hour = 3_600_000;

/** What every service reads. */
export const commonConfig = {
  PORT: whole(0, 65_535).default(0).describe('Port to listen on, on every address; 0 takes a free one'),
  LOG_LEVEL: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info').describe('How much is logged'),
  SANDBOX: flag().default(false).describe('Everything outside is a stand-in: private addresses and http are allowed'),
  NATS_URL: z.string().default('nats://127.0.0.1:4222').describe('NATS servers, separated by commas'),
  NATS_USER: z.string().optional().describe('NATS user'),
  NATS_PASSWORD: secret(z.string().optional()).describe('NATS password'),
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

/** The broker's options out of a service's configuration. */
export function brokerOptions(config: ConfigOf<typeof commonConfig>) {
  return {
    url: config.NATS_URL,
    user: config.NATS_USER,
    password: config.NATS_PASSWORD,
    connectTimeoutMs: config.CONNECT_TIMEOUT_MS,
    replicas: config.NATS_REPLICAS,
    jobTtlMs: config.JOB_TTL_MS + config.JOB_DEADLINE_MS,
    streamBytesMax: config.STREAM_BYTES_MAX,
  };
}

/** Reads and freezes the configuration. Prints what is wrong, by variable, and exits with 1. */
export function readConfig<S extends Shape>(shape: S, env: NodeJS.ProcessEnv = process.env): ConfigOf<S> {
  // An empty variable is an unset one: that is how hosting panels and compose files clear a value.
  const given = Object.fromEntries(Object.keys(shape).flatMap((name) => (env[name] ? [[name, env[name]]] : [])));
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

function tell(name: string, why: string): void {
  process.stderr.write(`configuration: ${name} ${why}\n`);
}

/** The configuration as it may be printed: secrets are masked, credentials in URLs too. */
export function maskConfig(shape: Shape, config: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(config).map(([name, value]) => {
      if (value !== undefined && shape[name]?.meta()?.['secret'] === true) return [name, '***'];
      return [name, typeof value === 'string' ? value.replace(/\/\/[^/@\s]*@/g, '//***@') : value];
    }),
  );
}

/** One row a variable, for the README's table. */
export function describeConfig(shape: Shape): { name: string; fallback: string; about: string; secret: boolean }[] {
  return Object.entries(shape).map(([name, field]) => {
    const unset = field.safeParse(undefined);
    const fallback = !unset.success ? 'required' : unset.data === undefined ? '' : String(unset.data);
    return { name, fallback, about: field.description ?? '', secret: field.meta()?.['secret'] === true };
  });
}
