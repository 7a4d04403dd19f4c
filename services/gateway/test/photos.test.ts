/** What becomes of a photo when its job cannot be stored, and how many are sent at once; on a real NATS. */
import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import {
  type Broker,
  BrokerUnavailable,
  createLog,
  findPhoto,
  putPhoto,
  type StoredEvent,
  type StoredPhoto,
  subjectOf,
} from '@pet-roast/shared';
import { brokerForTest, natsForTest, until } from '@pet-roast/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createPhotoUrls } from '../src/photo-urls.ts';
import { createPhotos } from '../src/photos.ts';
import { jobIdOf, type ReceiveDeps, receive } from '../src/request-to-received.ts';
import { formOf, imageOf, publicUrl, upload, uploadTest } from './helpers/uploads.ts';

let nats: Awaited<ReturnType<typeof natsForTest>>;
let broker: Broker;

beforeAll(async () => {
  nats = await natsForTest();
  broker = await brokerForTest(nats.url, { photos: { bytesMax: 10_000_000, maxAgeMs: 600_000 } });
});
afterAll(async () => {
  await broker?.close();
  await nats?.close();
});

describe('a photo whose job', () => {
  it.each([
    ['is refused for want of room', new BrokerUnavailable('the job stream is full', { full: true })],
    ['may be stored and is not', new BrokerUnavailable('NATS: publish: TIMEOUT')],
  ])('%s is deleted as soon as the broker says that there is none', async (what, error) => {
    const key = what.replaceAll(' ', '-');
    await expect(receiveWith(() => Promise.reject(error), key)).rejects.toBe(error);
    expect(await photoOf(key)).toBeDefined();
    await until(async () => (await photoOf(key)) === undefined, { what: 'the photo to be deleted' });
  });

  it('may be stored and is, is kept: the job goes on when its caller asks again', async () => {
    const lost = new BrokerUnavailable('NATS: publish: TIMEOUT');
    const storing: Broker['publish'] = async (event, expected) => {
      await broker.publish(event, expected);
      throw lost;
    };
    await expect(receiveWith(storing, 'stored')).rejects.toBe(lost);
    const photo = await photoOf('stored');
    await photosOf(broker).discardWithoutJob(photo as StoredPhoto);
    expect(await photoOf('stored')).toEqual(photo);
    expect(await receiveWith(broker.publish, 'stored')).toMatchObject({ replayed: true, stage: 'detected' });
    expect(await photoOf('stored')).toEqual(photo);
  });

  it('is refused for want of room is kept where another request with its key has the job', async () => {
    const full = new BrokerUnavailable('the job stream is full', { full: true });
    const first: Broker['publish'] = async (event, expected) => {
      // The second one's photo takes the place of the first one's, whose job is stored before the second one's is refused.
      const second: Broker['publish'] = async () => {
        await broker.publish(event, expected);
        throw full;
      };
      await expect(receiveWith(second, 'both')).rejects.toBe(full);
      return broker.publish(event, expected);
    };
    expect(await receiveWith(first, 'both')).toMatchObject({ replayed: false, stage: 'detected' });
    const photo = await photoOf('both');
    expect(photo).toBeDefined();
    // Whoever looked before this one has looked by then.
    await photosOf(broker).discardWithoutJob(photo as StoredPhoto);
    expect(await photoOf('both')).toEqual(photo);
  });

  it('has another photo already, of a request that is on its way, is not stored', async () => {
    const other = imageOf('png', 3_000);
    const id = jobIdOf('another');
    await putPhoto(broker.photos, { id, format: 'png', bytes: 3_000, sha256: 'b'.repeat(64), parts: [other] });
    await expect(receiveWith(broker.publish, 'another')).rejects.toMatchObject({ code: 'idempotency_key_reused' });
    expect(await broker.readLast(subjectOf('received', id))).toBeUndefined();
    expect(await photoOf('another')).toMatchObject({ format: 'png' });
  });
});

describe('photos on their way', () => {
  it('are bounded: one more is asked to come back, and may when one has been read', async () => {
    await using t = await uploadTest();
    const gateway = await t.gateway({ PHOTO_STORE_BYTES_MAX: '100000000' });
    // More than sockets hold, so that a reader who does not read keeps it on its way.
    const { body } = await upload(gateway, formOf(['text', 'x'], ['image', imageOf('jpeg', 15_000_000)]));
    const address = (await t.broker.readReceived(body.job_id)).data.image_url.replace(publicUrl, gateway.url);
    const open = await Promise.all(Array.from({ length: 16 }, () => openAt(address)));
    expect(open.map(({ statusCode }) => statusCode)).toEqual(open.map(() => 200));
    const refused = await fetch(address);
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '2']);
    expect((await fetch(address, { method: 'HEAD' })).status).toBe(200);
    let bytes = 0;
    for await (const chunk of open[0] as AsyncIterable<Buffer>) bytes += chunk.length;
    expect(bytes).toBe(15_000_000);
    await until(async () => (await openAt(address)).statusCode === 200, { what: 'room for another reader' });
    for (const answer of open) answer.destroy();
  });
});

/** Has a photo received under a key, with a publish of its own. */
function receiveWith(publish: Broker['publish'], key: string) {
  const photo = imageOf('jpeg');
  const parts = [photo];
  const image = { format: 'jpeg', bytes: photo.length, sha256: 'a'.repeat(64), parts, drop: () => {} } as const;
  const withPublish = { ...broker, publish };
  const deps: ReceiveDeps = {
    broker: withPublish,
    photos: photosOf(withPublish),
    openJobs: { enter: async () => false, leave: async () => {} },
    verdictOf: async () => ({ kind: 'detected', data: { pets: [], late: false } }) as unknown as StoredEvent,
    refusal: () => undefined,
    ...{ targetLanguage: 'en', detectWaitMs: 1_000, jobDeadlineMs: 60_000 },
  };
  const caller = { name: undefined, requestId: crypto.randomUUID(), idempotencyKey: key };
  return receive({ text: 'My dog is lazy.', image }, caller, deps);
}

function photosOf(own: Broker) {
  const urls = createPhotoUrls('https://gateway.example', ['a-secret-of-this-test']);
  return createPhotos({ broker: own, urls, log: createLog('test', 'silent') });
}

function photoOf(key: string) {
  return findPhoto(broker.photos, jobIdOf(key));
}

/** The answer, of which nothing is read. */
async function openAt(address: string): Promise<IncomingMessage> {
  const request = httpRequest(address, { agent: false });
  request.end();
  const [answer] = (await once(request, 'response')) as [IncomingMessage];
  answer.on('error', () => {});
  return answer;
}
