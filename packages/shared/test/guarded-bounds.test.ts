/** Bodies that are more than they seem: floods outside of the body, and compressed bombs. */
import type { Socket } from 'node:net';
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { createGuardedFetch } from '../src/guarded-fetch.ts';
import { listenEverywhere } from './guarded/sockets.ts';

const bytesMax = 100_000;
/** Twice the body and 64 KiB: `wireBytesFor` in the fetcher. */
const wireBytesMax = 2 * bytesMax + 65_536;
/** What is on its way when the connection is cut: buffers of both processes' ends and of the kernel. */
const inFlightBytesMax = 16_000_000;
const tooLarge = { name: 'Permanent', code: 'image_too_large' };
const unreachableForGood = { name: 'Permanent', code: 'image_unreachable' };
const unreachableForNow = { name: 'RetryLater', code: 'image_unreachable' };

const cleanUps: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

describe('a flood is cut off at the socket', () => {
  const chunked = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n';

  it.each([
    ['a status line without an end', 'HTTP/1.1 200 ', 'a'.repeat(65_536), tooLarge],
    ['blank lines before the status line', '', '\r\n'.repeat(32_768), tooLarge],
    ['interim answers', '', 'HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n'.repeat(1_000), tooLarge],
    ['a header without an end', 'HTTP/1.1 200 OK\r\nx: ', 'a'.repeat(65_536), unreachableForNow],
    ['headers without an end', 'HTTP/1.1 200 OK\r\n', 'a: b\r\n'.repeat(10_000), unreachableForNow],
    ['a chunk’s size of zeros', chunked, '0'.repeat(65_536), tooLarge],
    ['a chunk’s extension without an end', `${chunked}1;`, 'a'.repeat(65_536), tooLarge],
    ['chunks of one byte with long extensions', chunked, `1;${'a'.repeat(1_000)}\r\nx\r\n`.repeat(60), tooLarge],
    ['trailers without an end', `${chunked}0\r\n`, 'a: b\r\n'.repeat(10_000), unreachableForNow],
    ['a body without an end', 'HTTP/1.1 200 OK\r\n\r\n', 'a'.repeat(65_536), tooLarge],
  ])('%s', async (_what, start, more, failure) => {
    const { url, bytesWritten, closed } = await flood(start, more);
    await expect(fetcher().fetch(url)).rejects.toMatchObject(failure);
    await closed;
    expect(bytesWritten()).toBeLessThan(wireBytesMax + inFlightBytesMax);
  });

  it('but a body of the bound, in chunks of ten bytes, is within it', async () => {
    const chunks = `a\r\n${'x'.repeat(10)}\r\n`.repeat(bytesMax / 10);
    const { url } = await serve((socket) => socket.end(`${chunked}${chunks}0\r\n\r\n`));
    expect((await fetcher().fetch(url)).bytes).toHaveLength(bytesMax);
  });
});

describe('a compressed bomb', () => {
  const zeros = Buffer.alloc(64_000_000);
  const bombs = {
    gzip: gzipSync(zeros),
    deflate: deflateSync(zeros),
    br: brotliCompressSync(zeros),
    zstd: zstdCompressSync(zeros),
  };

  it.each(Object.entries(bombs))('of 64 MB as %s is refused, and nothing decompresses it', async (coding, bomb) => {
    const { url, asked } = await serve((socket) => {
      socket.write(`HTTP/1.1 200 OK\r\nContent-Encoding: ${coding}\r\nContent-Length: ${bomb.length}\r\n\r\n`);
      socket.end(bomb);
    });
    await expect(fetcher().fetch(url)).rejects.toMatchObject(unreachableForGood);
    expect(asked()).toMatch(/accept-encoding: identity\r\n/i);
  });

  it.each(Object.entries(bombs))('that does not say it is %s is bytes like any others', async (_coding, bomb) => {
    const { url } = await serve((socket) => {
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${bomb.length}\r\n\r\n`);
      socket.end(bomb);
    });
    expect((await fetcher().fetch(url)).bytes).toEqual(bomb);
  });

  it.each(['gzip, chunked', 'gzip', 'deflate, chunked'])(
    'is refused with the transfer encoding %s as well',
    async (coding) => {
      const { url } = await serve((socket) =>
        socket.end(`HTTP/1.1 200 OK\r\nTransfer-Encoding: ${coding}\r\n\r\n3\r\nabc\r\n0\r\n\r\n`),
      );
      await expect(fetcher().fetch(url)).rejects.toMatchObject(unreachableForGood);
    },
  );

  it('of two codings, one of them none, is refused', async () => {
    const { url } = await serve((socket) =>
      socket.end('HTTP/1.1 200 OK\r\nContent-Encoding: identity\r\nContent-Encoding: gzip\r\n\r\nabc'),
    );
    await expect(fetcher().fetch(url)).rejects.toMatchObject(unreachableForGood);
  });
});

describe('an answer that is no HTTP, or another one than it seems', () => {
  it.each([
    ['no status line', 'a photo'],
    ['another protocol', 'SSH-2.0-OpenSSH_9.9\r\n'],
    ['a switch of protocols', 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n'],
    ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 7\r\n\r\na photo'],
    ['a length and chunks', 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['a negative length', 'HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\na photo'],
    ['a length beyond all numbers', 'HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\na photo'],
    ['a folded header', 'HTTP/1.1 302 Found\r\nLocation: http://photos.test/\r\n .inside.test/\r\n\r\n'],
    ['a null in a header', 'HTTP/1.1 302 Found\r\nLocation: /\0a\r\n\r\n'],
    ['bare line feeds', 'HTTP/1.1 200 OK\nContent-Length: 7\n\na photo'],
  ])('%s: no bytes are taken from it', async (_what, answer) => {
    const { url } = await serve((socket) => socket.end(Buffer.from(answer, 'latin1')));
    await expect(fetcher().fetch(url)).rejects.toMatchObject({ code: expect.stringMatching(/unreachable|too_large/) });
  });

  it('a second answer behind the first is not read', async () => {
    const answer = 'HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\na photo';
    const { url } = await serve((socket) => socket.end(answer + answer.replace('photo', 'trick')));
    expect(new TextDecoder().decode((await fetcher().fetch(url)).bytes)).toBe('a photo');
  });
});

describe('a Location', () => {
  it.each([
    ['sent twice', 'Location: /a\r\nLocation: /b\r\n'],
    ['that is missing', ''],
    ['that is empty, and so leads to itself', 'Location: \r\n'],
    ['that leads to itself', 'Location: /\r\n'],
  ])('%s is unreachable for good', async (_what, header) => {
    const { url } = await serve((socket) => socket.end(`HTTP/1.1 302 Found\r\n${header}\r\n`));
    await expect(fetcher().fetch(url)).rejects.toMatchObject(unreachableForGood);
  });

  it.each([
    ['UTF-8, as browsers read it', Buffer.from('/katze-🐈-ä')],
    ['percent-encoded', Buffer.from('/katze-%F0%9F%90%88-%C3%A4')],
  ])('in %s is followed', async (_what, location) => {
    const { url } = await serve((socket, request) => {
      if (!request.startsWith('GET / ')) return socket.end('HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\na photo');
      socket.write('HTTP/1.1 302 Found\r\nLocation: ');
      socket.write(location);
      return socket.end('\r\n\r\n');
    });
    const { finalUrl } = await fetcher().fetch(url);
    expect(finalUrl).toBe(`${url}katze-%F0%9F%90%88-%C3%A4`);
  });

  it('with encoded line breaks stays one request line', async () => {
    const requests: string[] = [];
    const { url } = await serve((socket, request) => {
      requests.push(request);
      const first = requests.length === 1;
      socket.end(
        `HTTP/1.1 ${first ? '302 Found' : '200 OK'}\r\n${first ? 'Location: /a%0d%0aX-Injected:1\r\n' : ''}\r\n`,
      );
    });
    await fetcher().fetch(url);
    expect(requests[1]).toMatch(/^GET \/a%0d%0aX-Injected:1 HTTP\/1\.1\r\n/);
    expect(requests[1]).not.toMatch(/^x-injected/im);
  });
});

function fetcher() {
  const one = createGuardedFetch({ bytesMax, timeoutMs: 10_000, allowPrivate: true });
  cleanUps.push(one.close);
  return one;
}

/** Answers each request with what `answer` writes. */
async function serve(answer: (socket: Socket, request: string) => unknown) {
  let asked = '';
  const server = await listenEverywhere((socket) =>
    socket.once('data', (request) => {
      asked = request.toString('latin1');
      answer(socket, asked);
    }),
  );
  cleanUps.push(() => server[Symbol.asyncDispose]());
  return { url: `http://127.0.0.1:${server.port}/`, asked: () => asked };
}

/** Sends `start` and then `more` for as long as anybody takes it. */
async function flood(start: string, more: string) {
  const closed = Promise.withResolvers<void>();
  let bytesWritten = 0;
  const { url } = await serve((socket) => {
    const write = (): void => {
      while (!socket.destroyed && socket.write(more)) bytesWritten += more.length;
    };
    socket.on('drain', write).on('close', () => closed.resolve());
    socket.write(start);
    write();
  });
  return { url, bytesWritten: () => bytesWritten, closed: closed.promise };
}
