/**
 * A TCP proxy: a load balancer in front of replicas, or a bad network in front of a server. It takes the next target
 * that can be connected to, and can delay what passes, cut every connection, or refuse new ones, on demand.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export type TcpProxy = {
  readonly port: number;
  /** Cuts every connection that is open, as a network that breaks does. */
  cut(): void;
  /** Delays every piece of data from now on, both ways, by so many ms; 0 ends it. */
  delay(ms: number): void;
  /** Connections opened so far. */
  opened(): number;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
};

const connectTimeoutMs = 1_000;

/** Listens on a free port of 127.0.0.1 and passes on to one of `targetPorts` of the same address, in turn. */
export async function startTcpProxy(options: { readonly targetPorts: readonly number[] }): Promise<TcpProxy> {
  const open = new Set<Socket>();
  let delayMs = 0;
  let turn = 0;
  let opened = 0;

  function keep(socket: Socket): void {
    open.add(socket);
    socket.on('error', () => socket.destroy()).on('close', () => open.delete(socket));
    socket.setNoDelay(true);
  }

  /** Data in its order, each piece after the delay that holds when it comes. */
  function pass(from: Socket, to: Socket): void {
    const later = (act: () => void) => (delayMs === 0 ? act() : setTimeout(act, delayMs));
    from.on('data', (chunk) => later(() => to.write(chunk)));
    from.on('end', () => later(() => to.end()));
    // What was passed on before is still delivered, unless the connection broke.
    from.on('close', (broke) => later(() => (broke ? to.resetAndDestroy() : to.destroySoon())));
  }

  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (client) => {
    keep(client);
    opened++;
    void connectToOne().then((target) => {
      if (target === undefined || client.destroyed) return client.resetAndDestroy();
      keep(target);
      pass(client, target);
      pass(target, client);
      return client.resume();
    });
  });

  async function connectToOne(): Promise<Socket | undefined> {
    for (const _ of options.targetPorts) {
      const port = options.targetPorts[turn++ % options.targetPorts.length] ?? 0;
      const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
      const connected = await once(socket, 'connect', { signal: AbortSignal.timeout(connectTimeoutMs) }).then(
        () => true,
        () => false,
      );
      if (connected) return socket;
      socket.destroy();
    }
    return undefined;
  }

  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const close = async (): Promise<void> => {
    if (!server.listening) return;
    server.close();
    for (const socket of open) socket.destroy();
    await once(server, 'close');
  };
  return {
    port: (server.address() as AddressInfo).port,
    cut: () => {
      for (const socket of open) socket.resetAndDestroy();
    },
    delay: (ms) => {
      delayMs = ms;
    },
    opened: () => opened,
    close,
    [Symbol.asyncDispose]: close,
  };
}
