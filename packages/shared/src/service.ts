/**
 * A service as a value: its name, its environment and how it opens. `runService` gives it a process of its own,
 * `runTogether` gives several one process with one port; a service does not know the difference.
 */
import { randomUUID } from 'node:crypto';
import { type ConfigOf, type commonConfig, maskConfig, readConfig, type Shape } from './config.ts';
import { createHttp, type HttpEdge, listen } from './http.ts';
import type { Service } from './journey.ts';
import { createLog, type Log } from './log.ts';
import { createShutdown, type Shutdown } from './shutdown.ts';

export type ServiceDefinition<S extends Shape> = {
  readonly name: Service;
  readonly config: S & typeof commonConfig;
  /** Whether strangers reach it: then its `/metrics` is closed to whoever has no token. */
  readonly isPublic?: boolean;
  /** How long requests are still taken once it stops (`HttpOptions.drainMs`). */
  readonly drainMs?: number;
  /** Opens everything, in order; what it adds to `shutdown` is closed in the reverse order, `http` included. */
  open(context: ServiceContext<S>): Promise<void>;
};

/** A service of whatever environment: what runs it reads that and hands it back. */
type AnyService = Omit<ServiceDefinition<Shape>, 'open'> & { open(context: never): Promise<void> };

export type ServiceContext<S extends Shape> = {
  readonly config: ConfigOf<S & typeof commonConfig>;
  readonly log: Log;
  /** Listens once every service of the process is open. Routes and hooks are this service's alone. */
  readonly http: HttpEdge;
  readonly shutdown: Shutdown;
  /**
   * Known to the services of one process alone, where they share a port with strangers: what one asks of another is asked
   * with it. Undefined in a process of its own, which strangers do not reach.
   */
  readonly processToken: string | undefined;
};

/** Names a service's type without writing it out. */
export function defineService<S extends Shape>(service: ServiceDefinition<S>): ServiceDefinition<S> {
  return service;
}

/** Runs one service in this process. */
export function runService<S extends Shape>(service: ServiceDefinition<S>): Promise<void> {
  return runTogether(service.name, [service]);
}

/**
 * Runs services in this process, opened in their order and closed in the reverse one; they listen on the last one's
 * `PORT`. A wrong configuration ends the process with a message that names the variable.
 */
export async function runTogether(name: string, services: readonly AnyService[]): Promise<void> {
  const read = services.map((service) => ({ service, config: readConfig(service.config) }));
  const last = read.at(-1);
  if (last === undefined) throw new Error('there is no service to run');
  const { LOG_LEVEL, PORT, SANDBOX, METRICS_TOKEN, TRUST_PROXY_HOPS } = last.config as ConfigOf<typeof commonConfig>;
  const log = createLog(name, LOG_LEVEL);
  const shutdown = createShutdown(log);
  const isClosed = !SANDBOX && services.some((service) => service.isPublic);
  const http = createHttp({
    log,
    drainMs: Math.max(...services.map((service) => service.drainMs ?? 0)),
    trustProxyHops: TRUST_PROXY_HOPS,
    metrics: METRICS_TOKEN === undefined ? (isClosed ? 'nobody' : 'everybody') : { token: METRICS_TOKEN },
  });
  const processToken = services.length > 1 ? randomUUID() : undefined;
  for (const { service, config } of read) {
    const ownLog = service.name === name ? log : createLog(service.name, LOG_LEVEL);
    ownLog.info({ config: maskConfig(service.config, config) }, 'starting');
    await http.app.register(async (app) => {
      await service.open({ config, log: ownLog, http: { ...http, app }, shutdown, processToken } as never);
    });
  }
  await listen(http.app, PORT, log);
}
