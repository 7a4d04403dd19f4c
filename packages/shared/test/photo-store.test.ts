/** Photos in NATS' object store, on a real server. */
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Broker, deletePhoto, findPhoto, type NewPhoto, PhotoGone, putPhoto, readPhoto } from '@pet-roast/shared';
import { brokerForTest, natsForTest, type RawNats, rawNats, until } from '@pet-roast/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

const bytesMax = 3_000_000;
let nats: Awaited<ReturnType<typeof natsForTest>>;
let raw: RawNats;
let broker: Broker;

beforeAll(async () => {
  nats = await natsForTest();
  broker = await brokerForTest(nats.url, { photos: { bytesMax, maxAgeMs: 600_000 } });
  raw = await rawNats(nats.url);
});
afterAll(async () => {
  await broker?.close();
  await raw?.[Symbol.asyncDispose]();
  await nats?.close();
});
beforeEach(() => raw.manager.streams.purge('OBJ_photos'));

describe('a photo', () => {
  it.each([1, 1_000, 128 * 1024 - 1, 128 * 1024, 128 * 1024 + 1, 1_500_000])(
    'of %i bytes is read as it was put',
    async (bytes) => {
      const content = randomBytes(bytes);
      const stored = await put('job-1', content);
      expect(await findPhoto(broker.photos, 'job-1')).toEqual(stored);
      expect(stored).toMatchObject({ format: 'jpeg', bytes, sha256: hashOf(content) });
      expect(await read('job-1')).toEqual(content);
    },
  );

  it('is an object that any client of NATS can read', async () => {
    const content = randomBytes(400_000);
    await put('job-1', content);
    const bucket = await raw.connection.jetstream().views.os('photos');
    expect(await bucket.info('job-1')).toMatchObject({ name: 'job-1', size: 400_000, chunks: 4, deleted: false });
    expect(Buffer.from((await bucket.getBlob('job-1')) ?? [])).toEqual(content);
  });

  it('that was never put is not there, and deleting it is no error', async () => {
    expect(await findPhoto(broker.photos, 'job-1')).toBeUndefined();
    await deletePhoto(broker.photos, 'job-1');
  });

  it('that is deleted leaves nothing, and a repeat is no error', async () => {
    await put('job-1', randomBytes(300_000));
    await deletePhoto(broker.photos, 'job-1');
    expect(await findPhoto(broker.photos, 'job-1')).toBeUndefined();
    expect(await held()).toBe(0);
    await deletePhoto(broker.photos, 'job-1');
  });

  it('that is deleted is overwritten on the server’s disk, and its neighbour is not', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'pet-roast-photos-'));
    await using own = await natsForTest({ dataDir });
    const other = await brokerForTest(own.url, { photos: { bytesMax, maxAgeMs: 600_000 } });
    for (const id of ['gone', 'kept'])
      await putPhoto(other.photos, photoOf(id, Buffer.alloc(400_000, `what is ${id}, `)));
    for (const id of ['gone', 'kept']) {
      await until(() => isOnDisk(dataDir, `what is ${id}`), { what: `the photo ${id} on the disk` });
    }
    await deletePhoto(other.photos, 'gone');
    await until(async () => !(await isOnDisk(dataDir, 'what is gone')), { what: 'the photo to be overwritten' });
    expect(await isOnDisk(dataDir, 'what is kept')).toBe(true);
    await other.close();
    await own.close();
    await rm(dataDir, { recursive: true });
  });

  it('that is deleted while it is read says so, instead of being half a photo', async () => {
    const stored = await put('job-1', randomBytes(1_500_000));
    const pieces = readPhoto(broker.photos, stored);
    expect((await pieces.next()).done).toBe(false);
    await deletePhoto(broker.photos, 'job-1');
    await expect(all(pieces)).rejects.toBeInstanceOf(PhotoGone);
  });

  it('whose bytes are not what was stored says so', async () => {
    const stored = await put('job-1', randomBytes(1_000));
    const other = await put('job-2', randomBytes(1_000));
    await expect(all(readPhoto(broker.photos, { ...stored, pieces: other.pieces }))).rejects.toBeInstanceOf(PhotoGone);
  });

  it('that is put again is stored once, and its first revision is no longer there to be deleted', async () => {
    const content = randomBytes(300_000);
    const first = await put('job-1', content);
    const second = await put('job-1', content);
    expect(second.revision).toBeGreaterThan(first.revision);
    expect(await held()).toBe(4);
    await deletePhoto(broker.photos, 'job-1', first.revision);
    expect(await read('job-1')).toEqual(content);
    await deletePhoto(broker.photos, 'job-1', second.revision);
    expect(await held()).toBe(0);
  });

  it('does not take the place of another one with its id, and leaves nothing', async () => {
    const content = randomBytes(1_000);
    await put('job-1', content);
    expect(await putPhoto(broker.photos, photoOf('job-1', randomBytes(300_000)))).toBeUndefined();
    expect(await read('job-1')).toEqual(content);
    expect(await held()).toBe(2);
  });

  it('put by many at once is one photo, whole, and the others’ pieces are gone', async () => {
    const content = randomBytes(300_000);
    const puts = await Promise.allSettled(Array.from({ length: 3 }, () => put('job-1', content)));
    expect(puts.some(({ status }) => status === 'fulfilled')).toBe(true);
    expect(await read('job-1')).toEqual(content);
    expect(await held()).toBe(4);
  });
});

describe('the store', () => {
  it('that is full refuses a photo as a whole, leaves nothing of it, and keeps what it has', async () => {
    const content = randomBytes(1_500_000);
    await put('job-1', content);
    const before = await held();
    const refused = putPhoto(broker.photos, photoOf('job-2', randomBytes(1_000_000)));
    await expect(refused).rejects.toMatchObject({ name: 'BrokerUnavailable', full: true });
    expect(await held()).toBe(before);
    expect(await read('job-1')).toEqual(content);
  });

  it('that fills up while a photo is put deletes what it has of it', async () => {
    // Others are as fast: the first look finds room, the server has none.
    const store = { ...broker.photos, fill: async () => ({ bytes: 0, bytesMax: 1e9 }) };
    const refused = putPhoto(store, photoOf('job-1', randomBytes(3_500_000)));
    await expect(refused).rejects.toMatchObject({ name: 'BrokerUnavailable', full: true });
    expect(await held()).toBe(0);
  });

  it('that does not answer refuses a photo, and what was put of it ages out', async () => {
    await using ageing = await natsForTest();
    const other = await brokerForTest(ageing.url, { photos: { bytesMax, maxAgeMs: 120_000 } });
    await using client = await rawNats(ageing.url);
    // Broken off: the pieces are there, their name is not.
    const store = { ...other.photos, last: () => Promise.reject(new Error('the process dies here')) };
    const dying = { ...store, delete: () => new Promise<never>(() => {}) };
    void putPhoto(dying, photoOf('job-1', randomBytes(300_000))).catch(() => undefined);
    const messages = async () => (await client.manager.streams.info('OBJ_photos')).state.messages;
    await until(async () => (await messages()) === 3, { what: 'the pieces' });
    expect(await findPhoto(other.photos, 'job-1')).toBeUndefined();
    // Time does not pass faster: the same pieces under the shortest age that the server takes.
    const { config } = await client.manager.streams.info('OBJ_photos');
    await client.manager.streams.update('OBJ_photos', {
      ...config,
      max_age: 1_000_000_000,
      duplicate_window: 1_000_000_000,
    });
    await until(async () => (await messages()) === 0, { what: 'the pieces to age out' });
    await other.close();
  });

  it('is there with the limits that it was given, and is bounded by the server too', async () => {
    const { config } = await raw.manager.streams.info('OBJ_photos');
    expect(config).toMatchObject({
      max_bytes: bytesMax,
      max_age: 600_000 * 1_000_000,
      discard: 'new',
      allow_direct: false,
    });
  });

  it('of which a server has no room for keeps nobody from working without', async () => {
    await using small = await natsForTest();
    const told: unknown[] = [];
    const log = { ...silent, error: (fields: unknown) => told.push(fields) } as never;
    const other = await brokerForTest(small.url, { log, photos: { bytesMax: 1e12, maxAgeMs: 600_000 } });
    expect(told).toMatchObject([{ bytes: 1e12 }]);
    expect(await findPhoto(other.photos, 'job-1')).toBeUndefined();
    await deletePhoto(other.photos, 'job-1');
    const refused = putPhoto(other.photos, photoOf('job-1', randomBytes(10)));
    await expect(refused).rejects.toMatchObject({ name: 'BrokerUnavailable' });
    await other.close();
  });
});

const silent = { info: () => {}, warn: () => {}, error: () => {} };

function photoOf(id: string, content: Buffer): NewPhoto {
  // As a socket gives them.
  const parts = Array.from({ length: Math.ceil(content.length / 60_000) }, (_, index) =>
    content.subarray(index * 60_000, (index + 1) * 60_000),
  );
  return { id, format: 'jpeg', bytes: content.length, sha256: hashOf(content), parts };
}

async function put(id: string, content: Buffer) {
  const stored = await putPhoto(broker.photos, photoOf(id, content));
  if (stored === undefined) throw new Error('another photo has this id');
  return stored;
}

async function read(id: string): Promise<Buffer> {
  const stored = await findPhoto(broker.photos, id);
  if (stored === undefined) throw new Error('there is no such photo');
  return Buffer.concat(await all(readPhoto(broker.photos, stored)));
}

async function isOnDisk(folder: string, text: string): Promise<boolean> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const contents = await Promise.all(files.map((file) => readFile(file)));
  return contents.some((content) => content.includes(text));
}

/** Messages in the bucket. */
async function held(): Promise<number> {
  return (await raw.manager.streams.info('OBJ_photos')).state.messages;
}

function hashOf(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}

async function all(pieces: AsyncIterable<Uint8Array>): Promise<Uint8Array[]> {
  const list: Uint8Array[] = [];
  for await (const piece of pieces) list.push(piece);
  return list;
}
