/** What the set-up wizard's checks make of vendors and servers that refuse, are away, or answer nonsense. */
import { createServer } from 'node:net';
import { startWorld, type World } from '@pet-roast/sandbox';
import { natsForTest, rawNats, redisForTest } from '@pet-roast/testing';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { checkBackend } from '../scripts/setup-wizard/checks/backend.ts';
import { checkBridgeUrl } from '../scripts/setup-wizard/checks/bridge.ts';
import { checkRevid } from '../scripts/setup-wizard/checks/revid.ts';
import { checkNats, checkRedis } from '../scripts/setup-wizard/checks/servers.ts';
import { checkBhashini, checkIndicTrans } from '../scripts/setup-wizard/checks/translator.ts';
import type { Failed, Verdict } from '../scripts/setup-wizard/verdict.ts';

const nobody = 'http://127.0.0.1:9';
let world: World;

beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world.close());
afterEach(() => {
  world.revid.clearFaults();
  world.bhashini.clearFaults();
  world.indictrans.clearFaults();
  world.backend.clearAnswers();
});

describe('the check of Revid.ai', () => {
  const values = () => ({ REVID_BASE_URL: world.env.REVID_BASE_URL, REVID_API_KEY: world.env.REVID_API_KEY });

  it('knows an estimate for the options that are set, and pays nothing', async () => {
    const told = await checkRevid({ ...values(), REVID_RESOLUTION: '4k', REVID_VOICE_ENABLED: 'false' });
    expect(told).toMatchObject({ ok: true, told: expect.stringContaining('estimates 5 credits') });
    expect(world.revid.renders()).toEqual([]);
  });

  it('passes without an estimate where the vendor gives none', async () => {
    const verdict = await checkRevid({ ...values(), REVID_WORKFLOW: 'no-such-workflow' });
    expect(verdict).toEqual({ ok: true, told: 'Revid.ai accepts the key' });
  });

  it('does not repeat a key that the vendor quotes', async () => {
    const error = `no access for ${world.env.REVID_API_KEY}\u001b[2J`;
    world.revid.pushFaults({ at: 'projects', kind: 'http', status: 403, body: { success: 0, error } });
    expect(failure(await checkRevid(values()))).toMatchObject({
      why: 'Revid.ai knows the key but answers 403: no access for *** [2J',
      whose: 'the account',
    });
  });

  it.each([
    ['the key', { status: 401 }],
    ['the account', { status: 402 }],
    ['Revid.ai', { status: 429 }],
    ['Revid.ai', { status: 500 }],
    ['REVID_BASE_URL, or a proxy in between', { status: 404 }],
    ['the key', { status: 200, body: { success: 0, error: 'invalid key' } }],
    ['REVID_BASE_URL, or a proxy in between', { status: 200, body: '<title>Just a moment...</title>' }],
  ])('says that it is a matter of %s at %j', async (whose, answer) => {
    world.revid.pushFaults({ at: 'projects', kind: 'http', ...answer });
    expect(failure(await checkRevid(values())).whose).toBe(whose);
  });

  it('names the option that the bridge would not start with', async () => {
    const verdict = failure(await checkRevid({ ...values(), REVID_FRAME_RATE: 'fast' }));
    expect(verdict.why).toMatch(/^REVID_FRAME_RATE is not valid/);
  });
});

describe('the checks of the translators', () => {
  const bhashini = () => ({
    BHASHINI_CONFIG_URL: world.env.BHASHINI_CONFIG_URL,
    BHASHINI_USER_ID: world.env.BHASHINI_USER_ID,
    BHASHINI_API_KEY: world.env.BHASHINI_API_KEY,
  });

  it('tell a refused Bhashini account from a Bhashini that is away', async () => {
    expect(await checkBhashini(bhashini())).toMatchObject({ ok: true });
    const refused = failure(await checkBhashini({ ...bhashini(), BHASHINI_API_KEY: 'wrong' }));
    expect(refused).toMatchObject({ whose: 'the account', why: expect.stringContaining('401') });
    const away = failure(await checkBhashini({ ...bhashini(), BHASHINI_CONFIG_URL: nobody }));
    expect(away).toMatchObject({ whose: 'the network, or Bhashini', why: expect.stringContaining('ECONNREFUSED') });
  });

  it('tell a refused key from an IndicTrans2 server that is still loading', async () => {
    const values = { INDICTRANS_URL: world.env.INDICTRANS_URL, INDICTRANS_API_KEY: world.env.INDICTRANS_API_KEY };
    expect(await checkIndicTrans(values)).toMatchObject({ ok: true });
    const refused = failure(await checkIndicTrans({ INDICTRANS_URL: world.env.INDICTRANS_URL }));
    expect(refused).toMatchObject({ whose: 'the address or the key', why: expect.stringContaining('401') });
    world.indictrans.pushFaults({ kind: 'http', status: 503 });
    expect(failure(await checkIndicTrans(values)).todo).toContain('has loaded its model');
  });
});

describe('the check of the backend', () => {
  it('finds a backend that only takes POSTs, and sends it nothing that it could take for a webhook', async () => {
    expect(await checkBackend({ BACKEND_WEBHOOK_URL: world.urls.backend })).toMatchObject({
      ok: true,
      told: expect.stringContaining('404 to a GET'),
      warning: expect.stringContaining('https'),
    });
    expect(world.backend.deliveries()).toEqual([]);
  });

  it('says when nobody is there', async () => {
    expect(failure(await checkBackend({ BACKEND_WEBHOOK_URL: nobody })).why).toContain(
      'nothing listens at 127.0.0.1:9',
    );
  });

  it('refuses an address that the notifier would not take, and asks nobody', async () => {
    const verdict = failure(await checkBackend({ BACKEND_WEBHOOK_URL: 'http://backend.example' }));
    expect(verdict.why).toContain('the address has to begin with https://');
  });

  it.each([
    [
      'HTTP/1.1 308 Permanent Redirect\r\nlocation: https://backend.example/hook?token=x',
      'on to https://backend.example/hook,',
    ],
    ['HTTP/1.1 502 Bad Gateway', 'answers 502'],
  ])('refuses a host that answers %j', async (answer, why) => {
    await using server = await answering(`${answer}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n`);
    const verdict = failure(await checkBackend({ BACKEND_WEBHOOK_URL: `http://127.0.0.1:${server.port}` }));
    expect(verdict.why).toContain(why);
  });
});

describe('the check of the bridge’s address', () => {
  const check = (addresses: string[]) =>
    checkBridgeUrl({ BRIDGE_PUBLIC_URL: 'https://bridge.example.com' }, 1_000, async () => addresses);

  it('refuses a name that leads to a private address', async () => {
    expect(failure(await check(['8.8.8.8', '10.0.0.7'])).why).toContain('bridge.example.com is at 10.0.0.7 (private)');
  });

  it('takes one that has no address yet, with a warning', async () => {
    expect(await check([])).toMatchObject({ ok: true, warning: expect.stringContaining('no address is known') });
  });
});

describe('the checks of NATS and Redis', () => {
  it('tell a NATS that wants a login from one that is away', async () => {
    await using nats = await natsForTest({ extraConfig: 'authorization { user: app, password: "p w" }' });
    const login = (NATS_USER: string, NATS_PASSWORD: string) => ({ NATS_URL: nats.url, NATS_USER, NATS_PASSWORD });
    expect(failure(await checkNats({ NATS_URL: nats.url })).why).toContain('lets nobody in without a user');
    expect(failure(await checkNats(login('app', 'wrong'))).why).toContain('refuses the user app');
    expect(await checkNats(login('app', 'p w'))).toMatchObject({ ok: true });
    expect(failure(await checkNats({ NATS_URL: 'nats://127.0.0.1:9' })).why).toContain('CONNECTION_REFUSED');
  });

  it('make nothing in a NATS', async () => {
    await using nats = await natsForTest();
    expect(await checkNats({ NATS_URL: nats.url })).toMatchObject({ ok: true });
    await using raw = await rawNats(nats.url);
    expect(await raw.manager.streams.names().next()).toEqual([]);
  });

  it('refuse a NATS without JetStream', async () => {
    const info = { server_id: 'x', version: '2.9.10', proto: 1, max_payload: 1_048_576, headers: true };
    await using server = await answering(`INFO ${JSON.stringify(info)}\r\nPONG\r\n`, 'stays open');
    expect(failure(await checkNats({ NATS_URL: `nats://127.0.0.1:${server.port}` })).why).toContain(
      'without JetStream',
    );
  });

  it('tell a Redis that wants a login from one that is away', async () => {
    await using redis = await redisForTest();
    expect(await checkRedis({ REDIS_URL: redis.url })).toMatchObject({ ok: true });
    const admin = new Redis(redis.url);
    await admin.config('SET', 'requirepass', 'pass');
    admin.disconnect();
    const wrong = { REDIS_URL: redis.url.replace('//', '//:a-wrong-one@') };
    expect(failure(await checkRedis({ REDIS_URL: redis.url })).why).toContain(
      'refuses the password, or the lack of one',
    );
    expect(failure(await checkRedis(wrong)).why).toContain('refuses the password, or the lack of one');
    expect(JSON.stringify(await checkRedis(wrong))).not.toContain('a-wrong-one');
    expect(await checkRedis({ REDIS_URL: redis.url.replace('//', '//:pass@') })).toMatchObject({ ok: true });
    expect(failure(await checkRedis({ REDIS_URL: 'redis://127.0.0.1:9' })).why).toContain('ECONNREFUSED');
  });
});

it('waits for nobody longer than a check may take', async () => {
  await using silent = await answering('', 'stays open');
  const host = `127.0.0.1:${silent.port}`;
  const http = `http://${host}`;
  const timeoutMs = 200;
  const verdicts = await Promise.all([
    checkRevid({ REVID_API_KEY: 'key', REVID_BASE_URL: http }, timeoutMs),
    checkBhashini({ BHASHINI_USER_ID: 'user', BHASHINI_API_KEY: 'key', BHASHINI_CONFIG_URL: http }, timeoutMs),
    checkIndicTrans({ INDICTRANS_URL: http }, timeoutMs),
    checkBackend({ BACKEND_WEBHOOK_URL: http }, timeoutMs),
    checkNats({ NATS_URL: `nats://${host}` }, timeoutMs),
    checkRedis({ REDIS_URL: `redis://${host}` }, timeoutMs),
  ]);
  for (const verdict of verdicts) expect(failure(verdict).why).toMatch(/no answer|cannot be used|gave up waiting/);
  const never = checkBridgeUrl({ BRIDGE_PUBLIC_URL: 'https://a.example' }, timeoutMs, () => new Promise(() => {}));
  expect(await never).toMatchObject({ ok: true, warning: expect.stringContaining('no address') });
});

function failure(verdict: Verdict): Failed {
  if (verdict.ok) throw new Error(`it passed: ${verdict.told}`);
  return verdict;
}

/** Says one thing to whoever connects. */
async function answering(text: string, then: 'ends' | 'stays open' = 'ends') {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    if (then === 'ends') socket.once('data', () => socket.end(text));
    else socket.write(text);
  });
  const listening = Promise.withResolvers<void>();
  server.listen(0, '127.0.0.1', listening.resolve);
  await listening.promise;
  const { port } = server.address() as { port: number };
  return { port, [Symbol.asyncDispose]: async () => void server.close() };
}
