/** The connection to Redis: encrypted and with a password by configuration, and no word of that in the log. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, type LocalServer } from '@pet-roast/sandbox';
import { redisForTest, until } from '@pet-roast/testing';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLog, redisUrl } from '../src/index.ts';
import { openRedis } from '../src/redis.ts';
import { selfSigned } from './guarded/self-signed.ts';

const password = 'a-password-of-redis';
let folder: string;
let server: LocalServer;
let tlsPort: number;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'redis-tls-'));
  const { cert, key } = selfSigned('localhost');
  await writeFile(join(folder, 'ca.pem'), cert);
  await writeFile(join(folder, 'key.pem'), key);
  await writeFile(join(folder, 'other.pem'), selfSigned('localhost').cert);
  tlsPort = await freePort();
  const files = ['--tls-cert-file', join(folder, 'ca.pem'), '--tls-key-file', join(folder, 'key.pem')];
  server = await redisForTest({ extraArgs: ['--tls-port', String(tlsPort), '--tls-auth-clients', 'no', ...files] });
  const redis = new Redis(server.url);
  await redis.config('SET', 'requirepass', password);
  redis.disconnect();
});
afterAll(async () => {
  await server?.close();
  await rm(folder, { recursive: true, force: true });
});

/** Connects; gives what is logged until it is known how that went. */
async function loggedAt(url: string, ca?: string): Promise<string> {
  const lines: object[] = [];
  const warn = (...words: object[]) => lines.push(words);
  const log = Object.assign(createLog('test', 'silent'), { warn });
  const caFile = ca === undefined ? undefined : join(folder, ca);
  const redis = openRedis({ url, caFile, commandTimeoutMs: 1_000, without: 'a test goes without', log });
  const answers = () => redis.ping().catch(() => undefined);
  await until(async () => (await answers()) === 'PONG' || lines.length > 0, {
    what: 'an answer, or why there is none',
  });
  redis.disconnect();
  return JSON.stringify(lines);
}

describe('Redis', () => {
  it('is reached by rediss:// and the authority in REDIS_TLS_CA_FILE', async () => {
    expect(await loggedAt(`rediss://:${password}@localhost:${tlsPort}`, 'ca.pem')).toBe('[]');
  });

  it.each([undefined, 'other.pem'])('is not reached where another authority signed its certificate: %s', async (ca) => {
    const logged = await loggedAt(`rediss://:${password}@localhost:${tlsPort}`, ca);
    expect(logged).toMatch(/nobody that is trusted here signed.*REDIS_TLS_CA_FILE has to name/);
    expect(logged).not.toContain(password);
  });

  it('refuses a wrong password, which is not logged', async () => {
    const logged = await loggedAt(server.url.replace('//', '//:canary-secret@'));
    expect(logged).toMatch(/refuses the password.*REDIS_URL has to carry/);
    expect(logged).not.toContain('canary-secret');
  });

  it.each(['redis://:canary#secret@redis', 'canary', '/canary/secret', 'http://canary'])(
    'is not looked for at %s, and the reason does not repeat it',
    (url) => {
      const { error } = redisUrl().safeParse(url);
      expect(error?.issues[0]?.message).toContain('it has to be redis://');
      expect(String(error)).not.toContain('canary');
    },
  );
});
