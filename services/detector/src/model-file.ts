/**
 * Where the model's file comes from. In this order: `MODEL_PATH` (if set, nothing else is tried: whoever names a file
 * wants that file), the detector's own folder for the embedded model, the cache, `MODEL_MIRROR`, the manifest's own
 * addresses. Whatever the way, the bytes are checked against the manifest's sha256 every time, also those of the cache.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cachePath, type DownloadOptions, downloadModel, explainMismatch, type FileFacts } from './model-download.ts';
import type { ModelEntry, ModelFile } from './model-manifest.ts';

/** `.cache/models` in the project's root, shared by everything that is started from this checkout. */
export const modelCacheDirDefault = fileURLToPath(new URL('../../../.cache/models', import.meta.url));

export type ModelSource = 'path' | 'embedded' | 'cache' | 'mirror' | 'download';
export type ResolvedModel = {
  readonly path: string;
  readonly source: ModelSource;
  /** What was tried before it and did not work; a damaged cache or mirror shows here. */
  readonly failedBefore: readonly ModelAttempt[];
};
export type ModelAttempt = { readonly source: ModelSource; readonly where: string; readonly why: string };
export type ModelFileOptions = DownloadOptions & {
  readonly entry: ModelEntry;
  readonly cacheDir: string;
  readonly modelPath?: string | undefined;
  /** The setting that `modelPath` comes from, for messages; unset: MODEL_PATH. */
  readonly modelPathName?: string | undefined;
  /** Folders, or the file:// or http(s) addresses of some, that hold the file under its base name or the model's name. */
  readonly mirrors?: readonly string[] | undefined;
  /** False: the manifest's own addresses are not tried. */
  readonly mayDownload?: boolean | undefined;
};

/** Nothing worked; `attempts` says what was tried and why it failed, and the message says so in plain words. */
export class ModelUnavailable extends Error {
  override readonly name = 'ModelUnavailable';
  readonly attempts: readonly ModelAttempt[];

  constructor(entry: ModelEntry, attempts: readonly ModelAttempt[]) {
    super([`The detection model ${entry.name} cannot be had.`, ...attempts.map(tell), advise(entry)].join('\n'));
    this.attempts = attempts;
  }
}

/** The file that MODEL_PATH names is missing or not the model: a mistake to correct, not to work around. */
export class ModelRejected extends Error {
  override readonly name = 'ModelRejected';
}

/**
 * A checked file of the model. Downloads go to `cacheDir` under their sha256; a mirror folder's file is used in place.
 * @throws ModelRejected when `modelPath` is set and its file is missing or has another sha256 than the entry lists.
 * @throws ModelUnavailable when no source has the file. The reason of `signal` when that is aborted.
 */
export async function resolveModelFile(options: ModelFileOptions): Promise<ResolvedModel> {
  const { entry, modelPath, modelPathName = 'MODEL_PATH' } = options;
  if (modelPath) return { path: await namedFile(modelPath, entry, modelPathName), source: 'path', failedBefore: [] };

  const failed: ModelAttempt[] = [];
  for (const { source, where, take } of sourcesOf({ ...options, cacheDir: resolve(options.cacheDir) })) {
    options.signal?.throwIfAborted();
    try {
      const path = await take();
      if (path !== undefined) return { path, source, failedBefore: failed };
    } catch (error) {
      options.signal?.throwIfAborted();
      failed.push({ source, where, why: error instanceof Error ? error.message : String(error) });
    }
  }
  throw new ModelUnavailable(entry, failed);
}

/** One place to look; `take` gives the checked file's path, nothing when there is none there, or throws why not. */
type Source = {
  readonly source: ModelSource;
  readonly where: string;
  readonly take: () => Promise<string | undefined>;
};

function sourcesOf(options: ModelFileOptions): Source[] {
  const { entry, cacheDir, mirrors = [], mayDownload = true, ...download } = options;
  const { files } = entry;
  return [
    ...embeddedOf(entry),
    ...files.map((file): Source => {
      const where = cachePath(cacheDir, file);
      return { source: 'cache', where, take: () => fromCache(where, file) };
    }),
    ...(files.length === 0 ? [] : mirrors).map((mirror) =>
      firstOf(namesInMirror(entry).map((name) => fromMirror(mirror, name, files, cacheDir, download))),
    ),
    ...(mayDownload ? files : []).map(
      (file): Source => ({
        source: 'download',
        where: file.url,
        take: () => downloadModel(file.url, [file], cacheDir, download),
      }),
    ),
  ];
}

function embeddedOf({ embedded }: ModelEntry): Source[] {
  if (embedded === undefined) return [];
  const where = fileURLToPath(new URL(`../${embedded.path}`, import.meta.url));
  return [{ source: 'embedded', where, take: () => checkedFile(where, [embedded]) }];
}

/** As the files are called at their source, as the model is called here (`yolox_nano.onnx`), and as in a cache. */
function namesInMirror({ name, files }: ModelEntry): string[] {
  const atSource = files.map((file) => basename(new URL(file.url).pathname));
  const asCached = files.map(({ sha256 }) => `${sha256}.onnx`);
  return [...new Set([...atSource, `${name.replaceAll('-', '_')}.onnx`, ...asCached])];
}

/** One place under several names, in order; when none has it the first says why. */
function firstOf([first, ...others]: readonly Source[]): Source {
  if (first === undefined) throw new Error('a mirror is asked for no name');
  const take = async () => {
    try {
      return await first.take();
    } catch (error) {
      for (const other of others) {
        const path = await other.take().catch(() => undefined);
        if (path !== undefined) return path;
      }
      throw error;
    }
  };
  return { ...first, take };
}

async function fromCache(path: string, file: ModelFile): Promise<string | undefined> {
  const facts = await factsOf(path);
  if (facts === undefined) return undefined;
  if (facts.sha256 === file.sha256) return path;
  await rm(path, { force: true });
  throw new Error(`${explainMismatch(facts, [file])}; the damaged file was removed`);
}

function fromMirror(
  mirror: string,
  name: string,
  files: readonly ModelFile[],
  cacheDir: string,
  download: DownloadOptions,
): Source {
  if (/^https?:/i.test(mirror)) {
    const url = new URL(name, mirror.endsWith('/') ? mirror : `${mirror}/`).href;
    return { source: 'mirror', where: url, take: () => downloadModel(url, files, cacheDir, download) };
  }
  const where = join(/^file:/i.test(mirror) ? fileURLToPath(mirror) : resolve(mirror), name);
  return { source: 'mirror', where, take: () => checkedFile(where, files) };
}

async function namedFile(modelPath: string, entry: ModelEntry, setting: string): Promise<string> {
  const path = resolve(modelPath);
  try {
    return await checkedFile(path, [...entry.files, ...(entry.embedded ? [entry.embedded] : [])]);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new ModelRejected(
      `${setting}: ${path} cannot be used as ${entry.name}: ${why}. ` +
        `Correct ${setting} or ${setting.replace('PATH', 'NAME')}, or unset ${setting} to use the cache, MODEL_MIRROR or the download.`,
      { cause: error },
    );
  }
}

/** An entry without files has nothing to check against: the file only has to exist. */
async function checkedFile(path: string, accepted: readonly FileFacts[]): Promise<string> {
  const facts = await factsOf(path);
  if (facts === undefined) throw new Error('there is no such file');
  if (accepted.length === 0 || accepted.some((file) => file.sha256 === facts.sha256)) return path;
  throw new Error(explainMismatch(facts, accepted));
}

/** Size and hash, read in pieces; undefined when there is no file. */
async function factsOf(path: string): Promise<FileFacts | undefined> {
  const hash = createHash('sha256');
  let bytes = 0;
  try {
    for await (const chunk of createReadStream(path)) {
      hash.update(chunk);
      bytes += chunk.length;
    }
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR'))
      return undefined;
    throw error;
  }
  return { bytes, sha256: hash.digest('hex') };
}

function tell({ source, where, why }: ModelAttempt): string {
  return `- ${source} ${where}: ${why}`;
}

function advise(entry: ModelEntry): string {
  if (entry.files.length === 0)
    return `${entry.name} is not distributed (${entry.licence}). Set MODEL_PATH to your file.`;
  const names = [...new Set(entry.files.map((file) => basename(file.url)))].join(' or ');
  return `Connect to the network and try again, or get ${names} elsewhere and set MODEL_PATH to it or MODEL_MIRROR to its folder.`;
}
