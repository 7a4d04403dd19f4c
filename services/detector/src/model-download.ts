/** One model file over http(s), bounded in time and bytes, into the cache; nothing unchecked ever has a final name. */
import { createHash, randomUUID } from 'node:crypto';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { EnvHttpProxyAgent, fetch } from 'undici';
import type { ModelFile } from './model-manifest.ts';

const connectTimeoutMs = 10_000;
/** Longest silence before the headers and between two pieces of the body. */
const stallTimeoutMsDefault = 20_000;
/** 36 MB (YOLOX-s) at half a megabit per second. */
const downloadTimeoutMs = 600_000;

export type DownloadProgress = { readonly url: string; readonly receivedBytes: number; readonly totalBytes: number };
export type DownloadOptions = {
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly stallTimeoutMs?: number | undefined;
};

/** The cache's name of a file: its content's sha256, so that a name can never promise other bytes. */
export function cachePath(cacheDir: string, file: Pick<ModelFile, 'sha256'>): string {
  return join(cacheDir, `${file.sha256}.onnx`);
}

/**
 * Downloads `url` into the cache as whichever of `accepted` it is. Proxy variables of the environment are obeyed, except
 * for this machine's own addresses.
 * @returns the path in the cache.
 * @throws Error that says in words what was wrong; also when `signal` ended it.
 */
export async function downloadModel(
  url: string,
  accepted: readonly ModelFile[],
  cacheDir: string,
  options: DownloadOptions = {},
): Promise<string> {
  const { signal, stallTimeoutMs = stallTimeoutMsDefault } = options;
  const deadline = AbortSignal.timeout(downloadTimeoutMs);
  const dispatcher = new EnvHttpProxyAgent({
    connect: { timeout: connectTimeoutMs },
    headersTimeout: stallTimeoutMs,
    bodyTimeout: stallTimeoutMs,
    noProxy: noProxy(process.env['no_proxy'] ?? process.env['NO_PROXY'] ?? ''),
  });
  await mkdir(cacheDir, { recursive: true });
  const partPath = join(cacheDir, `${randomUUID()}.part`);
  try {
    const response = await fetch(url, { dispatcher, signal: signal ? AbortSignal.any([signal, deadline]) : deadline });
    if (!response.ok || response.body === null) throw new Error(`the server answered ${response.status}`);
    const received = await writeBounded(response.body, partPath, accepted, (receivedBytes, totalBytes) =>
      options.onProgress?.({ url, receivedBytes, totalBytes }),
    );
    const match = accepted.find((file) => file.sha256 === received.sha256);
    if (match === undefined) throw new Error(explainMismatch(received, accepted));
    await rename(partPath, cachePath(cacheDir, match));
    return cachePath(cacheDir, match);
  } catch (error) {
    throw new Error(reasonOf(error), { cause: error });
  } finally {
    await rm(partPath, { force: true });
    await dispatcher.destroy();
  }
}

/** What a file is, or has to be. */
export type FileFacts = { readonly bytes: number; readonly sha256: string };

/** What was expected and what was found, for people; hashes by their first 12 digits. */
export function explainMismatch(found: FileFacts, accepted: readonly FileFacts[]): string {
  const expected = accepted.map((file) => `${file.bytes} bytes with sha256 ${file.sha256.slice(0, 12)}…`).join(' or ');
  const sizes = accepted.map((file) => file.bytes);
  const kind = found.bytes < Math.min(...sizes) ? 'it is truncated or another file' : 'it is not the expected file';
  return `${kind}: expected ${expected}, found ${found.bytes} bytes with sha256 ${found.sha256.slice(0, 12)}…`;
}

/** Streams to disk and stops at the first byte beyond the largest accepted size. */
async function writeBounded(
  body: AsyncIterable<Uint8Array>,
  path: string,
  accepted: readonly ModelFile[],
  onBytes: (receivedBytes: number, totalBytes: number) => void,
): Promise<FileFacts> {
  const bytesMax = Math.max(...accepted.map((file) => file.bytes));
  const hash = createHash('sha256');
  const file = await open(path, 'wx');
  let bytes = 0;
  try {
    for await (const chunk of body) {
      bytes += chunk.length;
      if (bytes > bytesMax) throw new Error(`it is larger than the ${bytesMax} bytes expected`);
      hash.update(chunk);
      await file.writeFile(chunk);
      onBytes(bytes, bytesMax);
    }
  } finally {
    await file.close();
  }
  return { bytes, sha256: hash.digest('hex') };
}

/** The environment's exceptions and this machine itself; `*` must stay alone to mean every host. */
function noProxy(exceptions: string): string {
  return exceptions === '*' ? '*' : [exceptions, 'localhost', '127.0.0.1', '[::1]'].filter(Boolean).join(',');
}

/** undici's "fetch failed" and "terminated" say nothing; their cause does. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.cause instanceof Error) return reasonOf(error.cause);
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  return error.message === '' ? (code ?? error.name) : error.message;
}
