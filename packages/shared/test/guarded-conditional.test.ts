/** Conditional fetches: a photo that has not changed is not sent again. */

import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { createGuardedFetch } from '../src/guarded-fetch.ts';

const unreachableForGood = { name: 'Permanent', code: 'image_unreachable' };

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

describe('a fetch with the etag of the last one', () => {
  it.each(['"v7"', 'W/"v7"', '""', '"!#~"', `"${'x'.repeat(254)}"`])(
    'sends it back, and gets notModified while it holds: %s',
    async (etag) => {
      const { url, fetcher, seen } = await setUp((request, response) => {
        if (request.headers['if-none-match'] === etag) response.writeHead(304).end();
        else response.writeHead(200, { etag }).end('a photo');
      });
      const first = await fetcher.fetch(url, { etag: undefined });
      expect(first).toMatchObject({ notModified: false, etag });
      expect(await fetcher.fetch(url, { etag })).toEqual({ notModified: true, etag });
      expect(seen().map((headers) => headers['if-none-match'])).toEqual([undefined, etag]);
    },
  );

  it('gets the new bytes and the new etag once the photo has changed', async () => {
    const { url, fetcher } = await setUp((_request, response) => response.writeHead(200, { etag: '"v8"' }).end('new'));
    const fetched = await fetcher.fetch(url, { etag: '"v7"' });
    expect(fetched).toMatchObject({ notModified: false, bytes: Buffer.from('new'), etag: '"v8"' });
  });

  it('is bounded as any other: by bytes, by statuses, by addresses', async () => {
    const { url, fetcher } = await setUp((request, response) =>
      request.url === '/large' ? response.end(Buffer.alloc(1_001)) : response.writeHead(404).end(),
    );
    const etag = '"v7"';
    await expect(fetcher.fetch(`${url}large`, { etag })).rejects.toMatchObject({ code: 'image_too_large' });
    await expect(fetcher.fetch(`${url}gone`, { etag })).rejects.toMatchObject(unreachableForGood);
    const guarded = createGuardedFetch({ bytesMax: 1_000, timeoutMs: 5_000 });
    await expect(guarded.fetch(url, { etag })).rejects.toMatchObject({ code: 'image_address_refused' });
    await guarded.close();
  });

  it('obeys the caller’s signal', async () => {
    const { url, fetcher } = await setUp(() => {});
    const fetching = fetcher.fetch(url, { etag: '"v7"', signal: AbortSignal.abort() });
    await expect(fetching).rejects.toMatchObject({ name: 'RetryLater', code: 'image_unreachable' });
  });

  it.each(['v7', '"v7', 'W/v7', 'w/"v7"', '"a"b"', '"a b"', '"ä"', '"a\r\nX-Injected: 1"', `"${'x'.repeat(255)}"`, ''])(
    'sends none that is no entity tag: %s',
    async (etag) => {
      const { url, fetcher, seen } = await setUp((_request, response) => response.end('a photo'));
      expect(await fetcher.fetch(url, { etag })).toMatchObject({ notModified: false });
      expect(seen()).toHaveLength(1);
      expect(seen()[0]).not.toHaveProperty('if-none-match');
    },
  );
});

describe('a 304', () => {
  it('that was not asked for is unreachable for good', async () => {
    const { url, fetcher } = await setUp((_request, response) => response.writeHead(304, { etag: '"v7"' }).end());
    await expect(fetcher.fetch(url)).rejects.toMatchObject(unreachableForGood);
    await expect(fetcher.fetch(url, { etag: undefined })).rejects.toMatchObject(unreachableForGood);
    await expect(fetcher.fetch(url, { etag: 'no tag' })).rejects.toMatchObject(unreachableForGood);
  });

  it('behind a redirect is one that was not asked for: a tag belongs to one URL', async () => {
    const { url, fetcher, seen } = await setUp((request, response) =>
      request.url === '/' ? response.writeHead(302, { location: '/other' }).end() : response.writeHead(304).end(),
    );
    await expect(fetcher.fetch(url, { etag: '"v7"' })).rejects.toMatchObject(unreachableForGood);
    expect(seen().map((headers) => headers['if-none-match'])).toEqual(['"v7"', undefined]);
  });
});

describe('the etag of an answer', () => {
  it.each(['v7', '"a b"', '"unfinished', `"${'x'.repeat(255)}"`, '"\u00e4"'])(
    'is left out where it is no entity tag of at most 256 visible ASCII characters: %s',
    async (etag) => {
      const { url, fetcher } = await setUp((_request, response) => response.writeHead(200, { etag }).end('a photo'));
      expect(await fetcher.fetch(url)).not.toHaveProperty('etag');
    },
  );

  it('is left out where the answer came by a redirect', async () => {
    const { url, fetcher } = await setUp((request, response) =>
      request.url === '/'
        ? response.writeHead(302, { location: '/other' }).end()
        : response.writeHead(200, { etag: '"v7"' }).end('a photo'),
    );
    expect(await fetcher.fetch(url)).not.toHaveProperty('etag');
  });
});

async function setUp(answer: (request: http.IncomingMessage, response: http.ServerResponse) => unknown) {
  const seen: http.IncomingHttpHeaders[] = [];
  const server = http.createServer((request, response) => {
    seen.push(request.headers);
    answer(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const fetcher = createGuardedFetch({ bytesMax: 1_000, timeoutMs: 5_000, allowPrivate: true });
  cleanUps.push(
    () => new Promise((resolve) => server.close(resolve)),
    () => server.closeAllConnections(),
    () => fetcher.close(),
  );
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, fetcher, seen: () => seen };
}
