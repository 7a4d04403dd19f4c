/** The same door over TLS: by name, at the address that was checked, with a certificate that is checked as well. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import tls from 'node:tls';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createGuardedFetch } from '../src/guarded-fetch.ts';
import { selfSigned } from './guarded/self-signed.ts';
import { listenEverywhere, watchAttempts } from './guarded/sockets.ts';

const publicV4 = '93.184.216.34';
const refused = { name: 'Permanent', code: 'image_address_refused' };
const bytesMax = 100_000;
const photo = 'HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\na photo';
const trusted = selfSigned('photos.test');

const cleanUps: (() => unknown)[] = [];
beforeEach(() => {
  const before = tls.getCACertificates('default');
  tls.setDefaultCACertificates([trusted.cert]);
  cleanUps.push(() => tls.setDefaultCACertificates(before));
});
afterEach(async () => {
  vi.restoreAllMocks();
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

describe('a fetch over TLS', () => {
  it('is by name, at the address that was checked, and asks no name server again', async () => {
    const { port, fetcher, resolve, dialled } = await setUp(trusted, (socket) => socket.end(photo));
    const { bytes, finalUrl } = await fetcher.fetch(`https://photos.test:${port}/a.jpg`);
    expect(new TextDecoder().decode(bytes)).toBe('a photo');
    expect(finalUrl).toBe(`https://photos.test:${port}/a.jpg`);
    expect(resolve).toHaveBeenCalledTimes(1);
    expect(dialled).toEqual([publicV4]);
  });

  it.each([
    ['of another name', selfSigned('other.test')],
    ['that nobody vouches for', selfSigned('photos.test')],
  ])('from a server with a certificate %s gets nothing', async (_what, certificate) => {
    let asked = 0;
    const { port, fetcher } = await setUp(certificate, (socket) => {
      asked += 1;
      socket.end(photo);
    });
    await expect(fetcher.fetch(`https://photos.test:${port}/`)).rejects.toMatchObject({ code: 'image_unreachable' });
    expect(asked).toBe(0);
  });

  it.each(['http', 'https'])('is not led to a private address by a redirect to %s', async (scheme) => {
    await using victim = await listenEverywhere();
    using watch = watchAttempts();
    const location = `${scheme}://inside.test:${victim.port}/`;
    const { port, fetcher } = await setUp(
      trusted,
      (socket) => socket.end(`HTTP/1.1 307 Elsewhere\r\nLocation: ${location}\r\n\r\n`),
      [victim.port],
    );
    await expect(fetcher.fetch(`https://photos.test:${port}/`)).rejects.toMatchObject(refused);
    expect(watch.attempts).toEqual([`127.0.0.1:${port}`]);
    expect(victim.connections()).toBe(0);
  });

  it('is cut off at the socket’s bound', async () => {
    const closed = Promise.withResolvers<void>();
    const { port, fetcher } = await setUp(trusted, (socket) => {
      const write = (): void => {
        while (!socket.destroyed && socket.write('a'.repeat(16_384)));
      };
      socket.on('drain', write).on('close', () => closed.resolve());
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;');
      write();
    });
    await expect(fetcher.fetch(`https://photos.test:${port}/`)).rejects.toMatchObject({ code: 'image_too_large' });
    await closed.promise;
  });
});

/** A TLS server at `publicV4`, which loopback plays; every other name is at loopback itself. */
async function setUp(
  certificate: { readonly key: string; readonly cert: string },
  answer: (socket: tls.TLSSocket) => unknown,
  portsAllowed: readonly number[] = [],
) {
  const server = tls.createServer(certificate, (socket) =>
    socket.on('error', () => {}).once('data', () => answer(socket)),
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const dialled = playPublicAddress();
  const resolve = vi.fn(async (name: string) => [name === 'photos.test' ? publicV4 : '127.0.0.1']);
  const fetcher = createGuardedFetch({ bytesMax, timeoutMs: 5_000, portsAllowed: [port, ...portsAllowed], resolve });
  cleanUps.push(
    () => new Promise((done) => server.close(done)),
    () => fetcher.close(),
  );
  return { port, fetcher, resolve, dialled };
}

/** Where the operating system would be: `publicV4` is this machine's loopback, every other address is as it is. */
function playPublicAddress(): readonly string[] {
  const dialled: string[] = [];
  const connect = tls.connect as (options: tls.ConnectionOptions) => tls.TLSSocket;
  const spy = (options: tls.ConnectionOptions): tls.TLSSocket =>
    connect({
      ...options,
      lookup: (hostname, how, callback) =>
        options.lookup?.(hostname, { ...how, all: true }, (error, answers) => {
          if (error || typeof answers === 'string') return callback(error, '');
          dialled.push(...answers.map(({ address }) => address));
          callback(
            null,
            answers.map((one) => ({ ...one, address: one.address === publicV4 ? '127.0.0.1' : one.address })),
          );
        }),
    });
  vi.spyOn(tls, 'connect').mockImplementation(spy as typeof tls.connect);
  return dialled;
}
