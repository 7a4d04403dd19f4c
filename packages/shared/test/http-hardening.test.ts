/** What strangers may do to the HTTP edge with a socket of their own. */
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createHttp, createLog, errorCatalogue, type HttpEdge, HttpError } from '../src/index.ts';

const patience = { headersMs: 300, requestMs: 600, lookEveryMs: 50 };
let http: HttpEdge;
let port: number;

beforeAll(async () => {
  http = createHttp({ log: createLog('test', 'silent'), patience, bodyBytesMax: 1_000 });
  http.app.post('/echo', async (request) => ({
    got: request.body,
    polluted: ({} as { polluted?: unknown }).polluted ?? null,
  }));
  http.app.get('/broken', async () => {
    throw new Error('the password is hunter2 at /srv/app/secret.ts:12');
  });
  http.app.get('/denied', async () => {
    throw new HttpError('unauthorized');
  });
  await http.app.listen({ port: 0, host: '127.0.0.1' });
  port = (http.app.server.address() as { port: number }).port;
});
afterAll(() => http.close());

describe('a client that is slow on purpose', () => {
  it('loses its connection when its headers do not end', async () => {
    expect(await dripping('GET /healthz HTTP/1.1\r\nhost: x\r\nx-a: ', 'a')).toMatch(/^HTTP\/1.1 408 /);
  });

  it('loses its connection when its body does not end', async () => {
    const head = 'POST /echo HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 900\r\n\r\n';
    expect(await dripping(head, ' ')).toMatch(/^HTTP\/1.1 408 /);
  });

  it('loses its connection also when it does not hang up at the answer', async () => {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    socket.on('error', () => {});
    socket.write('POST /echo HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 900\r\n\r\n');
    const drip = setInterval(() => socket.write(' '), 50);
    const said = await text(socket);
    expect(said).toMatch(/^HTTP\/1.1 408 [\s\S]*request_too_slow/);
    await new Promise((resolve) => socket.once('close', resolve));
    clearInterval(drip);
  });

  it('does not keep others from being answered', async () => {
    const slow = Array.from({ length: 200 }, () => dripping('GET / HTTP/1.1\r\nx: ', 'a'));
    const answer = await fetch(`http://127.0.0.1:${port}/healthz`);
    expect(answer.status).toBe(200);
    await Promise.all(slow);
  });
});

describe('a request that is none', () => {
  it.each([
    ['headers over 16 KB', `GET /healthz HTTP/1.1\r\nhost: x\r\nx: ${'a'.repeat(20_000)}\r\n\r\n`, 431],
    ['another protocol', '\x16\x03\x01\x02\x00\x01', 400],
    [
      'both lengths',
      'POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET',
      400,
    ],
    ['two lengths', 'POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabcd', 400],
    ['a line feed in a header', 'GET /healthz HTTP/1.1\r\nhost: x\r\nx: a\nevil: b\x00\r\n\r\n', 400],
    ['no host', 'GET /healthz HTTP/1.1\r\n\r\n', 400],
  ])('is refused, in the one shape of errors: %s', async (_what, bytes, status) => {
    const answer = await exchange(bytes);
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    if (answer.includes('application/json')) {
      const { detail } = JSON.parse(answer.slice(answer.indexOf('\r\n\r\n'))) as { detail: { error: string } };
      expect(Object.keys(errorCatalogue)).toContain(detail.error);
    }
  });
});

describe('an answer', () => {
  it('shows nothing of an error that nobody expected', async () => {
    const answer = await fetch(`http://127.0.0.1:${port}/broken`);
    const body = await answer.text();
    expect(answer.status).toBe(500);
    expect(body).not.toMatch(/hunter2|secret|\.ts|at /);
    expect(JSON.parse(body)).toMatchObject({ detail: { error: 'internal' }, request_id: expect.any(String) });
  });

  it('is not guessed at and not kept by browsers, and a 401 says what it wants', async () => {
    const answer = await fetch(`http://127.0.0.1:${port}/denied`);
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(answer.headers.get('www-authenticate')).toBe('Bearer');
    expect(answer.headers.get('x-powered-by')).toBeNull();
    expect(answer.headers.get('server')).toBeNull();
  });

  it.each(['/%', '/%zz', `/${'x'.repeat(8_000)}`, '/../../etc/passwd', '/%2e%2e%2fetc%2fpasswd', '//evil.example'])(
    'to a path that is no route is a 404 in the one shape: %s',
    async (path) => {
      const answer = await exchange(`GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`);
      expect(answer).toMatch(/^HTTP\/1.1 404 /);
      expect(answer).toContain('"error":"not_found"');
    },
  );
});

describe('a body', () => {
  it.each([
    '{"__proto__":{"polluted":1}}',
    '{"constructor":{"prototype":{"polluted":1}}}',
    '{"a":{"__proto__":{"polluted":1}}}',
  ])('that reaches for prototypes is refused: %s', async (body) => {
    expect(await post(body)).toMatchObject({ status: 400, body: { detail: { error: 'bad_request' } } });
  });

  it.each([
    ['over the limit', JSON.stringify({ a: 'x'.repeat(2_000) }), 413, 'body_too_large'],
    ['cut off', '{"a":', 400, 'bad_request'],
    ['nested without end', '['.repeat(900), 400, 'bad_request'],
  ])('that is %s is refused', async (_what, body, status, error) => {
    expect(await post(body)).toMatchObject({ status, body: { detail: { error } } });
  });
});

async function post(body: string) {
  const answer = await fetch(`http://127.0.0.1:${port}/echo`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
  });
  return { status: answer.status, body: (await answer.json()) as unknown };
}

/** Sends bytes as they are, and gives all that comes back until the other side closes. */
async function exchange(bytes: string): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1' });
  socket.on('error', () => {});
  socket.write(bytes, 'latin1');
  return await text(socket);
}

/** Goes on with one byte at a time until the other side closes. */
async function dripping(start: string, byte: string): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1' });
  socket.on('error', () => {});
  socket.write(start);
  const timer = setInterval(() => socket.write(byte), 20);
  return await text(socket).finally(() => clearInterval(timer));
}
