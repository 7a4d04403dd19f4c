import { isUtf8 } from 'node:buffer';
import type { Dispatcher } from 'undici';
import { Permanent, RetryLater } from './errors.ts';
import { parseRetryAfterMs } from './retry-after.ts';

/** What one answer of an image server means: a body within bounds, a way on, "as before", or a failure. */

export type GuardedResponse = {
  readonly notModified: false;
  readonly bytes: Uint8Array;
  readonly status: number;
  /** As sent, or an empty string. A claim by the server, not a fact about the bytes. */
  readonly contentType: string;
  /** For the next request to the same URL; unset where there is none that could be sent back. */
  readonly etag?: string;
  /** Where the bytes came from, after redirects. */
  readonly finalUrl: string;
};
export type NotModified = { readonly notModified: true; readonly etag: string };
export type Answer = GuardedResponse | NotModified | { readonly location: string };

const etagCharsMax = 256;
const redirectStatuses: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
/** Some S3-compatible stores replay `aws-chunked`, the framing of the upload, on a body that is plain. */
const plainEncodings: ReadonlySet<string> = new Set(['', 'identity', 'aws-chunked']);

/**
 * An entity tag (RFC 9110 section 8.8.3), weak or strong, of at most 256 characters of visible ASCII: anything else is
 * none, so that it can be kept and sent as it is.
 */
export function parseEtag(header: unknown): string | undefined {
  const isTag = typeof header === 'string' && header.length <= etagCharsMax && /^(?:W\/)?"[!#-~]*"$/.test(header);
  return isTag ? header : undefined;
}

/** Reads an answer to a request for `url`; `etag` is the tag that was sent as `If-None-Match`. */
export async function readAnswer(
  { statusCode: status, headers, body }: Dispatcher.ResponseData,
  { url, bytesMax, etag }: { readonly url: URL; readonly bytesMax: number; readonly etag: string | undefined },
): Promise<Answer> {
  if (status === 304 && etag !== undefined) return { notModified: true, etag };
  const location = headers['location'];
  if (redirectStatuses.has(status) && typeof location === 'string') return { location: asUtf8(location) };
  if (status < 200 || status > 299) throw statusFailure(status, parseRetryAfterMs(headers['retry-after']));
  if (isEncoded(headers)) throw new Permanent('image_unreachable', { detail: 'an encoded answer' });
  if (Number(headers['content-length'] ?? 0) > bytesMax) throw new Permanent('image_too_large');

  const newEtag = parseEtag(headers['etag']);
  return {
    notModified: false,
    bytes: await readBody(body, bytesMax),
    status,
    contentType: String(headers['content-type'] ?? ''),
    finalUrl: url.href,
    ...(newEtag === undefined ? {} : { etag: newEtag }),
  };
}

/** Compressed on the way or at rest; no decompressor ever runs here. */
function isEncoded(headers: Dispatcher.ResponseData['headers']): boolean {
  const coding = (name: string) =>
    String(headers[name] ?? '')
      .trim()
      .toLowerCase();
  return !plainEncodings.has(coding('content-encoding')) || !['', 'chunked'].includes(coding('transfer-encoding'));
}

/** Header bytes come as latin1, but a Location that is not all ASCII is UTF-8 in practice, and browsers read it so. */
function asUtf8(location: string): string {
  const bytes = Buffer.from(location, 'latin1');
  return isUtf8(bytes) ? bytes.toString('utf8') : location;
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

function statusFailure(status: number, retryAfterMs: number | undefined): Permanent | RetryLater {
  const mayPass = status === 408 || status === 429 || status >= 500;
  const detail = `the image server answered ${status}`;
  return mayPass
    ? new RetryLater('image_unreachable', { detail, retryAfterMs })
    : new Permanent('image_unreachable', { detail });
}
