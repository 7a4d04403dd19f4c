import type { Agent } from 'undici';
import { Permanent, RetryLater } from './errors.ts';
import { type Answer, type GuardedResponse, type NotModified, parseEtag, readAnswer } from './guarded-answer.ts';
import { createGuardedAgent, type GuardedConnectOptions, parseGuardedUrl } from './guarded-connect.ts';

export type { GuardedResponse, NotModified } from './guarded-answer.ts';
export { checkAddress } from './guarded-connect.ts';

/**
 * The one fetcher for every URL that a stranger can influence.
 *
 * A URL's text proves nothing: names resolve to private addresses, differently the second time, and redirects lead
 * anywhere. So addresses are checked where the connection is made (`guarded-connect.ts`), and each redirect is a new
 * request through the same door. Sizes and times are bounded here. No cookie is kept and no proxy variable obeyed.
 */

export type GuardedFetchOptions = Omit<GuardedConnectOptions, 'wireBytesMax'> & {
  /** Largest body accepted; counted on the stream, so a missing or false content-length changes nothing. */
  readonly bytesMax: number;
  /** How many redirects are followed, by default 3. */
  readonly redirectsMax?: number;
};

export type FetchOptions = {
  /** Those other than `accept` go to the first origin only, never along a redirect to another one. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
};
/** The bytes and their `etag`, or that nothing has changed since the `etag` that was sent. */
export type Fetched = GuardedResponse | NotModified;

export type GuardedFetch = {
  /**
   * GETs a URL; with an `etag` only if it has changed since (`If-None-Match`). A tag belongs to one URL: it is sent to
   * the one asked for alone, and an answer that came by redirects has none.
   *
   * @throws {Permanent} `image_address_refused` (URL, port or address), `image_too_large` (over `bytesMax`),
   *   `image_unreachable` (4xx, too many redirects, a content encoding, a 304 that was not asked for).
   * @throws {RetryLater} `image_unreachable` (time-out, DNS, network, 408, 429 with its `retryAfterMs`, 5xx).
   */
  readonly fetch: {
    (url: string, options?: FetchOptions): Promise<GuardedResponse>;
    (url: string, options: FetchOptions & { readonly etag: string | undefined }): Promise<Fetched>;
  };
  /** Waits for requests in flight, at most `timeoutMs`. */
  readonly close: () => Promise<void>;
};

const redirectsMaxDefault = 3;
/** Framing may be as much as the body itself (chunks of six bytes), and headers are 16 KiB at most. */
const wireBytesFor = (bytesMax: number) => 2 * bytesMax + 65_536;

export function createGuardedFetch(options: GuardedFetchOptions): GuardedFetch {
  const agent = createGuardedAgent({ ...options, wireBytesMax: wireBytesFor(options.bytesMax) });

  async function guardedFetch(url: string, options?: FetchOptions): Promise<GuardedResponse>;
  async function guardedFetch(url: string, options: FetchOptions & { etag: string | undefined }): Promise<Fetched>;
  async function guardedFetch(
    url: string,
    { headers = {}, signal, etag }: FetchOptions & { etag?: string | undefined } = {},
  ): Promise<Fetched> {
    const deadline = AbortSignal.timeout(options.timeoutMs);
    const either = signal === undefined ? deadline : AbortSignal.any([deadline, signal]);
    const first = parseGuardedUrl(url, options);
    let asked: Asked = { url: first, headers, etag: parseEtag(etag), signal: either };
    for (let redirects = 0; ; redirects += 1) {
      const answer = await getOnce(agent, asked, options);
      if (!('location' in answer)) return redirects === 0 ? answer : withoutEtag(answer);
      if (redirects >= (options.redirectsMax ?? redirectsMaxDefault)) {
        throw new Permanent('image_unreachable', { detail: `more than ${redirects} redirects` });
      }
      const next = parseGuardedUrl(answer.location, options, asked.url);
      const sent = next.origin === first.origin ? headers : onlyAccept(headers);
      asked = { url: next, headers: sent, etag: undefined, signal: either };
    }
  }

  return { fetch: guardedFetch, close: () => agent.close() };
}

type Asked = {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly etag: string | undefined;
  readonly signal: AbortSignal;
};

async function getOnce(agent: Agent, asked: Asked, options: GuardedFetchOptions): Promise<Answer> {
  const { url, headers, etag, signal } = asked;
  try {
    const response = await agent.request({
      origin: url.origin,
      path: url.pathname + url.search,
      method: 'GET',
      headers: { accept: '*/*', ...ownHeaders(headers), ...(etag === undefined ? {} : { 'if-none-match': etag }) },
      signal,
      headersTimeout: options.timeoutMs,
      bodyTimeout: options.timeoutMs,
    });
    try {
      return await readAnswer(response, { url, etag, bytesMax: options.bytesMax });
    } finally {
      // Ends the connection of a body that nobody reads on; the error that this raises on the stream is expected.
      response.body.on('error', () => {}).destroy();
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

function withoutEtag(answer: Fetched): Fetched {
  if (answer.notModified) return answer;
  const { etag: _, ...rest } = answer;
  return rest;
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
