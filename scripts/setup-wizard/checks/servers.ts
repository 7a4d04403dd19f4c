/** NATS and Redis of the operator's own: connected to and left again, with nothing made in them. */
import { readFileSync } from 'node:fs';
import { askServer, reasonOf } from '@pet-roast/shared';
import { Redis } from 'ioredis';
import type { Values } from '../variables.ts';
import { failed, passed, type Verdict } from '../verdict.ts';
import { checkTimeoutMs } from './ask.ts';
import { within } from './within.ts';

/** Reads NATS_URL, NATS_USER, NATS_PASSWORD, and the NATS_TLS_… files where they are set. */
export async function checkNats(values: Values, timeoutMs = checkTimeoutMs): Promise<Verdict> {
  try {
    return await within(timeoutMs, askNats(values, timeoutMs));
  } catch (error) {
    const why = `NATS cannot be used: ${reasonOf(error, { name: 'NATS', user: values['NATS_USER'] })}`;
    return failed(why, 'the address, the login, or the NATS server', 'check them, then try again');
  }
}

async function askNats(values: Values, timeoutMs: number): Promise<Verdict> {
  const { NATS_URL: url = '', NATS_USER: user, NATS_PASSWORD: password } = values;
  const tls = url.includes('tls://') ? tlsFiles(values) : undefined;
  const login = { url, name: 'pet-roast setup', user, password, tls };
  const { version, jetstream } = await askServer({ ...login, timeoutMs: timeoutMs / 2 });
  if (jetstream) return passed(`NATS ${version} answers, with JetStream`);
  const todo = 'switch it on: `jetstream {}` in the configuration, or the option -js';
  return failed('NATS answers, but without JetStream', 'the NATS server', todo);
}

function tlsFiles({ NATS_TLS_CA_FILE: caFile, NATS_TLS_CERT_FILE: certFile, NATS_TLS_KEY_FILE: keyFile }: Values) {
  return { ...(caFile && { caFile }), ...(certFile && { certFile }), ...(keyFile && { keyFile }) };
}

/** Reads REDIS_URL, and REDIS_TLS_CA_FILE where it is set. */
export async function checkRedis(values: Values, timeoutMs = checkTimeoutMs): Promise<Verdict> {
  const { REDIS_URL: url = '', REDIS_TLS_CA_FILE: caFile } = values;
  const redis = new Redis(url, {
    ...(caFile === undefined ? {} : { tls: { ca: readFileSync(caFile) } }),
    // Dual-stack, as the gateway has it.
    family: 0,
    lazyConnect: true,
    connectTimeout: timeoutMs / 2,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
  });
  // Said here, and not in what `connect` rejects with: that is "Connection is closed."
  let reason: unknown;
  redis.on('error', (error: Error) => {
    reason = error;
  });
  try {
    await within(
      timeoutMs,
      redis.connect().then(() => redis.ping()),
    );
    return passed('Redis answers');
  } catch (error) {
    const why = `Redis cannot be used: ${reasonOf(reason ?? error, { name: 'Redis' })}`;
    return failed(why, 'the address, the password in it, or the Redis server', 'check them, then try again');
  } finally {
    redis.disconnect();
  }
}
