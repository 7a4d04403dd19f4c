/** What was seen in which photo, remembered in a real Redis: with a host that counts downloads and a model that counts looks. */
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createEvent, createGuardedFetch, createLog, isKind, Permanent, subjectOf } from '@pet-roast/shared';
import { brokerForTest, natsForTest, redisForTest, spawnService, until } from '@pet-roast/testing';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openRedisEntries } from '../src/adapters/redis-entries.ts';
import { type SeeDeps, type Sighting, seePhoto } from '../src/see-photo.ts';
import { createVerdictCache } from '../src/verdict-cache.ts';

const box = { x: 10, y: 20, width: 300, height: 400 };
const dog: Sighting = {
  ...{ pets: [{ label: 'dog', score: 0.91, box }], best_score: 0.91, width: 800, height: 600, model: 'yolox-nano' },
};
const sky: Sighting = { ...dog, pets: [], best_score: 0.02 };
const judge = { model: 'yolox-nano+deimv2-femto', scoreMin: 0.3 };

let redis: Awaited<ReturnType<typeof redisForTest>>;
let client: Redis;
let host: Host;
const stack = new AsyncDisposableStack();
const cleanUps: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  redis = stack.use(await redisForTest());
  client = new Redis(redis.url);
  stack.defer(async () => client.disconnect());
});
afterAll(() => stack.disposeAsync());
beforeEach(async () => {
  await client.flushall();
  host = await startHost();
});
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0)) await cleanUp();
});

describe('a photo whose bytes were seen before', () => {
  it('is not looked at again, wherever it comes from, and shows the same', async () => {
    const { see, looks, seeUpload } = await detector();
    const first = await see(host.add('/a.jpg', 'a dog'));
    expect(first).toEqual({ ...dog, bytes: 5 });
    await kept(1);
    expect(await see(host.add('/b.jpg', 'a dog'))).toEqual(first);
    expect(await seeUpload('a dog')).toEqual(first);
    expect(looks()).toBe(1);
    expect(host.answers).toEqual([200, 200]);
  });

  it('is not looked at again where nothing was found in it either', async () => {
    const { see, looks } = await detector();
    await see(host.add('/a.jpg', 'the sky'));
    await kept(1);
    expect(await see(host.add('/b.jpg', 'the sky'))).toMatchObject({ pets: [], best_score: 0.02 });
    expect(looks()).toBe(1);
  });

  it('is looked at by a detector with another model or threshold', async () => {
    const url = host.add('/a.jpg', 'a dog');
    await (await detector()).see(url);
    await kept(1);
    for (const other of [{ model: 'yolox-s' }, { scoreMin: 0.25 }]) {
      const { see, looks } = await detector({ judge: { ...judge, ...other } });
      await see(url);
      expect(looks()).toBe(1);
    }
  });

  it('is looked at again if looking at it failed: an error is not remembered', async () => {
    const { see, looks } = await detector();
    const url = host.add('/a.jpg', 'no photo', '"v1"');
    for (let tries = 1; tries <= 2; tries++) {
      await expect(see(url)).rejects.toMatchObject({ code: 'image_not_an_image' });
      expect(looks()).toBe(tries);
    }
    expect(host.conditions).toEqual([undefined, undefined]);
    expect(await client.keys('*')).toEqual([]);
  });

  it('is looked at again once it is forgotten', async () => {
    const { see, looks } = await detector({ ttlMs: 1_000 });
    const url = host.add('/a.jpg', 'a dog');
    await see(url);
    await kept(1);
    await until(async () => (await client.keys('*')).length === 0, { what: 'the entries to expire' });
    await see(url);
    expect(looks()).toBe(2);
  });
});

describe('an address that names its versions', () => {
  it('is asked whether its photo has changed, and if not nothing is downloaded and nothing looked at', async () => {
    const { see, looks } = await detector();
    const url = host.add('/a.jpg', 'a dog', '"v1"');
    const first = await see(url);
    await kept(2);
    expect(await see(url)).toEqual(first);
    expect(host.conditions).toEqual([undefined, '"v1"']);
    expect(host.answers).toEqual([200, 304]);
    expect(looks()).toBe(1);
  });

  it('gives its new photo once it has changed', async () => {
    const { see, looks } = await detector();
    const url = host.add('/a.jpg', 'a dog', '"v1"');
    await see(url);
    await kept(2);
    host.add('/a.jpg', 'the sky', '"v2"');
    expect(await see(url)).toMatchObject({ pets: [] });
    await kept(3);
    expect(await see(url)).toMatchObject({ pets: [] });
    expect(host.answers).toEqual([200, 200, 304]);
    expect(looks()).toBe(2);
  });

  it('is asked for the photo itself where what it showed is forgotten, or is another model’s', async () => {
    const { see, looks } = await detector();
    const url = host.add('/a.jpg', 'a dog', '"v1"');
    await see(url);
    await kept(2);
    await (await detector({ judge: { ...judge, model: 'yolox-s' } })).see(url);
    await client.del(...(await client.keys('*seen:*')));
    expect(await see(url)).toMatchObject(dog);
    expect(host.conditions).toEqual([undefined, undefined, undefined]);
    expect(looks()).toBe(2);
  });

  it('says nothing of another address, even under the same version', async () => {
    const { see } = await detector();
    await see(host.add('/dog.jpg', 'a dog', '"v1"'));
    await kept(2);
    const lying = await startHost();
    lying.alwaysUnchanged();
    expect(await see(lying.add('/dog.jpg', 'the sky', '"v1"'))).toMatchObject({ pets: [] });
    expect(lying.conditions).toEqual([undefined]);
    await kept(4);
    // What it can do is to say that its own photo is still the one that it gave.
    expect(await see(lying.add('/dog.jpg', 'a dog', '"v1"'))).toMatchObject({ pets: [] });
    expect(await see(host.add('/dog.jpg', 'a dog', '"v1"'))).toMatchObject(dog);
  });

  it('is not to be read in Redis, nor is anything of the photo but what was seen', async () => {
    const { see } = await detector();
    await see(host.add('/users/bruno-the-dog.jpg?token=secret', 'a dog', '"v1"'));
    await kept(2);
    const names = await client.keys('*');
    const values = await Promise.all(names.map((name) => client.get(name).catch(() => client.zrange(name, 0, '-1'))));
    expect(JSON.stringify([names, values])).not.toMatch(/bruno|secret|127\.0\.0\.1|a dog/);
  });
});

describe('the cache', () => {
  it('is bounded: beyond its entries the ones not used for longest go', async () => {
    const { see, looks } = await detector({ entriesMax: 3 });
    const urlOf = (n: number) => host.add(`/${n}.jpg`, `photo ${n}`);
    for (const n of [1, 2, 3]) {
      await see(urlOf(n));
      await kept(n);
    }
    await see(urlOf(1));
    expect(looks()).toBe(3);
    await see(urlOf(4));
    await until(async () => (await entries()).length === 3 && looks() === 4, { what: 'the oldest to go' });
    await see(urlOf(1));
    expect(looks()).toBe(4);
    await see(urlOf(2));
    expect(looks()).toBe(5);
    for (const name of await client.keys('*')) expect(await client.pttl(name)).toBeGreaterThan(0);
    expect(await client.zcard('pet_roast:detect:by-last-use')).toBeLessThanOrEqual(4);
  });

  it('keeps no entry that is larger than any verdict', async () => {
    const { see } = await detector({ look: async () => ({ ...dog, model: 'x'.repeat(20_000) }) });
    await see(host.add('/a.jpg', 'a dog'));
    const small = await detector();
    await small.see(host.add('/b.jpg', 'the sky'));
    await kept(1);
  });

  it.each([
    ['no JSON', 'rm -rf'],
    ['another JSON', '{"pets":"all"}'],
    ['nothing', ''],
    ['a verdict that cannot be', JSON.stringify({ ...dog, best_score: 7, bytes: 5 })],
    ['a megabyte', JSON.stringify({ ...dog, bytes: 5, model: 'x'.repeat(1_000_000) })],
  ])('in which somebody has put %s is not believed', async (_what, garbage) => {
    const { see, looks } = await detector();
    const url = host.add('/a.jpg', 'a dog', '"v1"');
    await see(url);
    await kept(2);
    for (const name of await entries()) await client.set(name, garbage);
    expect(await see(url)).toEqual({ ...dog, bytes: 5 });
    expect(looks()).toBe(2);
    expect(host.conditions).toEqual([undefined, undefined]);
  });

  it('in which somebody has put lists changes nothing', async () => {
    const { see, looks, warnings } = await detector();
    const url = host.add('/a.jpg', 'a dog', '"v1"');
    await see(url);
    await kept(2);
    for (const name of await entries()) {
      await client.del(name);
      await client.rpush(name, 'x');
    }
    expect(await see(url)).toMatchObject(dog);
    expect(looks()).toBe(2);
    expect(warnings()).toHaveLength(1);
  });

  it('that is away, or does not answer, holds nobody up and is told once', async () => {
    await using own = await redisForTest();
    const { see, looks, warnings } = await detector({ url: own.url });
    const url = host.add('/a.jpg', 'a dog', '"v1"');
    await see(url);
    const before = await questionsTo(own.url);
    await own.kill('SIGSTOP');
    for (let n = 0; n < 3; n++) expect(await see(url)).toMatchObject(dog);
    expect(warnings()).toHaveLength(1);
    await own.kill('SIGCONT');
    // After the first silence it was asked nothing more for a while.
    await until(async () => (await questionsTo(own.url)) > before, { what: 'the question that was not answered' });
    expect(await questionsTo(own.url)).toBe(before + 1);
    await own.kill();
    await until(() => warnings().length === 2, { what: 'the lost connection to be told' });
    for (let n = 0; n < 3; n++) expect(await see(url)).toMatchObject(dog);
    expect(warnings()).toHaveLength(2);
    expect(looks()).toBe(7);
  });

  it('that is not there at all is not missed', async () => {
    const { see, looks } = await detector({ cached: false });
    const url = host.add('/a.jpg', 'a dog', '"v1"');
    for (let n = 0; n < 2; n++) expect(await see(url)).toMatchObject(dog);
    expect([looks(), host.conditions]).toEqual([2, [undefined, undefined]]);
  });
});

describe('two detectors', () => {
  it('as processes of their own share what was seen', async () => {
    await using nats = await natsForTest();
    const broker = await brokerForTest(nats.url);
    cleanUps.push(broker.close);
    const { readFile } = await import('node:fs/promises');
    const photo = await readFile(new URL('../../../packages/sandbox/assets/pet.jpg', import.meta.url));
    const env = {
      SANDBOX: 'true',
      NATS_URL: nats.url,
      REDIS_URL: redis.url,
      MODEL_PATH: process.env['MODEL_PATH'] ?? '',
    };
    const said: unknown[] = [];
    for (const [n, how] of (['looked_at', 'known', 'not_modified'] as const).entries()) {
      await using service = await spawnService({ entry: 'services/detector/src/main.ts', env });
      await service.ready();
      const jobId = `job-${n}`;
      // The first two come from two addresses, the third from the second’s again.
      const url = host.add(`/${Math.min(n, 1)}.jpg`, photo, '"v1"');
      await broker.publish(receivedAt(url, jobId), 0);
      const verdict = await until(() => broker.readLast(subjectOf('verdict', jobId)), { what: 'a verdict' });
      said.push(isKind(verdict, 'detected') && verdict.data);
      const metrics = await (await fetch(`${service.url}/metrics`)).text();
      expect(metrics).toContain(`pet_roast_photos_seen_total{how="${how}"} 1`);
      expect(metrics.match(/^pet_roast_photos_seen_total\{/gm)).toHaveLength(1);
      if (n === 1) await kept(3);
      await service.stop();
    }
    expect(said[0]).toMatchObject({
      pets: [{ label: expect.stringMatching(/cat|dog/) }],
      image: { bytes: photo.length },
    });
    expect(said).toEqual([said[0], said[0], said[0]]);
    expect(host.answers).toEqual([200, 200, 304]);
  });
});

function receivedAt(image_url: string, jobId: string) {
  const deadline_at = new Date(Date.now() + 60_000).toISOString();
  const request = { request_id: 'r', request_sha256: 's', deadline_at };
  return createEvent('received', jobId, { text: 'x', image_url, target_language: 'en', ...request });
}

type DetectorOptions = {
  readonly url?: string;
  readonly cached?: boolean;
  readonly judge?: typeof judge;
  readonly ttlMs?: number;
  readonly entriesMax?: number;
  readonly look?: SeeDeps['look'];
};

/** A detector’s way from a photo to what it shows, with a connection of its own to Redis. */
async function detector(options: DetectorOptions = {}) {
  let looks = 0;
  const warnings: string[] = [];
  const log = createLog('test', 'silent');
  log.warn = (_fields: unknown, message?: string) => void warnings.push(message ?? '');
  const { url = redis.url, ttlMs = 60_000, entriesMax = 100 } = options;
  const store = openRedisEntries({ url, ttlMs, entriesMax, log });
  const images = createGuardedFetch({ bytesMax: 1_000_000, timeoutMs: 5_000, allowPrivate: true });
  cleanUps.push(store.close, images.close);
  await until(
    async () => {
      store.put('ready', '1');
      return (await store.get('ready')) === '1';
    },
    { what: 'the connection to Redis' },
  );
  const other = new Redis(url);
  await other.del('pet_roast:detect:ready');
  await other.zrem('pet_roast:detect:by-last-use', 'pet_roast:detect:ready');
  other.disconnect();
  const look: SeeDeps['look'] = async (bytes) => {
    looks++;
    const text = Buffer.from(bytes).toString();
    if (text === 'no photo') throw new Permanent('image_not_an_image');
    return text === 'the sky' ? sky : dog;
  };
  const deps: SeeDeps = {
    fetchImage: images.fetch,
    readUpload: async (id) => Buffer.from(id),
    look: options.look ?? look,
    cache: options.cached === false ? undefined : createVerdictCache(store, options.judge ?? judge),
  };
  const { signal } = new AbortController();
  return {
    see: (image_url: string) => seePhoto({ image_url }, signal, deps),
    seeUpload: (content: string) => seePhoto({ image_url: 'https://unused.example', image_id: content }, signal, deps),
    looks: () => looks,
    warnings: () => warnings,
  };
}

/** How many scripts a Redis has run. */
async function questionsTo(url: string): Promise<number> {
  const asking = new Redis(url);
  const stats = await asking.info('commandstats');
  asking.disconnect();
  return Number(/cmdstat_eval:calls=(\d+)/.exec(stats)?.[1] ?? 0);
}

/** The names of what is remembered. */
async function entries(): Promise<string[]> {
  return (await client.keys('pet_roast:detect:*:*')).toSorted();
}

/** Nobody waits for what is put into the cache but a test. */
async function kept(count: number): Promise<void> {
  await until(async () => (await entries()).length === count, { what: `${count} entries` });
}

type Host = Awaited<ReturnType<typeof startHost>>;

/** Photos by path, with their versions where they have one; conditional requests are answered as RFC 9110 says. */
async function startHost() {
  const files = new Map<string, { content: string | Buffer; etag: string | undefined }>();
  const conditions: (string | undefined)[] = [];
  const answers: number[] = [];
  let lies = false;
  const listener: RequestListener = (request, response) => {
    const file = files.get(request.url ?? '');
    const condition = request.headers['if-none-match'];
    conditions.push(condition);
    const isUnchanged = condition !== undefined && (lies || condition === file?.etag);
    const status = file === undefined ? 404 : isUnchanged ? 304 : 200;
    answers.push(status);
    response.writeHead(status, file?.etag === undefined ? {} : { etag: file.etag });
    response.end(status === 200 ? file?.content : undefined);
  };
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanUps.push(async () => {
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    ...{ conditions, answers },
    add(path: string, content: string | Buffer, etag?: string): string {
      files.set(path, { content, etag });
      return url + path;
    },
    alwaysUnchanged() {
      lies = true;
    },
  };
}
