import type { Agent, Dispatcher } from 'undici';
import { Permanent, RetryLater } from './errors.ts';
import { createGuardedAgent, type GuardedConnectOptions, parseGuardedUrl } from './guarded-connect.ts';
import { parseRetryAfterMs } from './retry-after.ts';

export { checkAddress } from './guarded-connect.ts';

/**
 * The one fetcher for every URL that a stranger can influence.
 *
 * A URL's text proves nothing: names resolve to private addresses, differently the second time, and redirects lead
 * anywhere. So addresses are checked where the connection is made (`guarded-connect.ts`), and each redirect is a new
 * request through the same door. Sizes and times are bounded here. No cookie is kept and no proxy variable obeyed.
 */

export type GuardedFetchOptions = GuardedConnectOptions & {
  /** Largest body accepted; counted on the stream, so a missing or false content-length changes nothing. */
  readonly bytesMax: number;
  /** How many redirects are followed, by default 3. */
  readonly redirectsMax?: number;
};

export type GuardedResponse = {
  readonly bytes: Uint8Array;
  readonly status: number;
  /** As sent, or an empty string. A claim by the server, not a fact about the bytes. */
  readonly contentType: string;
  readonly etag?: string;
  /** Where the bytes came from, after redirects. */
  readonly finalUrl: string;
};

export type GuardedFetch = {
  /**
   * GETs a URL. `headers` other than `accept` go to the first origin only, never along a redirect to another one.
   *
   * @throws {Permanent} `image_address_refused` (URL, port or address), `image_too_large` (over `bytesMax`),
   *   `image_unreachable` (4xx, too many redirects, a content encoding).
   * @throws {RetryLater} `image_unreachable` (time-out, DNS, network, 408, 429 with its `retryAfterMs`, 5xx).
   */
  readonly fetch: (
    url: string,
    options?: { readonly headers?: Readonly<Record<string, string>>; readonly signal?: AbortSignal },
  ) => Promise<GuardedResponse>;
  /** Waits for requests in flight, at most `timeoutMs`. */
  readonly close: () => Promise<void>;
};

const redirectsMaxDefault = 3;
const redirectStatuses: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/** Some S3-compatible stores replay `aws-chunked`, the framing of the upload, on a body that is plain. */
const plainEncodings: ReadonlySet<string> = new Set(['', 'identity', 'aws-chunked']);

export function createGuardedFetch(options: GuardedFetchOptions): GuardedFetch {
  const agent = createGuardedAgent(options);

  return {
    fetch: async (url, { headers = {}, signal } = {}) => {
      const deadline = AbortSignal.timeout(options.timeoutMs);
      const either = signal === undefined ? deadline : AbortSignal.any([deadline, signal]);
      const first = parseGuardedUrl(url, options);
      let current = first;
      for (let redirects = 0; ; redirects += 1) {
        const sent = current.origin === first.origin ? headers : onlyAccept(headers);
        const step = await getOnce(agent, current, sent, either, options);
        if ('bytes' in step) return step;
        if (redirects >= (options.redirectsMax ?? redirectsMaxDefault)) {
          throw new Permanent('image_unreachable', { detail: `more than ${redirects} redirects` });
        }
        current = parseGuardedUrl(step.location, options, current);
      }
    },
    close: () => agent.close(),
  };
}

type Step = GuardedResponse | { readonly location: string };

async function getOnce(
  agent: Agent,
  url: URL,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
  options: GuardedFetchOptions,
): Promise<Step> {
  try {
    const response = await agent.request({
      origin: url.origin,
      path: url.pathname + url.search,
      method: 'GET',
      headers: { accept: '*/*', ...ownHeaders(headers) },
      signal,
      headersTimeout: options.timeoutMs,
      bodyTimeout: options.timeoutMs,
    });
    try {
      return await readResponse(response, url, options.bytesMax);
    } finally {
      discard(response.body);
    }
  } catch (error) {
    throw asFailure(error);
  }
}

/**
 * Encodings are declined and an encoded answer is refused, rather than decoded: photos are compressed already, and so
 * no decompressor runs on a stranger's bytes and the bytes counted are the bytes kept.
 */
function ownHeaders(headers: Readonly<Record<string, string>>): Record<string, string> {
  const lowerCased = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value] as const);
  const allowed = lowerCased.filter(([name]) => name !== 'host' && name !== 'cookie');
  return {
    ...Object.fromEntries(allowed),
    'accept-encoding': 'identity',
    'user-agent': 'pet-roast/2 (+image fetcher)',
  };
}

function onlyAccept(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => name.toLowerCase() === 'accept'));
}

async function readResponse(response: Dispatcher.ResponseData, url: URL, bytesMax: number): Promise<Step> {
  const { statusCode: status, headers } = response;
  if (redirectStatuses.has(status) && typeof headers['location'] === 'string') return { location: headers['location'] };
  if (status < 200 || status > 299) throw statusFailure(status, parseRetryAfterMs(headers['retry-after']));
  const encoding = String(headers['content-encoding'] ?? '')
    .trim()
    .toLowerCase();
  if (!plainEncodings.has(encoding)) throw new Permanent('image_unreachable', { detail: 'an encoded answer' });
  if (Number(headers['content-length'] ?? 0) > bytesMax) throw new Permanent('image_too_large');

  const etag = headers['etag'];
  return {
    bytes: await readBody(response.body, bytesMax),
    status,
    contentType: String(headers['content-type'] ?? ''),
    finalUrl: url.href,
    ...(typeof etag === 'string' ? { etag } : {}),
  };
}

async function readBody(body: Dispatcher.ResponseData['body'], bytesMax: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    bytes += chunk.byteLength;
    if (bytes > bytesMax) throw new Permanent('image_too_large', { detail: `more than ${bytesMax} bytes` });
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, bytes);
}

/** Ends the connection of a body that nobody reads on; the error that this raises on the stream is expected. */
function discard(body: Dispatcher.ResponseData['body']): void {
  body.on('error', () => {}).destroy();
}

function statusFailure(status: number, retryAfterMs: number | undefined): Permanent | RetryLater {
  const mayPass = status === 408 || status === 429 || status >= 500;
  const detail = `the image server answered ${status}`;
  return mayPass
    ? new RetryLater('image_unreachable', { detail, retryAfterMs })
    : new Permanent('image_unreachable', { detail });
}

function asFailure(error: unknown): Permanent | RetryLater {
  if (error instanceof Permanent || error instanceof RetryLater) return error;
  return new RetryLater('image_unreachable', {
    detail: `the image could not be fetched: ${nameOf(error)}`,
    cause: error,
  });
}

/** A system error's code (`ECONNREFUSED`), else the error's name: `TimeoutError` is our own deadline. */
function nameOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name;
}
