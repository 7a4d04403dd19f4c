/** Photos by upload: the gateway as its own process, with a real NATS and Redis; the test plays the detector. */
import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { startTcpProxy } from '@pet-roast/sandbox';
import { createEvent, findPhoto, putPhoto, subjectOf } from '@pet-roast/shared';
import { type RunningService, spawnService, until } from '@pet-roast/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createPhotoUrls } from '../src/photo-urls.ts';
import {
  formOf,
  imageOf,
  type Part,
  photoSecret,
  publicUrl,
  type UploadTest,
  upload,
  uploadTest,
} from './helpers/uploads.ts';

const imageBytesMax = 600_000;
const alice = 'alice-secret-0123456789abcdef';
const text: Part = ['text', 'My dog is lazy.'];
let t: UploadTest;
let gateway: RunningService;

beforeAll(async () => {
  t = await uploadTest();
  gateway = await t.gateway({ IMAGE_BYTES_MAX: String(imageBytesMax) });
});
afterAll(async () => {
  await t?.[Symbol.asyncDispose]();
});
beforeEach(async () => void (await t.raw.manager.streams.purge('OBJ_photos')));

const receivedOf = async (jobId: string) => (await t.broker.readReceived(jobId)).data;
/** The address of a job's photo, at this machine's gateway instead of the public one. */
const addressOf = async (jobId: string) => (await receivedOf(jobId)).image_url.replace(publicUrl, gateway.url);

describe('an upload', () => {
  it.each(['jpeg', 'png', 'webp', 'gif', 'avif'] as const)(
    'of a %s is accepted, and stored before that',
    async (format) => {
      const photo = imageOf(format, 300_000);
      const { status, body } = await upload(gateway, formOf(text, ['image', photo]));
      expect({ status, stage: body.stage }).toEqual({ status: 202, stage: 'detected' });
      expect(await findPhoto(t.broker.photos, body.job_id)).toMatchObject({ format, bytes: photo.length });
      const answer = await fetch(await addressOf(body.job_id));
      expect(answer.headers.get('content-type')).toBe(`image/${format}`);
      expect(Buffer.from(await answer.arrayBuffer())).toEqual(photo);
    },
  );

  it('makes a job as the same request in JSON does, with the photo at an address of the gateway', async () => {
    const metadata = { user: 42, tags: ['a'] };
    const parts: Part[] = [
      text,
      ['source_language', 'hi'],
      ['target_language', 'ta'],
      ['metadata', JSON.stringify(metadata)],
    ];
    const { body } = await upload(gateway, formOf(['image', imageOf('jpeg')], ...parts));
    const received = await receivedOf(body.job_id);
    expect(received).toMatchObject({ text: text[1], source_language: 'hi', target_language: 'ta', metadata });
    expect(received).toMatchObject({ image_id: body.job_id });
    expect(received.image_url).toMatch(`${publicUrl}/photos/${body.job_id}?expires=`);
    const expires = Number(new URL(received.image_url).searchParams.get('expires')) * 1_000;
    expect(expires).toBeGreaterThan(Date.parse(received.deadline_at));
  });

  it.each([
    ['a path', '../../../etc/passwd'],
    ['a device', 'CON'],
    ['quotes and line breaks', 'a"; filename="b\r\nX-Injected: 1'],
    ['another extension', 'photo.exe'],
    ['10,000 characters', 'x'.repeat(10_000)],
    ['no ASCII', 'मेरा कुत्ता\u202egpj.jpg'],
  ])('whose file name is or has %s is stored under its job’s id all the same', async (_what, name) => {
    const { status, body } = await upload(gateway, formOf(text, ['image', imageOf('jpeg'), name]));
    expect(status).toBe(202);
    expect(await findPhoto(t.broker.photos, body.job_id)).toMatchObject({ id: body.job_id });
    expect(JSON.stringify(await receivedOf(body.job_id))).not.toContain(name.slice(0, 20));
  });

  it('in JSON is none: a photo’s address is taken as before', async () => {
    const body = JSON.stringify({ text: 'x', image_url: 'https://photos.example/1.jpg' });
    const answer = await upload(gateway, body, { 'content-type': 'application/json' });
    expect(answer.status).toBe(202);
    expect(await receivedOf(answer.body.job_id)).not.toHaveProperty('image_id');
    expect(await t.held()).toBe(0);
  });
});

describe('a form', () => {
  const image: Part = ['image', imageOf('jpeg')];
  it.each<[string, Part[], number, string, string | undefined]>([
    ['without a text', [image], 422, 'invalid_field', 'text'],
    ['with an empty text', [['text', ' '], image], 422, 'invalid_field', 'text'],
    ['with a text over 5,000 characters', [['text', 'x'.repeat(5_001)], image], 422, 'invalid_field', 'text'],
    ['with a text over its bytes', [['text', 'x'.repeat(70_000)], image], 422, 'invalid_field', 'text'],
    ['with two texts', [text, image, text], 422, 'invalid_field', 'text'],
    ['with a file for a text', [['text', imageOf('jpeg')], image], 422, 'invalid_field', 'text'],
    ['without a photo', [text], 422, 'invalid_field', 'image'],
    ['with two photos', [text, image, image], 422, 'invalid_field', 'image'],
    ['with a text for a photo', [text, ['image', 'my dog']], 422, 'invalid_field', 'image'],
    [
      'with an address instead',
      [text, ['image_url', 'https://photos.example/1.jpg']],
      422,
      'invalid_field',
      'image_url',
    ],
    ['with an address too', [text, image, ['image_url', 'https://x.example/1.jpg']], 422, 'invalid_field', 'image_url'],
    ['with an unknown field', [text, ['imageUrl', 'x'], image], 422, 'invalid_field', 'imageUrl'],
    ['with an unknown file', [text, image, ['photo', imageOf('png')]], 422, 'invalid_field', 'photo'],
    ['with metadata that is no JSON', [text, ['metadata', '{'], image], 422, 'invalid_field', 'metadata'],
    ['with metadata that is no object', [text, ['metadata', '7'], image], 422, 'invalid_field', 'metadata'],
    [
      'in no known language',
      [text, ['target_language', 'xx'], image],
      422,
      'language_not_supported',
      'target_language',
    ],
    ['with a prototype', [text, ['__proto__', 'x'], image], 400, 'bad_request', undefined],
    ['with a photo without bytes', [text, ['image', Buffer.alloc(0)]], 422, 'image_not_an_image', 'image'],
    ['with a photo of one byte', [text, ['image', Buffer.alloc(1, 0xff)]], 422, 'image_not_an_image', 'image'],
    ['with a text file', [text, ['image', Buffer.from('my dog, in words')]], 422, 'image_not_an_image', 'image'],
    [
      'with SVG',
      [text, ['image', Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>')]],
      422,
      'image_not_an_image',
      'image',
    ],
    ['with PDF', [text, ['image', Buffer.alloc(2_000, '%PDF-1.7 ')]], 422, 'image_not_an_image', 'image'],
    ['with HEIC', [text, ['image', imageOf('heic')]], 422, 'image_not_an_image', 'image'],
    [
      'with a photo that is too large',
      [text, ['image', imageOf('jpeg', imageBytesMax + 1)]],
      422,
      'image_too_large',
      'image',
    ],
  ])('%s is refused with its field, and nothing is stored', async (_what, parts, status, code, field) => {
    const before = await t.jobs();
    const answer = await upload(gateway, formOf(...parts));
    expect({ status: answer.status, code: answer.body.detail.error, field: answer.body.detail.field }).toEqual({
      ...{ status, code, field },
    });
    expect([await t.jobs(), await t.held()]).toEqual([before, 0]);
  });

  it('with HEIC says which formats can be read', async () => {
    const { body } = await upload(gateway, formOf(text, ['image', imageOf('heic')]));
    expect(body.detail).toMatchObject({ suggestion: expect.stringContaining('JPEG, PNG, WebP, GIF or AVIF') });
  });

  it('of 10,000 small parts is refused at the first too many', async () => {
    const answers = await Promise.all([
      upload(gateway, formOf(...Array.from({ length: 10_000 }, (): Part => ['text', 'x']))),
      upload(gateway, formOf(...Array.from({ length: 10_000 }, (_, index): Part => [`field${index}`, 'x']))),
      upload(gateway, formOf(text, ...Array.from({ length: 1_000 }, (): Part => ['image', imageOf('jpeg', 200)]))),
      upload(
        gateway,
        ...rawForm(Array.from({ length: 10_000 }, () => 'Content-Type: text/plain\r\n\r\nx').join('\r\n--b\r\n')),
      ),
    ]);
    expect(answers.map(({ status, body }) => [status, body.detail.error, body.detail.field])).toEqual([
      [422, 'invalid_field', 'text'],
      [422, 'invalid_field', 'field0'],
      [422, 'invalid_field', 'image'],
      [422, 'invalid_field', undefined],
    ]);
    expect(await t.held()).toBe(0);
  });

  it.each([
    ['no boundary', 'x', { 'content-type': 'multipart/form-data' }],
    ['another boundary', '--a\r\n\r\n--a--', { 'content-type': 'multipart/form-data; boundary=b' }],
    ['no end', ...rawForm('Content-Disposition: form-data; name="image"; filename="x.jpg"\r\n\r\n\xff\xd8\xff', '')],
    ['an endless header', ...rawForm(`Content-Disposition: form-data; name="${'x'.repeat(100_000)}"\r\n\r\nx`)],
  ])('that is none, with %s, is refused, and nothing is stored', async (_what, body, headers) => {
    const answer = await upload(gateway, body, headers);
    expect([400, 422]).toContain(answer.status);
    expect(['bad_request', 'invalid_field']).toContain(answer.body.detail.error);
    expect(await t.held()).toBe(0);
  });

  it('to another route is of a type that it does not take', async () => {
    const cancel = await fetch(`${gateway.url}/api/jobs/job-1/cancel`, { method: 'POST', body: formOf(text) });
    expect(cancel.status).toBe(415);
  });

  it('whose photo has no end is refused while it comes, and the gateway goes on', async () => {
    const sent = await streamForm(gateway, imageOf('jpeg'), 40_000_000);
    expect(sent).toMatchObject({ status: 422, body: { detail: { error: 'image_too_large' } } });
    expect(sent.bytes).toBeLessThan(40_000_000);
    expect(await t.held()).toBe(0);
    expect((await upload(gateway, formOf(text, ['image', imageOf('jpeg')]))).status).toBe(202);
  });

  it('whose photo is none by its beginning is refused before the rest has come', async () => {
    const sent = await streamForm(gateway, Buffer.alloc(2_000, 'x'), 40_000_000);
    expect(sent).toMatchObject({ status: 422, body: { detail: { error: 'image_not_an_image' } } });
    expect(sent.bytes).toBeLessThan(40_000_000);
  });
});

describe('the address of a photo', () => {
  it('gives the photo, as one to be shown and nothing else, and to HEAD the same without it', async () => {
    const photo = imageOf('png', 300_000);
    const { body } = await upload(gateway, formOf(text, ['image', photo]));
    const address = await addressOf(body.job_id);
    for (const method of ['GET', 'HEAD']) {
      const answer = await fetch(address, { method });
      expect(answer.status).toBe(200);
      expect(Object.fromEntries(answer.headers)).toMatchObject({
        ...{ 'content-type': 'image/png', 'content-length': '300000', 'content-disposition': 'inline' },
        ...{ 'x-content-type-options': 'nosniff', 'cache-control': 'private' },
      });
      expect(Buffer.from(await answer.arrayBuffer())).toEqual(method === 'GET' ? photo : Buffer.alloc(0));
    }
  });

  it('that is wrong, has expired or leads to no photo is answered alike', async () => {
    const { body } = await upload(gateway, formOf(text, ['image', imageOf('jpeg')]));
    const other = await upload(gateway, formOf(text, ['image', imageOf('jpeg')]));
    const right = new URL(await addressOf(body.job_id));
    const wrong = (change: (url: URL) => void): string => {
      const url = new URL(right);
      change(url);
      return url.href;
    };
    const ours = createPhotoUrls(gateway.url, [photoSecret]);
    const soon = new Date(Date.now() + 60_000);
    const addresses = [
      wrong((url) => url.searchParams.delete('signature')),
      wrong((url) => url.searchParams.delete('expires')),
      wrong((url) => url.searchParams.set('signature', '')),
      wrong((url) => url.searchParams.set('signature', `${right.searchParams.get('signature')?.slice(0, -1)}_`)),
      wrong((url) => url.searchParams.append('signature', 'x')),
      wrong((url) => url.searchParams.set('expires', String(Number(right.searchParams.get('expires')) + 1))),
      wrong((url) => url.searchParams.set('expires', '9'.repeat(40))),
      wrong((url) => url.searchParams.set('expires', 'Infinity')),
      wrong((url) => {
        url.pathname = `/photos/${other.body.job_id}`;
      }),
      createPhotoUrls(gateway.url, ['a-secret-of-somebody']).urlFor(body.job_id, soon),
      ours.urlFor(body.job_id, new Date(Date.now() - 2_000)),
      ours.urlFor('no-such-photo', soon),
      ours.urlFor('../../etc/passwd', soon),
    ];
    const answers = await Promise.all(addresses.map((address) => fetch(address)));
    const bodies = await Promise.all(answers.map((answer) => answer.json() as Promise<{ detail: unknown }>));
    expect(answers.map(({ status }) => status)).toEqual(addresses.map(() => 404));
    expect(new Set(bodies.map(({ detail }) => JSON.stringify(detail))).size).toBe(1);
    expect((await fetch(right)).status).toBe(200);
  });

  it('is good while its secret is among those of the gateway, whichever signs now', async () => {
    const { body } = await upload(gateway, formOf(text, ['image', imageOf('jpeg')]));
    const address = (await receivedOf(body.job_id)).image_url;
    const [rotating, rotated] = await Promise.all([
      t.gateway({ PHOTO_URL_SECRET: `the-next-photo-secret,${photoSecret}` }),
      t.gateway({ PHOTO_URL_SECRET: 'the-next-photo-secret' }),
    ]);
    expect((await fetch(address.replace(publicUrl, rotating.url))).status).toBe(200);
    expect((await fetch(address.replace(publicUrl, rotated.url))).status).toBe(404);
    const next = await upload(rotating, formOf(text, ['image', imageOf('jpeg')]));
    const newAddress = (await receivedOf(next.body.job_id)).image_url;
    expect((await fetch(newAddress.replace(publicUrl, rotated.url))).status).toBe(200);
    await Promise.all([rotating.stop(), rotated.stop()]);
  });

  it('leads nowhere once the job is over, however it ended, and nothing of the photo is left', async () => {
    const outcomes = [
      (id: string) => createEvent('rendered', id, { video_url: 'https://v.example/1.mp4', told_by: 'poll' }),
      (id: string) => createEvent('failed', id, { code: 'render_failed', at: 'settle', notify: true }),
      (id: string) => createEvent('cancelled', id, { notify: true }),
    ];
    for (const outcome of outcomes) {
      const { body } = await upload(gateway, formOf(text, ['image', imageOf('jpeg', 300_000)]));
      const address = await addressOf(body.job_id);
      expect((await fetch(address)).status).toBe(200);
      await t.broker.publish(outcome(body.job_id), 0);
      await until(async () => (await fetch(address)).status === 404, { what: 'the photo to be gone' });
      await until(async () => (await t.held()) === 0, { what: 'its pieces to be gone' });
    }
  });
});

describe('an Idempotency-Key', () => {
  it('with the same form is the same job and the same photo', async () => {
    const headers = { 'idempotency-key': 'same' };
    const form = () => formOf(text, ['image', imageOf('jpeg', 300_000)]);
    const first = await upload(gateway, form(), headers);
    const held = await t.held();
    const revision = (await findPhoto(t.broker.photos, first.body.job_id))?.revision;
    const second = await upload(gateway, form(), headers);
    expect(second).toMatchObject({ status: 202, body: { job_id: first.body.job_id } });
    expect(second.headers.get('idempotency-replayed')).toBe('true');
    expect(await t.held()).toBe(held);
    expect((await findPhoto(t.broker.photos, first.body.job_id))?.revision).toBe(revision);
  });

  it.each<[string, Part[]]>([
    ['another photo', [text, ['image', imageOf('jpeg', 2_001)]]],
    [
      'another text',
      [
        ['text', 'Another'],
        ['image', imageOf('jpeg')],
      ],
    ],
  ])('with %s is refused, and the first photo stays', async (what, parts) => {
    const headers = { 'idempotency-key': `reused with ${what}`.replaceAll(' ', '-') };
    const first = await upload(gateway, formOf(text, ['image', imageOf('jpeg')]), headers);
    const held = await t.held();
    const second = await upload(gateway, formOf(...parts), headers);
    expect(second).toMatchObject({ status: 422, body: { detail: { error: 'idempotency_key_reused' } } });
    expect(await t.held()).toBe(held);
    expect((await fetch(await addressOf(first.body.job_id))).status).toBe(200);
  });

  it('of many forms at once, with two photos, is one job with the photo that it names', async () => {
    const headers = { 'idempotency-key': 'race' };
    const photos = [imageOf('jpeg', 300_000), imageOf('png', 300_001)] as const;
    const answers = await Promise.all(
      Array.from({ length: 6 }, (_, index) =>
        upload(gateway, formOf(text, ['image', index % 2 === 0 ? photos[0] : photos[1]]), headers),
      ),
    );
    const ids = new Set(answers.filter(({ status }) => status === 202).map(({ body }) => body.job_id));
    expect(ids.size).toBe(1);
    for (const { status, body } of answers) {
      if (status !== 202) expect(body.detail.error).toMatch(/^(idempotency_key_reused|unavailable)$/);
    }
    const [jobId = ''] = ids;
    const served = Buffer.from(await (await fetch(await addressOf(jobId))).arrayBuffer());
    const { data } = await t.broker.readReceived(jobId);
    const same = await upload(gateway, formOf(text, ['image', served]), headers);
    expect(same).toMatchObject({ status: 202, body: { job_id: jobId } });
    expect(data.image_id).toBe(jobId);
    expect(await t.held()).toBe(4);
  });

  it('whose job is over makes no second photo', async () => {
    const headers = { 'idempotency-key': 'over' };
    const form = () => formOf(text, ['image', imageOf('jpeg')]);
    const { body } = await upload(gateway, form(), headers);
    await t.broker.publish(
      createEvent('rendered', body.job_id, { video_url: 'https://v.example', told_by: 'poll' }),
      0,
    );
    await until(async () => (await t.held()) === 0, { what: 'the photo to be gone' });
    expect(await upload(gateway, form(), headers)).toMatchObject({ status: 202, body: { job_id: body.job_id } });
    expect(await t.held()).toBe(0);
  });
});

describe('an upload for which there is no room', () => {
  it('in the store is answered 503, and leaves nothing', async () => {
    const large = () => formOf(text, ['image', imageOf('jpeg', 590_000)]);
    for (let photos = 0; photos < 4; photos++) expect((await upload(gateway, large())).status).toBe(202);
    const [held, before] = [await t.held(), await t.jobs()];
    const answer = await upload(gateway, large());
    expect(answer).toMatchObject({ status: 503, body: { detail: { error: 'overloaded' } } });
    expect(answer.headers.get('retry-after')).toMatch(/^\d+$/);
    expect([await t.held(), await t.jobs()]).toEqual([held, before]);
  });

  it('in the gateway is answered 503, and room is made by those that end, in whatever way', async () => {
    const open = await Promise.all(Array.from({ length: 9 }, () => openForm(gateway)));
    // The other eight wait for their photos to go on.
    const [refused] = await Promise.race(open.map((request) => once(request, 'response')));
    expect(refused.statusCode).toBe(503);
    const full = await upload(gateway, formOf(text, ['image', imageOf('jpeg')]));
    expect(full).toMatchObject({ status: 503, body: { detail: { error: 'overloaded' } } });
    expect(full.headers.get('retry-after')).toMatch(/^\d+$/);
    for (const request of open) request.destroy();
    await until(async () => (await upload(gateway, formOf(text, ['image', imageOf('jpeg')]))).status === 202, {
      what: 'a place to be free',
    });
  });
});

describe('an upload that is broken off', () => {
  it('by its caller or by the gateway’s death leaves neither a job nor a photo', async () => {
    const dying = await t.gateway();
    const before = await t.jobs();
    const [left, killed] = [await openForm(dying), await openForm(dying)];
    left.destroy();
    await dying.kill();
    killed.destroy();
    expect([await t.jobs(), await t.held()]).toEqual([before, 0]);
  });

  it('while its caller is looked up takes no place from others', async () => {
    await using proxy = await startTcpProxy({ targetPorts: [t.redisPort] });
    const limited = await t.gateway({
      ...{ REDIS_URL: `redis://127.0.0.1:${proxy.port}`, RATE_LIMIT_JOBS_PER_MINUTE: '1000' },
      API_KEYS: `alice:${alice}`,
    });
    const authorization = `Bearer ${alice}`;
    const send = () => upload(limited, formOf(text, ['image', imageOf('jpeg')]), { authorization });
    await until(async () => (await send()).headers.has('ratelimit-limit'), { what: 'the limits' });
    proxy.delay(150);
    for (let brokenOff = 0; brokenOff < 30; brokenOff += 1) {
      // So little that the gateway goes on reading, and sees the end at once.
      const lines = ['POST /api/generate-video HTTP/1.1', 'host: x', `authorization: ${authorization}`];
      const form = ['content-type: multipart/form-data; boundary=b', 'content-length: 100000', '', '--b\r\n'];
      const socket = connect(Number(new URL(limited.url).port), '127.0.0.1');
      await new Promise((resolve) => socket.write([...lines, ...form].join('\r\n'), resolve));
      socket.destroy();
    }
    proxy.delay(0);
    await until(async () => (await send()).status === 202, { what: 'an upload to be taken' });
  });

  it('because NATS is away is answered 503, and there is neither a job nor a photo once it is back', async () => {
    const before = await t.jobs();
    await t.nats.kill('SIGSTOP');
    const answer = await upload(gateway, formOf(text, ['image', imageOf('jpeg', 300_000)])).finally(() =>
      t.nats.kill('SIGCONT'),
    );
    expect(answer).toMatchObject({ status: 503, body: { detail: { error: 'unavailable' } } });
    expect(await t.jobs()).toBe(before);
    // Pieces that the frozen server finds in its socket when it wakes have no name, and age out.
    const { state } = await t.raw.manager.streams.info('OBJ_photos', { subjects_filter: '$O.photos.M.>' });
    expect(state.subjects ?? {}).toEqual({});
  });

  it('because its job could not be stored is a photo that is deleted', async () => {
    const headers = { 'idempotency-key': 'taken' };
    // The key’s job has its photo elsewhere, and is stored while this photo is on its way.
    const json = JSON.stringify({ text: 'x', image_url: 'https://photos.example/1.jpg' });
    const { status } = await upload(gateway, json, { ...headers, 'content-type': 'application/json' });
    expect(status).toBe(202);
    const answer = await upload(gateway, formOf(text, ['image', imageOf('jpeg')]), headers);
    expect(answer).toMatchObject({ status: 422, body: { detail: { error: 'idempotency_key_reused' } } });
    expect(await t.held()).toBe(0);
  });
});

describe('an erased job', () => {
  it('has no photo left, whoever was to delete it', async () => {
    const { body } = await upload(gateway, formOf(text, ['image', imageOf('jpeg', 300_000)]));
    const jobId = body.job_id;
    await t.broker.publish(createEvent('cancelled', jobId, { notify: false }), 0);
    await until(async () => (await t.held()) === 0, { what: 'the photo to be deleted' });
    // As if that had been missed.
    const photo = imageOf('jpeg', 300_000);
    const again = { id: jobId, format: 'jpeg', bytes: photo.length, sha256: 'a'.repeat(64), parts: [photo] } as const;
    await putPhoto(t.broker.photos, again);
    expect(await t.held()).toBe(4);
    const erase = () => fetch(`${gateway.url}/api/jobs/${jobId}`, { method: 'DELETE' });
    expect((await erase()).status).toBe(204);
    expect(await t.held()).toBe(0);
    expect(await t.broker.readLast(subjectOf('received', jobId))).toMatchObject({ kind: 'erased' });
  });
});

describe('a gateway without an address of its own', () => {
  it('takes no uploads, and says so', async () => {
    const without = await t.gateway({ GATEWAY_PUBLIC_URL: '', PHOTO_URL_SECRET: '' });
    const answer = await upload(without, formOf(text, ['image', imageOf('jpeg')]));
    expect(answer).toMatchObject({ status: 501, body: { detail: { error: 'uploads_not_configured' } } });
    expect((await fetch(`${without.url}/photos/x?expires=9999999999&signature=x`)).status).toBe(404);
  });

  it.each([
    ['GATEWAY_PUBLIC_URL', { PHOTO_URL_SECRET: photoSecret }],
    ['PHOTO_URL_SECRET', { GATEWAY_PUBLIC_URL: publicUrl }],
  ])('or with half of what uploads need does not start, and names %s', async (name, half) => {
    const env = { NATS_URL: t.nats.url, API_KEYS: `a:${'x'.repeat(24)}`, ...half };
    await expect(spawnService({ entry: 'services/gateway/src/main.ts', env })).rejects.toThrow(`${name} is missing`);
  });
});

/** A form of which one photo’s beginning is sent, and no end. */
async function openForm(to: RunningService) {
  const request = httpRequest(`${to.url}/api/generate-video`, { method: 'POST', headers: rawForm('')[1] });
  request.on('error', () => {});
  request.write(
    Buffer.concat([
      Buffer.from('--b\r\nContent-Disposition: form-data; name="image"; filename="x.jpg"\r\n\r\n'),
      imageOf('jpeg', 100_000),
    ]),
  );
  await once(request, 'socket');
  return request;
}

/** Sends a photo with this beginning until it is answered, at most `bytesMax`; says what came, and how much was sent. */
async function streamForm(to: RunningService, beginning: Buffer, bytesMax: number) {
  const request = httpRequest(`${to.url}/api/generate-video`, { method: 'POST', headers: rawForm('')[1] });
  const answered = once(request, 'response');
  let bytes = 0;
  let isAnswered = false;
  void answered.then(() => {
    isAnswered = true;
  });
  request.on('error', () => {});
  request.write('--b\r\nContent-Disposition: form-data; name="image"; filename="x.jpg"\r\n\r\n');
  request.write(beginning);
  const chunk = Buffer.alloc(64 * 1024, 'x');
  while (!isAnswered && bytes < bytesMax) {
    bytes += chunk.length;
    if (!request.write(chunk)) await Promise.race([once(request, 'drain'), answered]);
  }
  const [response] = await answered;
  let body = '';
  for await (const part of response.setEncoding('utf8')) body += part;
  request.destroy();
  return { status: response.statusCode as number, body: JSON.parse(body) as unknown, bytes };
}

/** A form’s body, with parts as they are written here, and its headers. */
function rawForm(parts: string, end = '\r\n--b--\r\n'): [body: Buffer<ArrayBuffer>, headers: Record<string, string>] {
  return [Buffer.from(`--b\r\n${parts}${end}`, 'latin1'), { 'content-type': 'multipart/form-data; boundary=b' }];
}
