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
  it('is refused for want of room is deleted before that is answered', async () => {
    const full = new BrokerUnavailable('the job stream is full', { full: true });
    await expect(receiveWith(() => Promise.reject(full), 'full')).rejects.toBe(full);
    expect(await photoOf('full')).toBeUndefined();
  });

  it('may be stored and is not is deleted as soon as the broker says so', async () => {
    const lost = new BrokerUnavailable('NATS: publish: TIMEOUT');
    await expect(receiveWith(() => Promise.reject(lost), 'lost')).rejects.toBe(lost);
    expect(await photoOf('lost')).toBeDefined();
    await until(async () => (await photoOf('lost')) === undefined, { what: 'the photo to be deleted' });
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
