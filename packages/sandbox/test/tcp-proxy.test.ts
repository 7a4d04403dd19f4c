/** The proxy as a load balancer. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { until } from '@pet-roast/testing';
import { expect, test } from 'vitest';
import { startTcpProxy, type TcpProxy } from '../src/tcp-proxy.ts';

test('a target that says that it is not ready is taken only when no other can be', async () => {
  await using ready = await startTarget('ready', 200);
  await using stopping = await startTarget('stopping', 503);
  const targetPorts = [stopping.port, ready.port];
  await using inTurn = await startTcpProxy({ targetPorts });
  await using byReadiness = await startTcpProxy({ targetPorts, readyPath: '/readyz' });
  expect(await twoAnswers(inTurn)).toEqual(['stopping', 'ready']);
  await until(async () => !(await twoAnswers(byReadiness)).includes('stopping'), { what: 'the proxy to have asked' });
  await ready.close();
  expect(await twoAnswers(byReadiness)).toEqual(['stopping', 'stopping']);
});

async function twoAnswers(proxy: TcpProxy) {
  const answer = async () => {
    const response = await fetch(`http://127.0.0.1:${proxy.port}/`, { headers: { connection: 'close' } });
    return await response.text();
  };
  return [await answer(), await answer()];
}

async function startTarget(name: string, readiness: number) {
  const server = createServer((request, response) => {
    response.writeHead(request.url === '/readyz' ? readiness : 200, { connection: 'close' }).end(name);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const close = async () => {
    server.closeAllConnections();
    await new Promise((closed) => server.close(closed));
  };
  return { port: (server.address() as AddressInfo).port, close, [Symbol.asyncDispose]: close };
}
