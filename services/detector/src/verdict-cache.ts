/**
 * What was seen in which photo, so that the same bytes are not looked at twice, and what an address gave last, so that a
 * photo is not downloaded twice from a host that names its versions (`ETag`).
 *
 * What was seen is kept under the hash of the bytes, which is computed here: whoever controls one address decides what it
 * gives, and nothing of what is known of another photo. Addresses are personal data, so there is only a hash of them.
 * Errors are never kept. Nothing depends on the cache: where it fails, or holds what cannot be read, photos are looked at.
 */
import { createHash } from 'node:crypto';
import { petSchema } from '@pet-roast/shared';
import { z } from 'zod';

/** Entries by name, for a while. Neither throws, nor takes long: an entry that cannot be had is not there. */
export type Entries = {
  get(name: string): Promise<string | undefined>;
  /** Returns at once. */
  put(name: string, value: string): void;
};

export type VerdictCache = {
  /** What these bytes showed; undefined where that is not known. */
  find(sha256: string): Promise<Seen | undefined>;
  remember(sha256: string, seen: Seen): void;
  /** The version that an address gave last, and the hash of its bytes. */
  findDownload(url: string): Promise<Download | undefined>;
  rememberDownload(url: string, download: Download): void;
};

/** What a photo shows, with its size in bytes. */
export type Seen = z.infer<typeof seenSchema>;
export type Download = z.infer<typeof downloadSchema>;

/** Counted up with every change to models, decoding, looks or decision that changes what is seen in a photo. */
const decisionVersion = 4;
/** A verdict with the most pets that are reported, 20, has 2,600. */
const entryCharsMax = 16_384;

const count = z.number().int().min(0);
const seenSchema = z.object({
  pets: z.array(petSchema).max(100),
  best_score: z.number().min(0).max(1),
  width: count,
  height: count,
  model: z.string(),
  bytes: count,
});
const downloadSchema = z.object({ etag: z.string().min(1).max(256), sha256: z.string().regex(/^[0-9a-f]{64}$/) });

/** What another model, or another threshold, has seen is not what this detector would see. */
export function createVerdictCache(
  entries: Entries,
  judge: { readonly model: string; readonly scoreMin: number },
): VerdictCache {
  const judgeHash = hashOf(JSON.stringify([decisionVersion, judge.model, judge.scoreMin])).slice(0, 16);
  const seenName = (sha256: string): string => `seen:${judgeHash}:${sha256}`;
  const urlName = (url: string): string => `url:${hashOf(url)}`;

  return {
    find: async (sha256) => read(seenSchema, await entries.get(seenName(sha256))),
    remember: (sha256, seen) => put(seenName(sha256), seenSchema.parse(seen)),
    findDownload: async (url) => read(downloadSchema, await entries.get(urlName(url))),
    rememberDownload: (url, download) => put(urlName(url), download),
  };

  function put(name: string, value: Seen | Download): void {
    const text = JSON.stringify(value);
    if (text.length <= entryCharsMax) entries.put(name, text);
  }
}

/** In hex. */
export function hashOf(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}

/** An entry that is no such thing is none: Redis is not ours alone. */
function read<Schema extends z.ZodType>(schema: Schema, text: string | undefined): z.output<Schema> | undefined {
  if (text === undefined || text.length > entryCharsMax) return undefined;
  try {
    return schema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
