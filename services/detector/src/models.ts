/** The models that a detector opens: the first, which must be there, and the one of the further looks, which should be. */
import { dirname, resolve } from 'node:path';
import type { DownloadOptions } from './model-download.ts';
import {
  type ModelFileOptions,
  ModelUnavailable,
  modelCacheDirDefault,
  type ResolvedModel,
  resolveModelFile,
} from './model-file.ts';
import { embeddedModel, type ModelEntry, modelEntry, secondEntry } from './model-manifest.ts';

/** The settings by their variables; an empty one is an unset one. */
export type ModelSettings = {
  readonly MODEL_NAME?: string | undefined;
  readonly MODEL_PATH?: string | undefined;
  /** `none` for the first look alone. */
  readonly MODEL_SECOND_NAME?: string | undefined;
  readonly MODEL_SECOND_PATH?: string | undefined;
  readonly MODEL_MIRROR?: string | undefined;
  readonly MODEL_CACHE_DIR?: string | undefined;
};
export type FoundModel = ResolvedModel & { readonly entry: ModelEntry };
export type Models = FoundModel & {
  readonly second?: FoundModel;
  /** Why the embedded model judges and not the default one: for the log, once. */
  readonly embeddedBecause?: string;
  /** Why there is no second model although one is named: for the log, once. */
  readonly secondMissing?: string;
};

/**
 * The files of both models, checked. Without the second's the first look decides alone, as `secondMissing` then says.
 *
 * Where no model is named and the default one cannot be had, the embedded model takes its place, as `embeddedBecause`
 * then says. A MODEL_PATH that is the embedded model's file means that model, so that a path from here can be handed on.
 *
 * Where MODEL_PATH names the first, the second is looked for beside it, in the cache and in the mirror, and not
 * downloaded: whoever brings the file has a reason. `secondTimeoutMs` bounds the search for the second alone.
 * @throws ModelUnavailable when MODEL_NAME names a model that cannot be had. ModelRejected as `resolveModelFile`, for
 * MODEL_SECOND_PATH too.
 * @throws Error when a name is not in the manifest.
 */
export async function resolveModels(
  settings: ModelSettings,
  options: DownloadOptions & { readonly secondTimeoutMs?: number } = {},
): Promise<Models> {
  const { secondTimeoutMs, ...download } = options;
  const where = { ...download, cacheDir: settings.MODEL_CACHE_DIR || modelCacheDirDefault };
  const mirrors = settings.MODEL_MIRROR ? [settings.MODEL_MIRROR] : [];
  const path = settings.MODEL_PATH || undefined;
  const first = await firstModel(settings.MODEL_NAME || undefined, { ...where, modelPath: path, mirrors });
  const { entry } = first;
  const secondOne = secondEntry(entry, settings.MODEL_SECOND_NAME || undefined);
  if (secondOne === undefined) return first;

  const deadline = secondTimeoutMs === undefined ? undefined : AbortSignal.timeout(secondTimeoutMs);
  const signals = [options.signal, deadline].filter((signal) => signal !== undefined);
  try {
    const second = await resolveModelFile({
      ...where,
      entry: secondOne,
      modelPath: settings.MODEL_SECOND_PATH,
      modelPathName: 'MODEL_SECOND_PATH',
      mirrors: path === undefined ? mirrors : [dirname(resolve(path)), ...mirrors],
      mayDownload: path === undefined,
      signal: signals.length === 0 ? undefined : AbortSignal.any(signals),
    });
    return { ...first, second: { entry: secondOne, ...second } };
  } catch (error) {
    const tookTooLong = deadline?.aborted === true && options.signal?.aborted !== true;
    if (!(error instanceof ModelUnavailable) && !tookTooLong) throw error;
    const why = tookTooLong ? `it was not had within ${secondTimeoutMs} ms` : (error as Error).message;
    return { ...first, secondMissing: `${entry.name} looks alone, without ${secondOne.name}: ${why}` };
  }
}

type FirstModel = FoundModel & Pick<Models, 'embeddedBecause'>;

async function firstModel(name: string | undefined, where: Omit<ModelFileOptions, 'entry'>): Promise<FirstModel> {
  const embedded = embeddedModel();
  const pathIsEmbedded = where.modelPath !== undefined && resolve(where.modelPath) === embedded.path;
  const entry = name === undefined && pathIsEmbedded ? embedded.entry : modelEntry(name);
  try {
    return { entry, ...(await resolveModelFile({ ...where, entry })) };
  } catch (error) {
    if (name !== undefined || !(error instanceof ModelUnavailable)) throw error;
    const found = await resolveModelFile({ ...where, entry: embedded.entry });
    const because = `${embedded.entry.name}, which ships with the detector, judges, and finds less: ${error.message}`;
    return { entry: embedded.entry, ...found, embeddedBecause: because };
  }
}
