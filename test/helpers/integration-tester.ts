/** What the integration tester's own tests need: the tester as a process, and servers that are wrong in their own ways. */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { verifyWebhook } from '../../packages/client/src/index.ts';

export const root = fileURLToPath(new URL('../../', import.meta.url));
export const script = 'scripts/test-integration.ts';
const otherSecret = `whsec_${Buffer.from('another secret of thirty-two byte').toString('base64')}`;

export type Ended = { readonly code: number; readonly stdout: string; readonly stderr: string };

/** Runs the tester as its users do, and waits for its end. */
export async function start(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ended> {
  const { FORCE_COLOR: _forced, NO_COLOR: _none, PET_ROAST_API_KEY: _key, ...rest } = process.env;
  const options = { cwd: root, env: { ...rest, ...env } };
  return promisify(execFile)(process.execPath, [script, ...args], options).then(
    (said) => ({ code: 0, ...said }),
    ({ code, stdout, stderr }: Ended) => ({ code, stdout, stderr }),
  );
}

export type Server = { readonly url: string; [Symbol.asyncDispose](): Promise<void> };

/** A backend as the guides have it, with another secret than the service's. */
export function startStrictBackend(port: number): Promise<Server> {
  return listen(port, async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    try {
      verifyWebhook(Buffer.concat(chunks), request.headers, otherSecret);
      response.writeHead(204).end();
    } catch (error) {
      response.writeHead(401).end((error as Error).message);
    }
  });
}

/** A gateway that knows no key, and quotes the one that it was given. */
export function startKeyedService(): Promise<Server> {
  return listen(0, (request, response) => {
    const { url, headers } = request;
    const isHealth = url === '/healthz' || url === '/readyz';
    const message = `There is no key ${headers.authorization}.`;
    response
      .writeHead(isHealth ? 200 : 401, { 'content-type': 'application/json' })
      .end(
        JSON.stringify(
          isHealth ? { status: 'ok', checks: { nats: 'ok' } } : { detail: { error: 'unauthorized', message } },
        ),
      );
  });
}

/** A proxy that holds back a job's events, as one that buffers does. */
export function startBufferingProxy(target: string): Promise<Server> {
  return listen(0, async (request, response) => {
    const { url = '', method = 'GET', headers } = request;
    if (url.endsWith('/events')) {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
      return;
    }
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const type = headers['content-type'];
    const answer = await fetch(target + url, {
      method,
      ...(type === undefined ? {} : { body: Buffer.concat(chunks), headers: { 'content-type': type } }),
    });
    response.writeHead(answer.status, { 'content-type': 'application/json' }).end(await answer.text());
  });
}

async function listen(port: number, answer: (request: IncomingMessage, response: ServerResponse) => unknown) {
  const server = createServer(answer);
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
