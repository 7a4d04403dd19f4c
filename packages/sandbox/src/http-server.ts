/** The HTTP server under every fake: fastify for the routes, a listening socket that opens and closes at will. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { atFreePort } from './infrastructure/free-port.ts';

const requestBytesMax = 10 * 1024 * 1024;

export type ListenOptions = {
  /** Address to listen on; 127.0.0.1 unless told. */
  readonly host?: string;
  /** 0, the default, takes any free port. */
  readonly port?: number;
  /** Host name that others reach this server by (a container's name, say); the listening address unless told. */
  readonly publicHost?: string;
};

export type SandboxServer = {
  /** Where others reach it, without a slash at the end. */
  readonly url: string;
  readonly port: number;
  /** Stops listening and cuts every connection: callers then get "connection refused". */
  down(): Promise<void>;
  /** Listens again on the same port. */
  up(): Promise<void>;
  /** Ends the server for good; hung requests are cut. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
};

/** A fastify instance without logs; `openServer` makes it listen. */
export function createApp(): FastifyInstance {
  return Fastify({ logger: false, bodyLimit: requestBytesMax, exposeHeadRoutes: false });
}

/** Listens; every route must have been added. Throws when the port is taken. */
export async function openServer(app: FastifyInstance, options: ListenOptions = {}): Promise<SandboxServer> {
  const host = options.host ?? '127.0.0.1';
  await app.ready();
  const server = app.server;
  const listen = async (port: number): Promise<void> => {
    server.listen({ host, port });
    await once(server, 'listening');
  };
  await atFreePort(options.port || undefined, listen);
  const { port } = server.address() as AddressInfo;

  const down = async (): Promise<void> => {
    if (!server.listening) return;
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await closed;
  };
  const close = async (): Promise<void> => {
    await down();
    await app.close();
  };
  return {
    url: `http://${options.publicHost ?? reachable(host)}:${port}`,
    port,
    down,
    up: async () => {
      if (!server.listening) await listen(port);
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

/**
 * Leaves a request unanswered for `ms` milliseconds, or for ever. Says whether the caller still waits (`elapsed`) or
 * its connection has gone.
 */
export async function stall(request: FastifyRequest, ms: number | undefined): Promise<'elapsed' | 'gone'> {
  const { socket } = request.raw;
  if (socket.destroyed) return 'gone';
  const { promise, resolve } = Promise.withResolvers<'elapsed' | 'gone'>();
  const gone = (): void => resolve('gone');
  const timer = ms === undefined ? undefined : setTimeout(resolve, ms, 'elapsed');
  socket.once('close', gone);
  const result = await promise;
  clearTimeout(timer);
  socket.off('close', gone);
  return result;
}

/** Cuts the connection with a TCP reset in place of an answer (`ECONNRESET` at the caller). */
export function resetConnection(request: FastifyRequest, reply: FastifyReply): void {
  reply.hijack();
  request.raw.socket.resetAndDestroy();
}

function reachable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  if (host === '::') return '[::1]';
  return host.includes(':') ? `[${host}]` : host;
}
