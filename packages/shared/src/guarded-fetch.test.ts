import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { unplugTheInternet } from '../test/guarded/sockets.ts';
import { checkAddress, createGuardedFetch, type GuardedFetchOptions } from './guarded-fetch.ts';
import { parseRetryAfterMs } from './retry-after.ts';

/**
 * What an honest and a slow server can do. The attacks are in `test/guarded-*.test.ts`.
 *
 * Two public addresses. Nothing here connects to them: `unplugTheInternet` plays them on loopback.
 */
const publicV4 = '93.184.216.34';
const publicV6 = '2606:2800:220:1:248:1893:25c8:1946';

const refused = { name: 'Permanent', code: 'image_address_refused' };
const tooLarge = { name: 'Permanent', code: 'image_too_large' };
const unreachableForGood = { name: 'Permanent', code: 'image_unreachable' };
const unreachableForNow = { name: 'RetryLater', code: 'image_unreachable' };

const cleanUps: (() => unknown)[] = [];
/** Every address that a connection was opened to, public or not. */
let dialled: readonly string[] = [];

beforeEach(() => {
  ({ dialled } = unplugTheInternet(() => [publicV4, publicV6]));
});
afterEach(async () => {
  vi.restoreAllMocks();
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

describe('an address', () => {
  it.each([
    ['8.8.8.8', 'allowed'],
    ['1.1.1.1', 'allowed'],
    [publicV4, 'allowed'],
    ['172.15.255.255', 'allowed'],
    ['172.32.0.1', 'allowed'],
    ['100.63.255.255', 'allowed'],
    ['100.128.0.1', 'allowed'],
    ['223.255.255.254', 'allowed'],
    [publicV6, 'allowed'],
    ['2001:4860:4860::8888', 'allowed'],
    ['2620:fe::9', 'allowed'],
    ['0.0.0.0', 'unspecified'],
    ['0.1.2.3', 'unspecified'],
    ['10.0.0.1', 'private'],
    ['10.255.255.255', 'private'],
    ['172.16.0.1', 'private'],
    ['172.31.255.255', 'private'],
    ['192.168.1.1', 'private'],
    ['100.64.0.1', 'carrierGradeNat'],
    ['100.100.100.200', 'carrierGradeNat'],
    ['127.0.0.1', 'loopback'],
    ['127.255.255.254', 'loopback'],
    ['169.254.169.254', 'linkLocal'],
    ['168.63.129.16', 'cloud_service'],
    ['192.0.0.192', 'reserved'],
    ['192.0.2.1', 'reserved'],
    ['198.51.100.7', 'reserved'],
    ['203.0.113.9', 'reserved'],
    ['198.18.0.1', 'reserved'],
    ['198.19.255.255', 'reserved'],
    ['192.88.99.1', 'reserved'],
    ['240.0.0.1', 'reserved'],
    ['224.0.0.1', 'multicast'],
    ['239.255.255.250', 'multicast'],
    ['255.255.255.255', 'broadcast'],
    ['::', 'unspecified'],
    ['::1', 'loopback'],
    ['fe80::1', 'linkLocal'],
    ['febf::1', 'linkLocal'],
    ['fec0::1', 'deprecatedSiteLocal'],
    ['fc00::1', 'uniqueLocal'],
    ['fd00:ec2::254', 'uniqueLocal'],
    ['ff02::1', 'multicast'],
    ['::ffff:8.8.8.8', 'ipv4Mapped'],
    ['::ffff:127.0.0.1', 'ipv4Mapped'],
    ['::ffff:7f00:1', 'ipv4Mapped'],
    ['::127.0.0.1', 'ipv4Mapped'],
    ['::7f00:1', 'not_global_unicast'],
    ['::ffff:0:7f00:1', 'rfc6145'],
    ['64:ff9b::7f00:1', 'rfc6052'],
    ['64:ff9b::8.8.8.8', 'rfc6052'],
    ['64:ff9b:1::7f00:1', 'rfc6052'],
    ['2002:7f00:1::', '6to4'],
    ['2002:808:808::1', '6to4'],
    ['2001:0:4136:e378:8000:63bf:3fff:fdd2', 'teredo'],
    ['2001:470:1:2:0:5efe:7f00:1', 'isatap'],
    ['2001:470:1:2:200:5efe:8.8.8.8', 'isatap'],
    ['2001:db8::1', 'reserved'],
    ['3fff::1', 'reserved'],
    ['2001:2::1', 'benchmarking'],
    ['2001:10::1', 'deprecatedOrchid'],
    ['2001:20::1', 'orchid2'],
    ['100::1', 'discard'],
    ['5f00::1', 'segmentRouting'],
    ['4000::1', 'not_global_unicast'],
    ['64:ff9b:2::1', 'not_global_unicast'],
    ['fe80::1%eth0', 'zone_id'],
    [`${publicV6}%1`, 'zone_id'],
    ['0177.0.0.1', 'not_an_address'],
    ['127.1', 'not_an_address'],
    ['2130706433', 'not_an_address'],
    ['[::1]', 'not_an_address'],
    ['localhost', 'not_an_address'],
    ['', 'not_an_address'],
  ])('%s is %s', (address, verdict) => {
    expect(checkAddress(address)).toBe(verdict);
  });
});

describe('a host name', () => {
  it.each([
    ['a private address', ['192.168.0.7']],
    ['a private address beside a public one', [publicV4, '127.0.0.1']],
    ['an IPv4-mapped address', ['::ffff:127.0.0.1']],
    ['something that is no address', ['evil.test']],
  ])('that resolves to %s is refused', async (_what, addresses) => {
    const fetcher = guarded({ resolve: async () => addresses });
    await expect(fetcher.fetch('http://photos.test/')).rejects.toMatchObject(refused);
    await expect(fetcher.fetch('https://photos.test/')).rejects.toMatchObject(refused);
    expect(dialled).toEqual([]);
  });

  it('is resolved once per connection, and exactly the checked addresses are connected to', async () => {
    const server = await serve((_request, response) => response.end('a photo'));
    const resolve = vi.fn(async () => [publicV6, publicV4]);
    const fetcher = guarded({ resolve, portsAllowed: [server.port] });

    await fetcher.fetch(`http://photos.test:${server.port}/`);
    expect(resolve).toHaveBeenCalledTimes(1);
    expect(dialled).toEqual([publicV6, publicV4]);

    for (let again = 0; again < 4; again += 1) await fetcher.fetch(`http://photos.test:${server.port}/`);
    expect(resolve, 'no connection is reused').toHaveBeenCalledTimes(5);
    expect(server.connections()).toBe(5);
  });

  it('that cannot be resolved is a reason to retry', async () => {
    const resolve = async () => Promise.reject(Object.assign(new Error('no such host'), { code: 'ENOTFOUND' }));
    const failure = guarded({ resolve }).fetch('http://photos.test/');
    await expect(failure).rejects.toMatchObject({
      ...unreachableForNow,
      message: expect.stringContaining('ENOTFOUND'),
    });
    await expect(guarded({ resolve: async () => [] }).fetch('http://photos.test/')).rejects.toMatchObject(
      unreachableForNow,
    );
  });
});

describe('a redirect', () => {
  it.each([301, 302, 303, 307, 308])('%i is followed, relative or not, and the final URL is told', async (status) => {
    const server = await serve((request, response) => {
      if (request.url === '/a?b=1') response.writeHead(status, { location: '../c/d.jpg' }).end('ignored');
      else response.end(`${request.method} ${request.url}`);
    });
    const answer = await local().fetch(`${server.url}/a?b=1`);
    expect(new TextDecoder().decode(answer.bytes)).toBe('GET /c/d.jpg');
    expect(answer.finalUrl).toBe(`${server.url}/c/d.jpg`);
  });

  it('loop ends after the allowed number of redirects', async () => {
    const server = await serve((_request, response) => response.writeHead(302, { location: '/again' }).end());
    await expect(local({ redirectsMax: 2 }).fetch(server.url)).rejects.toMatchObject(unreachableForGood);
    expect(server.requests()).toBe(3);
  });

  it('without a location, or with a status that is no redirect, is unreachable for good', async () => {
    const server = await serve((request, response) => response.writeHead(Number(request.url?.slice(1))).end());
    await expect(local().fetch(`${server.url}/302`)).rejects.toMatchObject(unreachableForGood);
    await expect(local().fetch(`${server.url}/304`)).rejects.toMatchObject(unreachableForGood);
  });

  it('to another origin carries none of the caller’s headers but accept', async () => {
    const second = await serve((request, response) => response.end(JSON.stringify(request.headers)));
    const first = await serve((_request, response) => response.writeHead(307, { location: second.url }).end());
    const headers = { Authorization: 'Bearer secret', 'X-Token': 'secret', Accept: 'image/*' };

    const answer = await local().fetch(first.url, { headers });
    const seen = JSON.parse(new TextDecoder().decode(answer.bytes));
    expect(seen).toMatchObject({ accept: 'image/*' });
    expect(JSON.stringify(seen)).not.toContain('secret');
  });
});

describe('a body', () => {
  it('of exactly the bound is returned with its type and etag, one byte more is refused', async () => {
    const server = await serve((request, response) => {
      response
        .writeHead(200, { 'content-type': 'image/png', etag: '"7"' })
        .end(Buffer.alloc(Number(request.url?.slice(1)), 7));
    });
    const answer = await local({ bytesMax: 1_000 }).fetch(`${server.url}/1000`);
    expect(answer).toMatchObject({ status: 200, contentType: 'image/png', etag: '"7"' });
    expect(Buffer.from(answer.bytes)).toEqual(Buffer.alloc(1_000, 7));
    await expect(local({ bytesMax: 1_000 }).fetch(`${server.url}/1001`)).rejects.toMatchObject(tooLarge);
  });

  it('without an end or a content-length is cut off at the bound, and the connection with it', async () => {
    let sentBytes = 0;
    const closed = Promise.withResolvers<void>();
    const server = await serve((_request, response) => {
      const more = () => {
        while (!response.destroyed && response.write(Buffer.alloc(16_384))) sentBytes += 16_384;
      };
      response.on('drain', more).on('close', closed.resolve);
      more();
    });
    await expect(local({ bytesMax: 100_000 }).fetch(server.url)).rejects.toMatchObject(tooLarge);
    await closed.promise;
    // What the kernel's buffers took beyond the bound.
    expect(sentBytes).toBeLessThan(20_000_000);
  });

  it.each([
    ['whose content-length is over the bound', 200, { 'content-length': '1001' }, tooLarge],
    ['of an error answer', 404, {}, unreachableForGood],
  ])('%s is not waited for, and its connection is closed', async (_what, status, headers, failure) => {
    const closed = Promise.withResolvers<void>();
    const server = await serve((_request, response) => {
      response.on('close', closed.resolve).writeHead(status, headers).flushHeaders();
    });
    await expect(local({ bytesMax: 1_000 }).fetch(server.url)).rejects.toMatchObject(failure);
    await closed.promise;
  });

  it.each(['gzip', 'br', 'deflate', 'aws-chunked, gzip'])(
    'encoded as %s is refused, having been declined',
    async (coding) => {
      let accepted: string | undefined;
      const server = await serve((request, response) => {
        accepted = String(request.headers['accept-encoding']);
        response.writeHead(200, { 'content-encoding': coding }).end('bomb');
      });
      await expect(local().fetch(server.url)).rejects.toMatchObject(unreachableForGood);
      expect(accepted).toBe('identity');
    },
  );

  it.each(['identity', 'aws-chunked'])('that says it is encoded as %s is taken as it is', async (coding) => {
    const server = await serve((_request, response) =>
      response.writeHead(200, { 'content-encoding': coding }).end('plain'),
    );
    expect((await local().fetch(server.url)).bytes).toHaveLength(5);
  });

  it('that breaks off is a reason to retry', async () => {
    const server = await serve((_request, response) => {
      response.writeHead(200, { 'content-length': '100' });
      response.write('only this', () => response.destroy());
    });
    await expect(local().fetch(server.url)).rejects.toMatchObject(unreachableForNow);
  });
});

describe('a time-out', () => {
  it.each([
    ['answers nothing', () => {}],
    ['sends headers and no body', (response: http.ServerResponse) => response.flushHeaders()],
    ['drips a byte now and then for ever', drip],
    [
      'redirects for ever, slowly',
      (response: http.ServerResponse) => setTimeout(() => response.writeHead(302, { location: '/' }).end(), 80),
    ],
  ])('ends a fetch from a server that %s', async (_what, answer) => {
    const server = await serve((_request, response) => answer(response));
    const started = performance.now();
    await expect(local({ timeoutMs: 300, redirectsMax: 1_000 }).fetch(server.url)).rejects.toMatchObject({
      ...unreachableForNow,
      message: expect.stringContaining('TimeoutError'),
    });
    expect(performance.now() - started).toBeLessThan(2_000);
  });

  it('covers a resolver that never answers', async () => {
    const fetcher = guarded({ timeoutMs: 200, resolve: () => new Promise(() => {}) });
    await expect(fetcher.fetch('http://photos.test/')).rejects.toMatchObject(unreachableForNow);
  });

  it('is cut short by the caller’s signal', async () => {
    const server = await serve(() => {});
    const controller = new AbortController();
    const fetching = local().fetch(server.url, { signal: controller.signal });
    controller.abort();
    await expect(fetching).rejects.toMatchObject(unreachableForNow);
  });
});

describe('a status', () => {
  it.each([400, 401, 403, 404, 410, 451])('%i is final', async (status) => {
    const server = await serve((_request, response) => response.writeHead(status).end());
    await expect(local().fetch(server.url)).rejects.toMatchObject(unreachableForGood);
  });

  it.each([408, 429, 500, 502, 503, 504])('%i is a reason to retry, when the server says', async (status) => {
    const server = await serve((_request, response) => response.writeHead(status, { 'retry-after': '7' }).end());
    await expect(local().fetch(server.url)).rejects.toMatchObject({ ...unreachableForNow, retryAfterMs: 7_000 });
  });
});

describe('Retry-After', () => {
  it('is read as seconds or as an HTTP date, within an hour, and otherwise ignored', () => {
    expect(parseRetryAfterMs('3')).toBe(3_000);
    expect(parseRetryAfterMs('999999999999')).toBe(3_600_000);
    expect(parseRetryAfterMs(new Date(Date.now() + 60_000).toUTCString())).toBeGreaterThan(50_000);
    expect(parseRetryAfterMs('Thu, 01 Jan 1970 00:00:00 GMT')).toBe(0);
    for (const unreadable of ['-5', 'soon', '5 minutes', '', undefined, ['1', '2']]) {
      expect(parseRetryAfterMs(unreadable)).toBeUndefined();
    }
  });
});

describe('a fetch', () => {
  it('from a closed port is a reason to retry', async () => {
    const server = await serve(() => {});
    await server.close();
    await expect(local().fetch(server.url)).rejects.toMatchObject({
      ...unreachableForNow,
      message: expect.stringContaining('ECONNREFUSED'),
    });
  });

  it('sends a fixed user agent, no cookie, and no host of the caller’s', async () => {
    const server = await serve((request, response) => {
      response.setHeader('set-cookie', 'a=1; Path=/');
      response.end(JSON.stringify(request.headers));
    });
    const fetcher = local();
    await fetcher.fetch(server.url);
    const answer = await fetcher.fetch(server.url, { headers: { Cookie: 'b=2', Host: 'inside', 'User-Agent': 'x' } });
    const seen = JSON.parse(new TextDecoder().decode(answer.bytes));
    expect(seen).toMatchObject({
      host: `127.0.0.1:${server.port}`,
      'user-agent': expect.stringContaining('pet-roast'),
    });
    expect(seen).not.toHaveProperty('cookie');
  });

  it('with allowPrivate still refuses other schemes and credentials', async () => {
    await expect(local().fetch('file:///etc/passwd')).rejects.toMatchObject(refused);
    await expect(local().fetch('http://a:b@127.0.0.1/')).rejects.toMatchObject(refused);
  });
});

/** As in production but for the resolver: every address is checked. */
function guarded(
  options: Partial<Omit<GuardedFetchOptions, 'resolve'>> & Record<'resolve', GuardedFetchOptions['resolve']>,
) {
  const { resolve, ...rest } = options;
  return open({ ...rest, ...(resolve ? { resolve } : {}) });
}

/** May reach loopback, where this file's servers are. */
function local(options: Partial<GuardedFetchOptions> = {}) {
  return open({ ...options, allowPrivate: true });
}

function open(options: Partial<GuardedFetchOptions>) {
  const fetcher = createGuardedFetch({ bytesMax: 1_000_000, timeoutMs: 5_000, ...options });
  cleanUps.push(() => fetcher.close());
  return fetcher;
}

async function serve(answer: (request: http.IncomingMessage, response: http.ServerResponse) => unknown) {
  let connections = 0;
  let requests = 0;
  const server = http.createServer((request, response) => {
    requests += 1;
    response.on('error', () => {});
    answer(request, response);
  });
  server.on('connection', () => {
    connections += 1;
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const close = async () => {
    server.closeAllConnections();
    if (server.listening) await new Promise((resolve) => server.close(resolve));
  };
  cleanUps.push(close);
  return { port, url: `http://127.0.0.1:${port}`, connections: () => connections, requests: () => requests, close };
}

function drip(response: http.ServerResponse): void {
  const timer = setInterval(() => response.write('.'), 20);
  response.on('close', () => clearInterval(timer));
}
