/** A job's photo to what is seen in it: had from where it is, and looked at unless what it shows is known. */
import { createCounter, type Fetched, type FetchOptions, type Pet } from '@pet-roast/shared';
import { hashOf, type Seen, type VerdictCache } from './verdict-cache.ts';

/** What was seen in a photo. */
export type Sighting = {
  readonly pets: readonly Pet[];
  readonly best_score: number;
  readonly width: number;
  readonly height: number;
  readonly model: string;
};

export type SeeDeps = {
  /** As `GuardedFetch`: with an `etag`, says where the photo has not changed since. */
  readonly fetchImage: (url: string, options: FetchOptions & { readonly etag: string | undefined }) => Promise<Fetched>;
  /** The bytes of an uploaded photo. */
  readonly readUpload: (id: string) => Promise<Uint8Array>;
  /** Looks at a photo; absent where there is no model, in the sandbox alone. */
  readonly look: ((bytes: Uint8Array) => Promise<Sighting>) | undefined;
  /** Absent without Redis: then every photo is downloaded and looked at. */
  readonly cache: VerdictCache | undefined;
};

type Photo = { readonly image_url: string; readonly image_id?: string | undefined };

const counted = createCounter<'known' | 'not_modified' | 'looked_at'>(
  'pet_roast_photos_seen_total',
  'Photos by how it was known what they show: known bytes, not even downloaded, or looked at',
  'how',
);

/**
 * What a photo shows; undefined where there is no model. Throws what `fetchImage`, `readUpload` and `look` throw, none of
 * which is remembered.
 */
export async function seePhoto(photo: Photo, signal: AbortSignal, deps: SeeDeps): Promise<Seen | undefined> {
  const { cache } = deps;
  if (photo.image_id !== undefined) return seeBytes(await deps.readUpload(photo.image_id), deps);
  const download = await cache?.findDownload(photo.image_url);
  // The host is asked whether the photo has changed only where the answer "no" is enough.
  const known = download && (await cache?.find(download.sha256));
  const fetched = await deps.fetchImage(photo.image_url, { signal, etag: known && download.etag });
  if (!fetched.notModified) {
    const seen = await seeBytes(fetched.bytes, deps);
    if (seen && fetched.etag !== undefined) {
      cache?.rememberDownload(photo.image_url, { etag: fetched.etag, sha256: hashOf(fetched.bytes) });
    }
    return seen;
  }
  counted('not_modified');
  return known;
}

async function seeBytes(bytes: Uint8Array, { cache, look }: SeeDeps): Promise<Seen | undefined> {
  if (look === undefined) return undefined;
  const sha256 = hashOf(bytes);
  const known = await cache?.find(sha256);
  if (known) {
    counted('known');
    return known;
  }
  const { pets, best_score, width, height, model } = await look(bytes);
  counted('looked_at');
  const seen = { pets: [...pets], best_score, width, height, model, bytes: bytes.length };
  cache?.remember(sha256, seen);
  return seen;
}
