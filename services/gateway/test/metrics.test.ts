/** `/metrics` is for operators: on the two services that strangers reach it is shown to nobody without its token. */
import { natsForTest, redisForTest, spawnService } from '@pet-roast/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectDocumented } from './helpers/documented.ts';
import { apiKeys, secrets, send } from './helpers/keyed.ts';

const token = 'a-metrics-token-0123';
let nats: Awaited<ReturnType<typeof natsForTest>>;
let redis: Awaited<ReturnType<typeof redisForTest>>;

beforeAll(async () => {
  [nats, redis] = await Promise.all([natsForTest(), redisForTest()]);
});
afterAll(async () => {
  await Promise.all([nats?.close(), redis?.close()]);
});

async function start(name: string, own: Record<string, string>, more: Record<string, string>) {
  const env = { NATS_URL: nats.url, REDIS_URL: redis.url, ...own, ...more };
  return spawnService({ entry: `services/${name}/src/main.ts`, env });
}
const services = {
  gateway: { API_KEYS: apiKeys },
  'revid-bridge': {
    REVID_API_KEY: 'key',
    BRIDGE_PUBLIC_URL: 'https://bridge.example',
    CALLBACK_SECRET: 'a-callback-secret-0123456789',
  },
  notifier: { BACKEND_WEBHOOK_SECRET: `whsec_${Buffer.alloc(32, 1).toString('base64')}` },
} as const;
type Name = keyof typeof services;
const statusOf = async (name: Name, more: Record<string, string>, bearer?: string) => {
  await using service = await start(name, services[name], more);
  const answer = await send(service, bearer, '/metrics');
  return answer.status;
};

describe('/metrics', () => {
  it.each(['gateway', 'revid-bridge'] as const)(
    'of the %s is not there outside the sandbox without a token',
    async (name) => {
      expect(await statusOf(name, {})).toBe(404);
    },
  );

  it.each(['gateway', 'revid-bridge'] as const)('of the %s is open in the sandbox', async (name) => {
    expect(await statusOf(name, { SANDBOX: 'true' })).toBe(200);
  });

  it('of a service that no stranger reaches is open without a token', async () => {
    expect(await statusOf('notifier', {})).toBe(200);
  });

  it.each(['gateway', 'revid-bridge', 'notifier'] as const)('of the %s wants the token that it has', async (name) => {
    await using service = await start(name, services[name], { METRICS_TOKEN: token, ADMIN_TOKEN: `admin-${token}` });
    const answers = await Promise.all(
      [undefined, `${token}x`, `admin-${token}`, secrets.alice, token].map((bearer) =>
        send(service, bearer, '/metrics'),
      ),
    );
    expect(answers.map(({ status }) => status)).toEqual([401, 401, 401, 401, 200]);
    for (const answer of answers) await expectDocumented('GET', '/metrics', answer);
  });

  it('that is not there is answered as documented', async () => {
    await using gateway = await start('gateway', services.gateway, {});
    await expectDocumented('GET', '/metrics', await send(gateway, undefined, '/metrics'));
  });
});
