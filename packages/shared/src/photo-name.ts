/** The message that makes pieces a photo, as NATS' object store has it (its ADR-20): an object's name, size, digest, and ours. */
import { z } from 'zod';
import type { StoredPhoto } from './photo-store.ts';
import { photoPieceBytesMax, photosBucket } from './streams.ts';

/** `nuid` is what the pieces' subject ends with. */
export function encodeName(
  { id, format, bytes, sha256, pieces }: Omit<StoredPhoto, 'revision'>,
  nuid: string,
): Uint8Array {
  const name = {
    ...{ name: id, bucket: photosBucket, nuid, size: bytes, chunks: pieces.length, deleted: false },
    ...{ mtime: new Date().toISOString(), digest: digestOf(sha256), options: { max_chunk_size: photoPieceBytesMax } },
    metadata: { format, pieces: pieces.join() },
  };
  return new TextEncoder().encode(JSON.stringify(name));
}

const nameSchema = z.object({
  nuid: z.string(),
  size: z.number().int().min(0),
  digest: z.string().regex(/^SHA-256=[\w-]{43}=$/),
  metadata: z.object({
    format: z.enum(['jpeg', 'png', 'webp', 'gif', 'avif', 'heic']),
    pieces: z.string().regex(/^\d+(,\d+)*$/),
  }),
});

/** What a message says of the photo `id`; undefined where it says nothing that can be read. */
export function readName(id: string, { seq, data }: { readonly seq: number; readonly data: Uint8Array }) {
  const { success, data: name } = nameSchema.safeParse(asJson(data));
  if (!success) return undefined;
  const sha256 = Buffer.from(name.digest.slice('SHA-256='.length), 'base64url').toString('hex');
  const { format, pieces } = name.metadata;
  const photo: StoredPhoto = {
    ...{ id, format, bytes: name.size, sha256, revision: seq },
    pieces: pieces.split(',').map(Number),
  };
  return { nuid: name.nuid, photo };
}

function asJson(data: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(data));
  } catch {
    return undefined;
  }
}

/** Where the message that names a photo is published. */
export function nameSubject(id: string): string {
  return `$O.${photosBucket}.M.${padded(Buffer.from(id).toString('base64url'))}`;
}

function digestOf(sha256: string): string {
  return `SHA-256=${padded(Buffer.from(sha256, 'hex').toString('base64url'))}`;
}

/** The format wants base64 for URLs with its padding. */
function padded(base64url: string): string {
  return base64url.padEnd(Math.ceil(base64url.length / 4) * 4, '=');
}
