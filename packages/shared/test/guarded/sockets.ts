/** What leaves this process, seen where Node hands it to the operating system, and a listener on every address of it. */
import diagnosticsChannel from 'node:diagnostics_channel';
import { once } from 'node:events';
import net, { type AddressInfo, isIP } from 'node:net';
import { vi } from 'vitest';

/**
 * Every connection that this process tries from now on, as `address:port`. Node tells of each attempt right before the
 * system call, whoever asked for it and however often a name was resolved before.
 */
export function watchAttempts() {
  const attempts: string[] = [];
  const onSocket = (message: unknown): void => {
    const { socket } = message as { readonly socket: net.Socket };
    socket.on('connectionAttempt', (address: string, port: number) => attempts.push(`${address}:${port}`));
  };
  diagnosticsChannel.subscribe('net.client.socket', onSocket);
  return {
    attempts: attempts as readonly string[],
    [Symbol.dispose]: () => void diagnosticsChannel.unsubscribe('net.client.socket', onSocket),
  };
}

/** Listens on every address of this machine, IPv4 and IPv6, and counts who comes. */
export async function listenEverywhere(onConnection: (socket: net.Socket) => void = (socket) => socket.destroy()) {
  let connections = 0;
  const server = net.createServer((socket) => {
    connections += 1;
    socket.on('error', () => {});
    onConnection(socket);
  });
  const hasIPv6 = await listens(server, '::').catch(() => false);
  if (!hasIPv6) await listens(server, '0.0.0.0');
  return {
    port: (server.address() as AddressInfo).port,
    hasIPv6,
    connections: () => connections,
    [Symbol.asyncDispose]: async () => void (await new Promise((resolve) => server.close(resolve))),
  };
}

/**
 * Stands where the operating system would: sees which addresses the fetcher is about to connect to, sends those in
 * `played` to this machine's loopback, lets loopback itself through, and fails everything else. Lasts until
 * `vi.restoreAllMocks`.
 */
export function unplugTheInternet(played: () => readonly string[]): { readonly dialled: readonly string[] } {
  const connect = net.connect as (options: net.TcpNetConnectOpts) => net.Socket;
  const dialled: string[] = [];
  const dial = (address: string): string | undefined => {
    dialled.push(address);
    if (played().includes(address)) return '127.0.0.1';
    return address.startsWith('127.') ? address : undefined;
  };
  const unplugged: net.LookupFunction = (_hostname, _how, callback) => callback(new Error('unplugged'), '');

  const spy = (options: net.TcpNetConnectOpts): net.Socket => {
    const host = options.host ?? '';
    if (isIP(host) !== 0) {
      const address = dial(host);
      return connect(address ? { ...options, host: address } : { ...options, host: 'unplugged', lookup: unplugged });
    }
    const { lookup = unplugged } = options;
    return connect({
      ...options,
      lookup: (hostname, how, callback) =>
        lookup(hostname, { ...how, all: true }, (error, answers) => {
          if (error || typeof answers === 'string') return callback(error, '');
          const reachable = answers.map(({ address }) => dial(address)).find((address) => address !== undefined);
          if (reachable === undefined) callback(new Error('unplugged'), '');
          else callback(null, [{ address: reachable, family: 4 }]);
        }),
    });
  };
  vi.spyOn(net, 'connect').mockImplementation(spy as typeof net.connect);
  return { dialled };
}

async function listens(server: net.Server, host: string): Promise<true> {
  server.listen(0, host);
  await once(server, 'listening');
  return true;
}
