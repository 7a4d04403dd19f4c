/**
 * A TCP proxy: a load balancer in front of replicas, or a bad network in front of a server. It takes the next target
 * that can be connected to, and can delay what passes, or cut every connection, on demand.
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

export type TcpProxyOptions = {
  readonly targetPorts: readonly number[];
  /**
   * As platforms' balancers do it: each target is asked for this path now and then, and one that does not answer 200 is
   * taken only when no other can be connected to. What its kernel took and it did not is reset when it closes.
   */
  readonly readyPath?: string | undefined;
};

const connectTimeoutMs = 1_000;
const askReadyEveryMs = 250;

/** Listens on a free port of 127.0.0.1 and passes on to one of `targetPorts` of the same address, in turn. */
export async function startTcpProxy(options: TcpProxyOptions): Promise<TcpProxy> {
  const open = new Set<Socket>();
  let delayMs = 0;
  let turn = 0;
  let opened = 0;
  const unready = new Set<number>();

  async function askReady(port: number, path: string): Promise<void> {
    const signal = AbortSignal.timeout(askReadyEveryMs);
    const { ok } = await fetch(`http://127.0.0.1:${port}${path}`, { signal }).catch(() => ({ ok: false }));
    if (ok) unready.delete(port);
    else unready.add(port);
  }
  const { readyPath } = options;
  const askAll = (path: string) => options.targetPorts.map((port) => askReady(port, path));
  const asking = readyPath === undefined ? undefined : setInterval(askAll, askReadyEveryMs, readyPath);

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
    const first = turn++ % options.targetPorts.length;
    const inTurn = [...options.targetPorts.slice(first), ...options.targetPorts.slice(0, first)];
    for (const port of inTurn.toSorted((a, b) => Number(unready.has(a)) - Number(unready.has(b)))) {
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
    clearInterval(asking);
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
