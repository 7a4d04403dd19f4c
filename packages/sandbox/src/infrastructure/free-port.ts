import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * Below what systems give to outgoing connections (Linux: from 32768 on). A port from up there may be taken by anybody's
 * connection while its server restarts; a client that tries again and again can even be connected to itself.
 */
const portMin = 12_000;
const portMax = 32_000;
const triesMax = 100;
const lostRacesMax = 5;
const given = new Set<number>();

/** A port of this machine that was free a moment ago, and that this process has not been given before. */
export async function freePort(): Promise<number> {
  for (let tries = 1; tries <= triesMax; tries++) {
    const port = randomInt(portMin, portMax);
    if (given.has(port) || !(await isFree(port))) continue;
    given.add(port);
    return port;
  }
  throw new Error(`none of ${triesMax} ports between ${portMin} and ${portMax} was free`);
}

/** Runs a server at a wanted port, or else at a free one: where somebody takes that first, at the next one. */
export async function atFreePort<T>(wanted: number | undefined, run: (port: number) => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await run(wanted ?? (await freePort()));
    } catch (error) {
      const taken = /address already in use|EADDRINUSE|Could not create server TCP/i.test((error as Error).message);
      if (!taken || wanted !== undefined || tries === lostRacesMax) throw error;
    }
  }
}

/** The port itself if nobody listens there, else a free one. */
export async function portOrFree(port: number): Promise<number> {
  return (await isFree(port)) ? port : await freePort();
}

/** Whether nobody listens there, on either kind of address. */
async function isFree(port: number): Promise<boolean> {
  for (const host of ['::', '127.0.0.1']) {
    const server = createServer().listen({ port, host });
    try {
      await once(server, 'listening');
    } catch (error) {
      // Without IPv6 only the other address counts.
      if (['EAFNOSUPPORT', 'EADDRNOTAVAIL'].includes(String((error as NodeJS.ErrnoException).code))) continue;
      return false;
    }
    server.close();
    await once(server, 'close');
  }
  return true;
}
