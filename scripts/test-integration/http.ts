/** One bounded GET, and why there was no answer. */

export type Look = {
  readonly status: number;
  readonly headers: Headers;
  /** The start of the body. */
  readonly bytes: Buffer;
  /** The body where it is a JSON object. */
  readonly json: Readonly<Record<string, unknown>> | undefined;
  readonly tookMs: number;
};

/** No answer came; the message says why, as the rest of "… cannot be reached:". */
export class Unreachable extends Error {
  override readonly name = 'Unreachable';
}

const bytesMaxDefault = 64 * 1024;
const lookTimeoutMs = 15_000;

/** GETs an address; no redirect is followed, and no more than `bytesMax` are read. Throws `Unreachable` or the signal's reason. */
export async function look(
  url: string,
  options: {
    readonly signal: AbortSignal;
    readonly headers?: Readonly<Record<string, string>>;
    readonly bytesMax?: number;
    readonly redirect?: 'follow' | 'manual';
  },
): Promise<Look> {
  const { signal, headers = {}, bytesMax = bytesMaxDefault, redirect = 'manual' } = options;
  const startedAt = performance.now();
  const deadline = AbortSignal.timeout(lookTimeoutMs);
  try {
    const answer = await fetch(url, { headers, redirect, signal: AbortSignal.any([signal, deadline]) });
    const tookMs = Math.round(performance.now() - startedAt);
    const bytes = await readStart(answer, bytesMax);
    return { status: answer.status, headers: answer.headers, bytes, json: parseObject(bytes), tookMs };
  } catch (error) {
    signal.throwIfAborted();
    throw new Unreachable(reasonOf(error, deadline.aborted), { cause: error });
  }
}

/** An address as it may be shown: a query can be a signature. */
export function shown(url: string): string {
  const { origin, pathname, search } = new URL(url);
  return `${origin}${pathname === '/' ? '' : pathname}${search === '' ? '' : '?…'}`;
}

async function readStart(answer: Response, bytesMax: number): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of (answer.body ?? []) as AsyncIterable<Uint8Array>) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes >= bytesMax) break; // which cancels the rest
  }
  return Buffer.concat(chunks).subarray(0, bytesMax);
}

function parseObject(bytes: Buffer): Look['json'] {
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'));
    return typeof value === 'object' && value !== null ? (value as Look['json']) : undefined;
  } catch {
    return undefined;
  }
}

function reasonOf(error: unknown, isLate: boolean): string {
  if (isLate) return `no answer within ${lookTimeoutMs / 1_000} s`;
  const { code: own, cause } = error as { code?: string; cause?: { code?: string; message?: string } };
  const code = cause?.code ?? own ?? cause?.message ?? 'no reason given';
  if (code === 'ECONNREFUSED') return 'nothing listens at this address (ECONNREFUSED)';
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return `its name does not resolve (${code})`;
  if (code === 'bad port') return 'the web’s own rules forbid this port (Fetch standard, “bad port”)';
  if (/CERT|TLS|SSL/.test(code)) return `its TLS certificate or protocol is not accepted (${code})`;
  return code;
}
