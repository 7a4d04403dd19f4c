/**
 * What a photo says of the place and the people, in its EXIF, its XMP and its comments, is in no event and no log line: not
 * of a photo that is fine, and not of one whose decoding fails in the middle of all that. The real service, logging all.
 */
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createEvent, subjectOf } from '@pet-roast/shared';
import { brokerForTest, natsForTest, spawnService, until } from '@pet-roast/testing';
import sharp from 'sharp';
import { expect, test } from 'vitest';
import { resolveModels } from '../src/models.ts';
import { pngChunk, withSegments } from './hostile/bytes.ts';

const canary = 'CANARY';
/** Latitude and longitude as EXIF has them, and as anybody would print them. */
const places = ['4812345/100000', '1154321/100000', '4812345', '1154321', '48.12345', '11.54321'];
const petUrl = new URL('../../../packages/sandbox/assets/pet.jpg', import.meta.url);

test('no EXIF, place, XMP or comment of a photo reaches an event or the log, whatever becomes of the photo', async () => {
  const { path: model } = await resolveModels({ ...process.env, MODEL_SECOND_NAME: 'none' });
  const photos = await talkativePhotos();
  await using stack = new AsyncDisposableStack();
  const nats = await natsForTest();
  stack.defer(() => nats.close());
  const host = createServer((request, response) => response.end(photos.get(String(request.url).slice(1))));
  await new Promise<void>((resolve) => host.listen(0, '127.0.0.1', resolve));
  stack.defer(() => void host.close());
  const broker = await brokerForTest(nats.url);
  stack.defer(() => broker.close());
  const env = { SANDBOX: 'true', LOG_LEVEL: 'debug', NATS_URL: nats.url, MODEL_PATH: model };
  const detector = stack.use(await spawnService({ entry: 'services/detector/src/main.ts', env }));

  const told: unknown[] = [];
  for (const name of photos.keys()) {
    const url = `http://127.0.0.1:${(host.address() as AddressInfo).port}/${name}`;
    await broker.publish(receivedAt(url, name), 0);
    const verdict = await until(() => broker.readLast(subjectOf('verdict', name)), { what: `a verdict on ${name}` });
    told.push(verdict, await broker.readLast(subjectOf('outcome', name)));
    expect(verdict, name).toMatchObject(
      name.startsWith('whole') ? { kind: 'detected' } : { kind: 'rejected', data: { code: 'image_not_an_image' } },
    );
  }
  await detector.stop();

  const everything = `${JSON.stringify(told)}\n${detector.output()}`;
  expect(everything).toContain('whole-jpeg');
  expect(everything).toContain('it cannot be decoded');
  for (const secret of [canary, ...places]) expect(everything).not.toContain(secret);
}, 120_000);

/** Photos with a canary in every place that a decoder may read, whole and damaged at their end and in their midst. */
async function talkativePhotos(): Promise<ReadonlyMap<string, Buffer>> {
  const [latitude, longitude] = places;
  const ifd0 = { ImageDescription: canary, Artist: canary, Copyright: canary, Make: canary, Model: canary };
  const exif = {
    IFD0: ifd0,
    IFD2: { UserComment: canary },
    IFD3: { GPSLatitudeRef: 'N', GPSLatitude: `${latitude} 0/1 0/1`, GPSLongitude: `${longitude} 0/1 0/1` },
  };
  const xmp = `<x:xmpmeta xmlns:x="adobe:ns:meta/"><place>${canary} 48.12345 11.54321</place></x:xmpmeta>`;
  const pet = sharp(await readFile(petUrl))
    .withExif(exif)
    .withXmp(xmp);
  const jpeg = withSegments(await pet.clone().jpeg().toBuffer(), [0xfe, Buffer.from(canary)]);
  const png = await pet.clone().png({ compressionLevel: 1 }).toBuffer();
  const webp = await pet.clone().webp().toBuffer();
  for (const file of [jpeg, png, webp]) expect(file.includes(canary)).toBe(true);

  const text = pngChunk('tEXt', Buffer.from(`Comment\0${canary}`));
  const headerEnd = 8 + 25;
  return new Map([
    ['whole-jpeg', jpeg],
    ['whole-png', Buffer.concat([png.subarray(0, headerEnd), text, png.subarray(headerEnd)])],
    ['whole-webp', webp],
    ['half-jpeg', jpeg.subarray(0, jpeg.length / 2)],
    ['half-png', png.subarray(0, png.length / 2)],
    ['half-webp', webp.subarray(0, webp.length / 2)],
    ['torn-jpeg', torn(jpeg)],
    ['torn-png', torn(png)],
  ]);
}

/** Cut off right behind the canary, in the midst of the metadata. */
function torn(file: Buffer): Buffer {
  return file.subarray(0, file.indexOf(canary) + canary.length);
}

function receivedAt(url: string, jobId: string) {
  return createEvent('received', jobId, {
    text: 'woof',
    image_url: url,
    target_language: 'en',
    request_id: jobId,
    request_sha256: 'a'.repeat(64),
    deadline_at: new Date(Date.now() + 600_000).toISOString(),
  });
}
