import { execFile } from 'node:child_process';
import type { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { listenEverywhere } from './guarded/sockets.ts';

const program = fileURLToPath(new URL('guarded/fetch-once.ts', import.meta.url));

it('no proxy variable is obeyed, in a process that has them all from its start and whose own fetch obeys them', async () => {
  await using proxy = await listenEverywhere(answer('from the proxy'));
  await using server = await listenEverywhere(answer('direct'));
  const url = `http://127.0.0.1:${proxy.port}`;
  const names = ['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY', 'http_proxy', 'https_proxy', 'all_proxy'];
  const env = { PATH: process.env['PATH'], NODE_USE_ENV_PROXY: '1', ...Object.fromEntries(names.map((n) => [n, url])) };
  const run = promisify(execFile)(process.execPath, [program, `http://127.0.0.1:${server.port}/a.jpg`], { env });
  expect(JSON.parse((await run).stdout)).toEqual({ guarded: 'direct', node: 'from the proxy' });
  expect([server.connections(), proxy.connections()]).toEqual([1, 1]);
});

function answer(body: string) {
  return (socket: Socket) =>
    socket.on('data', (request) => {
      const tunnel = request.toString('latin1').startsWith('CONNECT');
      if (tunnel) socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      else socket.end(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`);
    });
}
