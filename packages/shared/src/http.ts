/**
 * The HTTP edge that all services share: one error shape, a request id, health, readiness, metrics, bounds.
 * `/healthz` says that the process lives; `/readyz` that it can work: its checks answer and it is not stopping.
 */
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type FastifyInstance, type FastifyReply, fastify, LogController } from 'fastify';
import { hasBearer } from './bearer.ts';
import { BrokerUnavailable } from './broker.ts';
import { JobErased } from './envelope.ts';
import { type ErrorCode, errorCatalogue } from './errors.ts';
import { publicError } from './job-view.ts';
import type { Log } from './log.ts';
import { collectProcessMetrics, type MetricsAccess, readMetrics } from './metrics.ts';

export type HttpServer = FastifyInstance;

type Checks = Readonly<Record<string, () => Promise<void>>>;

export type HttpEdge = {
  readonly app: HttpServer;
  /** What `/readyz` asks: each of `required` must answer for the process to be ready; `optional` is shown beside them. */
  checks(required: Checks, optional?: Checks): void;
  /** Turns readiness false, and asks callers not to send more on their open connections. */
  stopping(): void;
  /** Answers what is in hand, then closes; a second call waits for the first one's end. */
  close(): Promise<void>;
};

/** A client that sends a byte now and then holds a connection for no longer than this, and the time between two looks. */
type Patience = { readonly headersMs: number; readonly requestMs: number; readonly lookEveryMs: number };

export type HttpOptions = {
  readonly log: Log;
  readonly bodyBytesMax?: number;
  /** How slowly a request may come; shorter ones are for tests. */
  readonly patience?: Patience;
  /**
   * How long requests are still taken after `stopping`, each answered with `connection: close`: by then callers have
   * left the connections that they keep, and none is closed under a request that is on its way, unless it lay idle all that
   * time. 0 unless told.
   */
  readonly drainMs?: number;
  /** How many proxies in front of the process add to `X-Forwarded-For`; with 0, the default, nobody is believed. */
  readonly trustProxyHops?: number;
  /** Everybody unless told. */
  readonly metrics?: MetricsAccess;
};

/** An answer that is an error of the catalogue; `field` names the part of the request that is wrong. */
export class HttpError extends Error {
  override readonly name = 'HttpError';
  readonly code: ErrorCode;
  readonly status: number;
  readonly field: string | undefined;
  readonly retryAfterS: number | undefined;
  constructor(
    code: ErrorCode,
    options: {
      message?: string;
      field?: string | undefined;
      retryAfterS?: number;
      status?: number;
      cause?: unknown;
    } = {},
  ) {
    super(options.message ?? errorCatalogue[code].message, { cause: options.cause });
    this.code = code;
    this.status = options.status ?? errorCatalogue[code].http;
    this.field = options.field;
    this.retryAfterS = options.retryAfterS;
  }
}

const patienceDefault: Patience = { headersMs: 10_000, requestMs: 120_000, lookEveryMs: 2_000 };
const headerBytesMax = 16 * 1024;
const checkTimeoutMs = 2_500;
const brokerRetryAfterS = 2;
const closeIdleEveryMs = 100;
/** For an answer to be read before its connection is cut. */
const lingerMs = 1_000;

/** A server with the shared routes; `stopping()` turns readiness false before anything closes. */
export function createHttp(options: HttpOptions): HttpEdge {
  const required: Checks[] = [];
  const optional: Checks[] = [];
  let stopping = false;
  let closed: Promise<void> | undefined;
  const patience = options.patience ?? patienceDefault;
  const app = fastify({
    loggerInstance: options.log,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: options.bodyBytesMax ?? 64 * 1024,
    requestTimeout: patience.requestMs,
    connectionTimeout: 60_000,
    keepAliveTimeout: 72_000,
    http: {
      headersTimeout: patience.headersMs,
      connectionsCheckingInterval: patience.lookEveryMs,
      maxHeaderSize: headerBytesMax,
    },
    clientErrorHandler: answerBrokenRequest,
    // While closing, requests on open connections are still answered: a rolling restart shows no caller an error.
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    // A service opens inside a plugin, and waits there for its broker as long as its configuration says.
    pluginTimeout: 0,
    trustProxy: (_address, hop) => hop < (options.trustProxyHops ?? 0),
    // A path that the router itself refuses (a broken escape, a parameter too long) is no route of ours.
    frameworkErrors: (error, request, reply) =>
      void sendError(reply as FastifyReply, new HttpError('not_found', { cause: error }), request.id, options.log),
    genReqId: () => crypto.randomUUID(),
    routerOptions: { maxParamLength: 200 },
  }) as unknown as HttpServer;

  // Many clients name a content type for every request, also where there is nothing of it to read.
  app.addHook('onRequest', async ({ headers }) => {
    const isEmpty = (headers['content-length'] ?? '0') === '0' && headers['transfer-encoding'] === undefined;
    if (isEmpty) delete headers['content-type'];
  });
  app.addHook('onSend', async (_request, reply) => {
    if (stopping) reply.header('connection', 'close');
    // No browser is to guess what an answer is, or to keep it.
    reply.header('x-content-type-options', 'nosniff');
    if (!reply.hasHeader('cache-control')) reply.header('cache-control', 'no-store');
  });
  app.setErrorHandler((error, request, reply) => sendError(reply, toHttpError(error), request.id, options.log, error));
  app.setNotFoundHandler((request, reply) => sendError(reply, new HttpError('not_found'), request.id, options.log));

  app.get('/healthz', async () => ({ status: 'ok' }));
  app.get('/readyz', async (_request, reply) => {
    const [needed, shown] = await Promise.all([runChecks(required), runChecks(optional)]);
    const ready = !stopping && Object.values(needed).every((result) => result === 'ok');
    const status = stopping ? 'stopping' : ready ? 'ready' : 'not_ready';
    return reply.code(ready ? 200 : 503).send({ status, checks: { ...shown, ...needed } });
  });
  app.get('/metrics', async (request, reply) => {
    const { metrics = 'everybody' } = options;
    if (metrics === 'nobody') throw new HttpError('not_found');
    if (metrics !== 'everybody' && !hasBearer(request.headers.authorization, metrics.token)) {
      throw new HttpError('unauthorized');
    }
    const { type, text } = await readMetrics();
    return reply.type(type).send(text);
  });
  collectProcessMetrics();

  return {
    app,
    checks(more, others = {}) {
      required.push(more);
      optional.push(others);
    },
    stopping() {
      stopping = true;
    },
    close: () => (closed ??= close()),
  };

  async function close(): Promise<void> {
    stopping = true;
    await sleep(options.drainMs ?? 0);
    // A connection that falls idle only after the server began to close would keep it open until its time-out.
    const idle = setInterval(() => app.server.closeIdleConnections(), closeIdleEveryMs);
    await app.close().finally(() => clearInterval(idle));
  }
}

/** Listens on every address, IPv6 and IPv4, and says on which port. */
export async function listen(app: HttpServer, port: number, log: Log): Promise<void> {
  await app.listen({ port, host: '::' });
  const address = app.server.address();
  log.info({ port: typeof address === 'object' ? address?.port : port }, 'listening');
}

/** Services that share a process have checks of the same name: such a check is as good as the worst of them. */
async function runChecks(groups: readonly Checks[]): Promise<Record<string, 'ok' | 'no answer'>> {
  const results: Record<string, 'ok' | 'no answer'> = {};
  await Promise.all(
    groups.flatMap(Object.entries<Checks[string]>).map(async ([name, check]) => {
      const overdue = new Promise<never>((_resolve, reject) => setTimeout(reject, checkTimeoutMs).unref());
      await Promise.race([check(), overdue]).then(
        () => {
          results[name] ??= 'ok';
        },
        () => {
          results[name] = 'no answer';
        },
      );
    }),
  );
  return results;
}

function toHttpError(error: unknown): HttpError {
  if (error instanceof HttpError) return error;
  if (error instanceof JobErased) return new HttpError('job_not_found', { cause: error });
  if (error instanceof BrokerUnavailable) {
    return new HttpError(error.full ? 'overloaded' : 'unavailable', { retryAfterS: brokerRetryAfterS, cause: error });
  }
  const { statusCode, code } = error as { statusCode?: number; code?: string };
  if (statusCode === 413) return new HttpError('body_too_large', { cause: error });
  if (statusCode === 415) return new HttpError('unsupported_media_type', { cause: error });
  if (statusCode !== undefined && statusCode < 500) {
    return new HttpError('bad_request', {
      status: code === 'FST_ERR_CTP_INVALID_JSON_BODY' ? 400 : statusCode,
      cause: error,
    });
  }
  return new HttpError('internal', { cause: error });
}

/** What is no HTTP request, or comes too slowly: answered in the same shape, and the connection is closed. */
function answerBrokenRequest(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const { status, code } = brokenRequests[error.code ?? ''] ?? { status: '400 Bad Request', code: 'bad_request' };
  const body = JSON.stringify({ detail: publicError(code), request_id: crypto.randomUUID() });
  const head = [`HTTP/1.1 ${status}`, 'content-type: application/json; charset=utf-8', 'connection: close'];
  socket.end(`${[...head, `content-length: ${Buffer.byteLength(body)}`].join('\r\n')}\r\n\r\n${body}`);
  // Whoever does not hang up now would go on sending for as long as they like.
  setTimeout(() => socket.destroy(), lingerMs).unref();
}

const brokenRequests: Readonly<Record<string, { readonly status: string; readonly code: ErrorCode }>> = {
  HPE_HEADER_OVERFLOW: { status: '431 Request Header Fields Too Large', code: 'bad_request' },
  ERR_HTTP_REQUEST_TIMEOUT: { status: '408 Request Timeout', code: 'request_too_slow' },
};

function sendError(reply: FastifyReply, error: HttpError, requestId: string, log: Log, cause?: unknown): FastifyReply {
  if (error.status >= 500)
    log.error({ error: cause ?? error, request_id: requestId, code: error.code }, 'a request failed');
  if (error.retryAfterS !== undefined) reply.header('retry-after', String(error.retryAfterS));
  // RFC 9110 section 15.5.2: a 401 names what it wants.
  if (error.status === 401) reply.header('www-authenticate', 'Bearer');
  const detail = { ...publicError(error.code), message: error.message, ...(error.field ? { field: error.field } : {}) };
  return reply.code(error.status).send({ detail, request_id: requestId });
}
