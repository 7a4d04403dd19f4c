/**
 * Uploaded photos, kept in JetStream: a photo is its pieces, on a subject of their own, and one message that names them,
 * which is published last, so that there is a whole photo or none. What is broken off ages out of the bucket.
 *
 * It is NATS' object store in format (its ADR-20), so other clients read it, but not by the client's own code, which, as
 * tried: publishes all pieces at once, so that one that times out ends the process; waits for ever for a photo whose
 * pieces are deleted while it is read; and leaves deleted bytes on the disk. Here few pieces are on their way at once,
 * each request has its time, no consumer is needed, and what is deleted is overwritten.
 */
import { createHash, randomUUID } from 'node:crypto';
import { type Broker, BrokerUnavailable } from './broker.ts';
import type { ImageFormat } from './image-format.ts';
import { encodeName, nameSubject, readName } from './photo-name.ts';
import { photoPieceBytesMax, photosBucket } from './streams.ts';

type Store = Broker['photos'];

export type NewPhoto = {
  /** The job's. */
  readonly id: string;
  readonly format: ImageFormat;
  readonly bytes: number;
  /** In hex. */
  readonly sha256: string;
  readonly parts: Iterable<Uint8Array>;
};

export type StoredPhoto = Omit<NewPhoto, 'parts'> & {
  /** Another one once the photo was stored anew. */
  readonly revision: number;
  /** Where its pieces are in the bucket's stream. */
  readonly pieces: readonly number[];
};

/** The photo was deleted, or replaced by itself, while it was read. */
export class PhotoGone extends Error {
  override readonly name = 'PhotoGone';
}

/** Pieces on their way at once, and so in memory: 1 MB. */
const piecesAtOnce = 8;
const replacingTriesMax = 3;
/**
 * More is not put in: what is on its way at the other replicas needs room too, and nats-server 2.9 drops a stream's
 * oldest bytes when a message brings it to its very limit.
 */
const fillMax = 0.8;

/**
 * Stores a photo; with the same content under the same id it takes the place of the one that is there. Gives undefined
 * where another photo has that id. Throws `BrokerUnavailable`, with `full` where there is no room, and leaves nothing.
 */
export async function putPhoto(store: Store, photo: NewPhoto): Promise<StoredPhoto | undefined> {
  const { bytes, bytesMax } = await store.fill();
  if (bytes + photo.bytes > fillMax * bytesMax) {
    throw new BrokerUnavailable('there is no room for another photo', { full: true });
  }
  const nuid = randomUUID();
  const pieces: number[] = [];
  try {
    await putPieces(store, `$O.${photosBucket}.C.${nuid}`, photo.parts, pieces);
    const stored = await putName(store, photo, nuid, pieces);
    if (stored === undefined) await deletePieces(store, pieces);
    return stored;
  } catch (error) {
    // What cannot be deleted now ages out.
    await deletePieces(store, pieces).catch(() => undefined);
    throw error;
  }
}

/** What is kept of a photo, without its bytes; undefined where there is none. Throws `BrokerUnavailable`. */
export async function findPhoto(store: Store, id: string): Promise<StoredPhoto | undefined> {
  const message = await store.last(nameSubject(id));
  return message && readName(id, message)?.photo;
}

/** Its bytes, piece by piece. Throws `PhotoGone` and `BrokerUnavailable`; what came before that is not the photo. */
export async function* readPhoto(store: Store, photo: StoredPhoto): AsyncGenerator<Uint8Array, undefined> {
  const hash = createHash('sha256');
  for (const places of inGroups(photo.pieces)) {
    for (const piece of await Promise.all(places.map((seq) => store.at(seq)))) {
      if (piece === undefined) throw new PhotoGone(`photo ${photo.id} was deleted while it was read`);
      hash.update(piece);
      yield piece;
    }
  }
  if (hash.digest('hex') !== photo.sha256) throw new PhotoGone(`photo ${photo.id} is not what was stored`);
}

/** Deletes a photo, or only the given revision of it; one that is not there is deleted. Throws `BrokerUnavailable`. */
export async function deletePhoto(store: Store, id: string, revision?: number): Promise<void> {
  const message = await store.last(nameSubject(id));
  if (message === undefined || (revision !== undefined && message.seq !== revision)) return;
  await deletePieces(store, readName(id, message)?.photo.pieces ?? []);
  // Last, so that a repeat finds what is left.
  await store.delete(message.seq);
}

async function putPieces(store: Store, subject: string, parts: Iterable<Uint8Array>, stored: number[]): Promise<void> {
  for (const group of inGroups(piecesOf(parts))) {
    const first = stored.length;
    const put = group.map((piece, index) => store.append(subject, piece, { id: `${subject}:${first + index}` }));
    const results = await Promise.allSettled(put);
    for (const result of results) if (result.status === 'fulfilled' && result.value) stored.push(result.value);
    const failed = results.find((result) => result.status === 'rejected');
    if (failed) throw failed.reason;
  }
}

/** Publishes the message that makes the pieces a photo, and deletes what it takes the place of. */
async function putName(
  store: Store,
  { id, format, bytes, sha256 }: NewPhoto,
  nuid: string,
  pieces: readonly number[],
): Promise<StoredPhoto | undefined> {
  const subject = nameSubject(id);
  const content = encodeName({ id, format, bytes, sha256, pieces }, nuid);
  for (let tries = 1; tries <= replacingTriesMax; tries++) {
    const before = await store.last(subject);
    const other = before && readName(id, before);
    if (other && other.photo.sha256 !== sha256) return undefined;
    const after = before?.seq ?? 0;
    const seq = await store.append(subject, content, { id: `${nuid}:${after}`, after });
    // Refused: somebody was faster, or it is our own, stored before its acknowledgement was lost.
    const revision = seq ?? (await ownRevision(store, id, nuid));
    if (revision === undefined) continue;
    if (before) await deleteReplaced(store, before.seq, other?.photo.pieces ?? []);
    return { id, format, bytes, sha256, revision, pieces };
  }
  throw new BrokerUnavailable(`photo ${id} is stored by somebody else at the same time`);
}

async function ownRevision(store: Store, id: string, nuid: string): Promise<number | undefined> {
  const message = await store.last(nameSubject(id));
  return message && readName(id, message)?.nuid === nuid ? message.seq : undefined;
}

/** The new photo is there already; what is left of the old one ages out. */
async function deleteReplaced(store: Store, name: number, pieces: readonly number[]): Promise<void> {
  await deletePieces(store, pieces).catch(() => undefined);
  await store.delete(name).catch(() => undefined);
}

async function deletePieces(store: Store, pieces: readonly number[]): Promise<void> {
  for (const group of inGroups(pieces)) await Promise.all(group.map((seq) => store.delete(seq)));
}

/** The same bytes in pieces of one size; what is behind the pieces taken so far is not touched yet. */
function* piecesOf(parts: Iterable<Uint8Array>): Generator<Uint8Array, undefined> {
  let held: Uint8Array[] = [];
  let heldBytes = 0;
  for (const part of parts) {
    let rest = part;
    while (heldBytes + rest.length >= photoPieceBytesMax) {
      const taken = photoPieceBytesMax - heldBytes;
      yield Buffer.concat([...held, rest.subarray(0, taken)]);
      rest = rest.subarray(taken);
      [held, heldBytes] = [[], 0];
    }
    if (rest.length > 0) held.push(rest);
    heldBytes += rest.length;
  }
  if (heldBytes > 0) yield Buffer.concat(held);
}

function* inGroups<Item>(items: Iterable<Item>): Generator<Item[], undefined> {
  let group: Item[] = [];
  for (const item of items) {
    group.push(item);
    if (group.length < piecesAtOnce) continue;
    yield group;
    group = [];
  }
  if (group.length > 0) yield group;
}
