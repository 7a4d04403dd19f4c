/** Stands where the notifier sends its webhooks, keeps what passes, and passes it on to the backend of the moment. */
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';

export type Passed = {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  /** The backend's status. */
  readonly answered: number;
};

export type Relay = {
  readonly url: string;
  /** Where webhooks go from now on; undefined answers them with 503. */
  leadTo(url: string | undefined): void;
  passed(): readonly Passed[];
  [Symbol.asyncDispose](): Promise<void>;
};

const passTimeoutMs = 10_000;
/** Of one connection, not of the message. */
const hopByHop = ['connection', 'content-length', 'host', 'keep-alive', 'transfer-encoding'];

/** Listens on a free port of 127.0.0.1. */
export async function startRelay(): Promise<Relay> {
  const passed: Passed[] = [];
  let target: string | undefined;

  const server = createServer(async (request, response) => {
    const body = (await buffer(request)).toString('utf8');
    const { status, text } = await pass(`${target}${request.url}`, request.headers, body);
    passed.push({ headers: request.headers, body, answered: status });
    response.writeHead(status, { 'content-type': 'application/json' }).end(text);
  });

  async function pass(url: string, headers: IncomingHttpHeaders, body: string) {
    if (target === undefined) return { status: 503, text: '{}' };
    return send(url, headers, body).catch(() => ({ status: 502, text: '{}' }));
  }

  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    leadTo(url) {
      target = url;
    },
    passed: () => passed,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** Sends a webhook, byte for byte. */
export async function send(url: string, headers: object, body: string): Promise<{ status: number; text: string }> {
  const kept = Object.entries(headers).filter(([name]) => !hopByHop.includes(name)) as [string, string][];
  const signal = AbortSignal.timeout(passTimeoutMs);
  const answer = await fetch(url, { method: 'POST', headers: kept, body, signal });
  return { status: answer.status, text: await answer.text() };
}
