/** Names that change under the fetcher's feet, from a real name server on loopback. */
import type { Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createGuardedFetch, type GuardedFetchOptions } from '../src/guarded-fetch.ts';
import { type DnsZone, startDnsServer } from './guarded/dns-server.ts';
import { listenEverywhere, unplugTheInternet, watchAttempts } from './guarded/sockets.ts';

const [publicV4, publicV6] = ['93.184.216.34', '2606:2800:220:1:248:1893:25c8:1946'];
const refused = { name: 'Permanent', code: 'image_address_refused' };
const unreachableForNow = { name: 'RetryLater', code: 'image_unreachable' };

let played: readonly string[] = [];
let dialled: readonly string[] = [];
const cleanUps: AsyncDisposable[] = [];

beforeEach(() => {
  played = [publicV4];
  ({ dialled } = unplugTheInternet(() => played));
});
afterEach(async () => {
  vi.restoreAllMocks();
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp[Symbol.asyncDispose]();
});

describe('a name that is first public and then private', () => {
  it('is followed to the public address and refused when it redirects to itself', async () => {
    const { server, victim, fetcher, dns, watch } = await setUp(
      (_name, type, nth) => (type === 'A' ? [{ address: nth === 1 ? publicV4 : '127.0.0.1' }] : []),
      (port) => `HTTP/1.1 302 Found\r\nLocation: http://rebound.test:${port}/secret\r\n\r\n`,
    );
    await expect(fetcher.fetch(`http://rebound.test:${server.port}/`)).rejects.toMatchObject(refused);
    expect(dns.asked('rebound.test')).toBe(2);
    expect(dialled).toEqual([publicV4]);
    expect(watch.attempts).toEqual([`127.0.0.1:${server.port}`]);
    expect(victim.connections()).toBe(0);
  });

  it('is connected to where it was checked, however it changes meanwhile: 100 fetches, 20 at once', async () => {
    const { server, victim, fetcher, dns, watch } = await setUp((_name, type, nth) => {
      if (type === 'AAAA') return nth % 3 === 0 ? [{ address: '::1' }] : [];
      return [{ address: nth % 2 === 0 ? '127.0.0.1' : publicV4 }];
    });
    const outcomes = new Map<string, number>();
    for (let round = 0; round < 5; round += 1) {
      await Promise.all(
        Array.from({ length: 20 }, async () => {
          const outcome = await fetcher.fetch(`http://rebound.test:${server.port}/`).then(
            ({ bytes }) => new TextDecoder().decode(bytes),
            ({ code }: { code: string }) => code,
          );
          outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
        }),
      );
    }
    // One question of each kind for each fetch: what is connected to is what was answered then.
    expect(dns.asked('rebound.test', 'A')).toBe(100);
    expect(dns.asked('rebound.test', 'AAAA')).toBe(100);
    const photos = outcomes.get('a photo') ?? 0;
    expect(Object.fromEntries(outcomes)).toEqual({ 'a photo': photos, image_address_refused: 100 - photos });
    expect(photos).toBeGreaterThan(0);
    expect(dialled).toEqual(Array.from({ length: photos }, () => publicV4));
    expect(new Set(watch.attempts)).toEqual(new Set([`127.0.0.1:${server.port}`]));
    expect(victim.connections()).toBe(0);
  });

  it('never reaches the private address when the public one does not answer', async () => {
    played = [];
    const { victim, fetcher, watch } = await setUp((_name, type, nth) =>
      type === 'A' ? [{ address: nth % 2 === 1 ? publicV4 : '127.0.0.1' }] : [],
    );
    const url = `http://rebound.test:${victim.port}/`;
    await expect(fetcher.fetch(url)).rejects.toMatchObject(unreachableForNow);
    await expect(fetcher.fetch(url)).rejects.toMatchObject(refused);
    expect(dialled).toEqual([publicV4]);
    expect(watch.attempts).toEqual([]);
    expect(victim.connections()).toBe(0);
  });
});

describe('an answer that hides a private address', () => {
  it.each<[string, DnsZone]>([
    ['behind a public one', (_n, type) => (type === 'A' ? [{ address: publicV4 }, { address: '127.0.0.1' }] : [])],
    ['in the other family', (_n, type) => [{ address: type === 'A' ? publicV4 : '::1' }]],
    ['in the other family, IPv4-mapped', (_n, type) => [{ address: type === 'A' ? publicV4 : '::ffff:127.0.0.1' }]],
    [
      'as its 41st',
      (_n, type) => (type === 'A' ? [...publicAddresses(40), '127.0.0.1'].map((address) => ({ address })) : []),
    ],
    [
      'behind an alias',
      (name, type) => (type === 'A' ? [{ owner: name, cname: 'inside.test' }, { address: '127.0.0.1' }] : []),
    ],
    [
      'behind a chain of aliases with public names',
      (name, type) => {
        const chain = [name, 'a.cdn.test', 'b.cdn.test', 'photos.example', 'localhost'];
        const aliases = chain.slice(1).map((cname, index) => ({ owner: chain[index] ?? '', cname }));
        return type === 'A' ? [...aliases, { address: '127.0.0.1' }] : aliases;
      },
    ],
    [
      'beside a public one behind an alias',
      (name, type) => [
        { owner: name, cname: 'cdn.test' },
        { address: type === 'A' ? publicV4 : publicV6 },
        ...(type === 'A' ? [{ address: '10.0.0.1' }] : []),
      ],
    ],
  ])('%s is refused', async (_what, zone) => {
    const { victim, fetcher, watch } = await setUp(zone);
    await expect(fetcher.fetch(`http://photos.test:${victim.port}/`)).rejects.toMatchObject(refused);
    expect(watch.attempts).toEqual([]);
    expect(victim.connections()).toBe(0);
  });

  it('behind public addresses alone there is no reason to refuse: an alias is followed', async () => {
    const { server, fetcher } = await setUp((name, type) =>
      type === 'A' ? [{ owner: name, cname: 'cdn.test' }, { address: publicV4 }] : [],
    );
    const { bytes } = await fetcher.fetch(`http://photos.test:${server.port}/`);
    expect(new TextDecoder().decode(bytes)).toBe('a photo');
  });
});

describe('the system’s own resolver', () => {
  it.each(['localhost', 'ⓛⓞⓒⓐⓛⓗⓞⓢⓣ'])('finds %s here, and it is refused', async (name) => {
    const { victim, watch } = await setUp(() => 'silent');
    const fetcher = createGuardedFetch({ bytesMax: 1_000, timeoutMs: 5_000, portsAllowed: [victim.port] });
    await expect(fetcher.fetch(`http://${name}:${victim.port}/`)).rejects.toMatchObject(refused);
    await fetcher.close();
    expect(watch.attempts).toEqual([]);
    expect(victim.connections()).toBe(0);
  });
});

describe('a name server', () => {
  it('that names 40 addresses makes the fetcher try 8 of them', async () => {
    played = [];
    const { server, fetcher } = await setUp((_name, type) =>
      type === 'A' ? publicAddresses(40).map((address) => ({ address })) : [],
    );
    await expect(fetcher.fetch(`http://photos.test:${server.port}/`)).rejects.toMatchObject(unreachableForNow);
    expect(dialled).toHaveLength(8);
  });

  it.each<[string, DnsZone]>([
    ['knows no such name', () => undefined],
    ['knows no address of it', () => []],
    ['does not answer', () => 'silent'],
  ])('that %s is a reason to retry', async (_what, zone) => {
    const { server, fetcher, watch } = await setUp(zone, undefined, { timeoutMs: 500 });
    await expect(fetcher.fetch(`http://photos.test:${server.port}/`)).rejects.toMatchObject(unreachableForNow);
    expect(watch.attempts).toEqual([]);
  });
});

/** A server at `publicV4`, a victim on every address of this machine, and the fetcher between them. */
async function setUp(
  zone: DnsZone,
  answer: (port: number) => string = () => 'HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\na photo',
  options: Partial<GuardedFetchOptions> = {},
) {
  const victim = await listenEverywhere();
  const server = await listenEverywhere((socket: Socket) => socket.once('data', () => socket.end(answer(victim.port))));
  const dns = await startDnsServer(zone);
  const watch = watchAttempts();
  const fetcher = createGuardedFetch({
    bytesMax: 1_000,
    timeoutMs: 5_000,
    portsAllowed: [victim.port, server.port],
    resolve: dns.resolve,
    ...options,
  });
  const close = {
    [Symbol.asyncDispose]: async () => {
      await fetcher.close();
      watch[Symbol.dispose]();
    },
  };
  cleanUps.push(victim, server, dns, close);
  return { victim, server, dns, watch, fetcher };
}

function publicAddresses(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `93.184.216.${index + 100}`);
}
