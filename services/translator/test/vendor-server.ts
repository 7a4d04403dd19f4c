import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';

export type Call = {
  readonly path: string;
  readonly method: string;
  readonly headers: http.IncomingHttpHeaders;
  // biome-ignore lint/suspicious/noExplicitAny: a test looks into whatever was sent
  readonly body: any;
};

/** An answer: a status, a body (JSON unless it is a string) and headers; or nothing, to leave the caller waiting. */
export type Answer = { readonly status?: number; readonly body?: unknown; readonly headers?: Record<string, string> };

/** A vendor on loopback that remembers what it was asked. `answer` may hang by never settling. */
export async function startVendor(answer: (call: Call) => Answer | Promise<Answer>) {
  const calls: Call[] = [];
  let inFlight = 0;
  let inFlightMost = 0;
  const server = http.createServer(async (request, response) => {
    inFlight += 1;
    inFlightMost = Math.max(inFlightMost, inFlight);
    response.on('close', () => {
      inFlight -= 1;
    });
    let text = '';
    for await (const chunk of request.setEncoding('utf8')) text += chunk;
    const { url: path = '', method = '', headers } = request;
    const call = { path, method, headers, body: text === '' ? undefined : JSON.parse(text) };
    calls.push(call);
    const { status = 200, body = '', headers: answerHeaders = {} } = await answer(call);
    response.writeHead(status, { 'content-type': 'application/json', ...answerHeaders });
    response.end(typeof body === 'string' ? body : JSON.stringify(body));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;

  return {
    url: `http://127.0.0.1:${port}`,
    calls,
    callsTo: (path: string) => calls.filter((call) => call.path === path),
    inFlight: () => inFlight,
    inFlightMost: () => inFlightMost,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      if (server.listening) await new Promise((resolve) => server.close(resolve));
    },
  };
}
