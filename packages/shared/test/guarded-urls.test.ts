/**
 * The corpus of hostile URLs through the real fetcher: asked for, and as the target of a redirect of every code. Names are
 * resolved by a real name server on loopback. What is looked at is not the answer alone but the socket: no address is
 * ever connected to, and the listener on every address of this machine counts nobody.
 */
import type { Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createGuardedFetch, type GuardedFetch } from '../src/guarded-fetch.ts';
import { type Hostile, hostileEverywhere, hostileUrls, privateNames } from './guarded/corpus.ts';
import { type DnsZone, startDnsServer } from './guarded/dns-server.ts';
import { listenEverywhere, unplugTheInternet, watchAttempts } from './guarded/sockets.ts';

const publicAddress = '93.184.216.34';
const redirectCodes = [301, 302, 303, 307, 308] as const;
const refused = { name: 'Permanent', code: 'image_address_refused' };

const victim = await listenEverywhere();
const redirector = await listenEverywhere(redirect);
const dns = await startDnsServer(zone);
const watch = watchAttempts();
let dialled: readonly string[];
let fetcher: GuardedFetch;

beforeAll(() => {
  ({ dialled } = unplugTheInternet(() => [publicAddress]));
  fetcher = createGuardedFetch({
    bytesMax: 1_000,
    timeoutMs: 5_000,
    portsAllowed: [80, 443, victim.port, redirector.port],
    resolve: dns.resolve,
  });
});
afterAll(async () => {
  vi.restoreAllMocks();
  watch[Symbol.dispose]();
  await fetcher.close();
  await Promise.all([victim, redirector, dns].map((one) => one[Symbol.asyncDispose]()));
});

describe('a URL that leads where it must not', () => {
  it('is of at least 150 kinds here, no two alike', () => {
    expect(new Set(hostileUrls.map(([, url]) => url)).size).toBe(hostileUrls.length);
    expect(hostileUrls.length).toBeGreaterThanOrEqual(150);
  });

  it.each(hostileUrls)('is refused before any connection: %s', async (_what, url) => {
    const before = watch.attempts.length;
    await expect(fetcher.fetch(withPort(url))).rejects.toMatchObject(refused);
    expect(watch.attempts.slice(before)).toEqual([]);
    expect(victim.connections()).toBe(0);
  });

  it.each(hostileEverywhere)('is refused as the target of a redirect of any code: %s', async (_what, url) => {
    const [before, dialledBefore] = [watch.attempts.length, dialled.length];
    for (const code of redirectCodes) {
      const from = `http://redirecting.test:${redirector.port}/${code}?${encodeURIComponent(withPort(url))}`;
      await expect(fetcher.fetch(from)).rejects.toMatchObject(refused);
    }
    // The redirecting server alone was connected to, at its public address, which loopback plays.
    expect(dialled.slice(dialledBefore)).toEqual(redirectCodes.map(() => publicAddress));
    expect(watch.attempts.slice(before)).toEqual(redirectCodes.map(() => `127.0.0.1:${redirector.port}`));
    expect(victim.connections()).toBe(0);
  });
});

it.each(['\r\nX-Injected: 1', '\n', '\t', '\0', '\x7f', '\x85'])(
  'a control character is refused in the URL of an honest host too, rather than dropped: %j',
  async (characters) => {
    const url = `http://redirecting.test:${redirector.port}/200?a${characters}b`;
    await expect(fetcher.fetch(url)).rejects.toMatchObject(refused);
    await expect(fetcher.fetch(url.replace(characters, ''))).resolves.toMatchObject({ status: 200 });
  },
);

describe('the corpus would hit', () => {
  const isHere = (url: string) => {
    const { hostname = '', port, protocol, username } = URL.parse(withPort(url)) ?? {};
    const here = /^(?:127\.|0\.0\.0\.0$)/.test(hostname) || hostname === 'localhost';
    const here6 = victim.hasIPv6 && /^\[::(?:1|ffff:7f00:1)?\]$/.test(hostname);
    return protocol === 'http:' && username === '' && port === String(victim.port) && (here || here6);
  };
  const reaching = hostileEverywhere.filter(([, url]) => isHere(url));

  it.each(reaching)('the listener is reached once the guard is off: %s', async (_what, url) => {
    // The real Node functions: nothing stands between the fetcher and the listener.
    vi.restoreAllMocks();
    const open = createGuardedFetch({ bytesMax: 1_000, timeoutMs: 5_000, allowPrivate: true, resolve: dns.resolve });
    const before = victim.connections();
    await expect(open.fetch(withPort(url))).rejects.toMatchObject({ name: 'RetryLater', code: 'image_unreachable' });
    await open.close();
    expect(victim.connections()).toBe(before + 1);
  });

  it('by at least 40 of its URLs', () => {
    expect(reaching.length).toBeGreaterThanOrEqual(40);
  });
});

function withPort(url: Hostile[1]): string {
  return url.replaceAll('PORT', String(victim.port));
}

/** `GET /302?<where, encoded>` answers 302 with that Location, byte for byte as UTF-8. */
function redirect(socket: Socket): void {
  socket.once('data', (request) => {
    const [, code, where = ''] = /^GET \/(\d+)\?(\S*) /.exec(request.toString('latin1')) ?? [];
    socket.end(`HTTP/1.1 ${code} Elsewhere\r\nLocation: ${decodeURIComponent(where)}\r\nContent-Length: 0\r\n\r\n`);
  });
}

function zone(...[name, type]: Parameters<DnsZone>): ReturnType<DnsZone> {
  if (name.endsWith('redirecting.test')) return type === 'A' ? [{ address: publicAddress }] : [];
  const addresses = privateNames.get(name) ?? ['127.0.0.1'];
  return addresses.filter((address) => address.includes(':') === (type === 'AAAA')).map((address) => ({ address }));
}
