/** Uploaded photos on their whole way, through the five real processes, the real model, NATS and Redis. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createEvent, deletePhoto } from '@pet-roast/shared';
import { brokerForTest, type RawNats, rawNats, startTestSystem, type TestSystem, until } from '@pet-roast/testing';
import sharp from 'sharp';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { apiOf, type Body } from './helpers/api.ts';

let pet: Buffer<ArrayBuffer>;
let edge: Edge;
let t: TestSystem;
let raw: RawNats;
let api: ReturnType<typeof apiOf>;

beforeAll(async () => {
  pet = Buffer.from(await readFile(new URL('../packages/sandbox/assets/pet.jpg', import.meta.url)));
  edge = await startEdge();
  t = await startTestSystem({ env: { GATEWAY_PUBLIC_URL: edge.url } });
  edge.leadTo(t.system.gatewayUrl);
  raw = await rawNats(t.nats.url);
  api = apiOf(t);
});
afterAll(async () => {
  await raw?.[Symbol.asyncDispose]();
  await t?.[Symbol.asyncDispose]();
  await edge?.close();
});
beforeEach(async () => {
  await t.settled();
  t.world.backend.clearDeliveries();
  t.world.revid.clearFaults();
  edge.forget();
});

async function upload(
  photo: Buffer<ArrayBuffer>,
  more: Record<string, string> = {},
): Promise<{ status: number; body: Body }> {
  const form = new FormData();
  for (const [name, value] of Object.entries({ text: 'My dog is lazy.', ...more })) form.append(name, value);
  form.append('image', new Blob([photo], { type: 'image/jpeg' }), 'bruno.jpg');
  return api.call('/api/generate-video', { method: 'POST', body: form });
}

/** Messages in the photos' bucket. */
const held = async () => (await raw.manager.streams.info('OBJ_photos')).state.messages;
const untilNothingIsHeld = () => until(async () => (await held()) === 0, { what: 'the photo to be deleted' });

describe('an uploaded photo', () => {
  it('of a pet becomes a delivered video, which the vendor made of the photo at its signed address', async () => {
    const { status, body } = await upload(pet, { metadata: '{"user":42}' });
    expect({ status, body }).toMatchObject({ status: 202, body: { status: 'queued', stage: 'detected' } });

    const view = await api.ended(body.job_id);
    expect(view).toMatchObject({ status: 'completed', stage: 'notified' });
    expect(view.detection?.pets[0]).toMatchObject({ label: expect.stringMatching(/^(dog|cat)$/) });
    expect(api.webhooks(body.job_id)).toMatchObject([{ signature_valid: true, body: { status: 'completed' } }]);

    // The detector has it from NATS: the vendor alone came to the address.
    expect(edge.served).toMatchObject([{ path: `/photos/${body.job_id}`, status: 200, sha256: hashOf(pet) }]);
    expect(edge.served[0]?.query).toMatch(/^expires=\d+&signature=[\w-]{43}$/);
    await untilNothingIsHeld();
    const [again] = edge.served;
    expect((await fetch(`${t.system.gatewayUrl}${again?.path}?${again?.query}`)).status).toBe(404);
  });

  it('without a pet is answered with 400, and is not kept', async () => {
    const { status, body } = await upload(await sky('jpeg'));
    expect({ status, error: body.detail.error }).toEqual({ status: 400, error: 'no_pets_detected' });
    await untilNothingIsHeld();
    expect(t.world.backend.deliveries()).toEqual([]);
  });

  it.each<[string, () => Promise<Buffer<ArrayBuffer>>]>([
    ['that is broken behind its first bytes', async () => Buffer.concat([pet.subarray(0, 2_000), Buffer.alloc(9_000)])],
    ['that is cut off', async () => Buffer.from(pet.subarray(0, pet.length / 2))],
  ])('%s is answered with 422 and its field, and is not kept', async (_what, photo) => {
    const answer = await upload(await photo());
    expect(answer).toMatchObject({ status: 422, body: { detail: { error: 'image_not_an_image', field: 'image' } } });
    await untilNothingIsHeld();
  });

  it('as AVIF is accepted, and HEIC is refused with the same words whether it is uploaded or fetched', async () => {
    const avif = Buffer.from(await sharp(pet).resize(640).avif({ effort: 0 }).toBuffer());
    expect((await upload(avif)).status).toBe(202);
    const heic = Buffer.alloc(2_000);
    Buffer.from('\0\0\0\x18ftypheic\0\0\0\0mif1heic', 'latin1').copy(heic);
    const uploaded = await upload(heic);
    const fetched = await api.generate({ image_url: t.world.images.add('photo.heic', heic) });
    const said = ({ body }: { body: Body }) => ({ ...(body.detail as object), field: undefined });
    expect([uploaded.status, fetched.status]).toEqual([422, 422]);
    expect(said(uploaded)).toEqual(said(fetched));
    expect(said(uploaded)).toMatchObject({ suggestion: expect.stringContaining('JPEG, PNG, WebP, GIF or AVIF') });
  });

  it('whose verdict is late is kept until the job is over, and the backend is told', async () => {
    const detector = t.system.service('detector').pid;
    process.kill(detector, 'SIGSTOP');
    const { status, body } = await upload(await sky('png')).finally(() => process.kill(detector, 'SIGCONT'));
    expect({ status, stage: body.stage }).toEqual({ status: 202, stage: 'received' });
    expect(await api.ended(body.job_id)).toMatchObject({ status: 'failed', error: { error: 'no_pets_detected' } });
    await untilNothingIsHeld();
  });

  it('that is gone before it was looked at fails its job with a code that says so', async () => {
    const detector = t.system.service('detector').pid;
    const broker = await brokerForTest(t.nats.url);
    process.kill(detector, 'SIGSTOP');
    const { body } = await upload(pet);
    await deletePhoto(broker.photos, body.job_id).finally(() => process.kill(detector, 'SIGCONT'));
    await broker.close();
    expect(await api.ended(body.job_id)).toMatchObject({ status: 'failed', error: { error: 'image_gone' } });
    expect(api.webhooks(body.job_id)).toMatchObject([{ body: { status: 'failed', error_code: 'image_gone' } }]);
  });

  it('of a cancelled job is deleted, and so is one of a job whose deadline passed', async () => {
    t.world.revid.pushFaults({ at: 'render', kind: 'behave', behaviour: { result: 'never' }, times: 2 });
    const cancelled = await upload(pet);
    await api.reaches(cancelled.body.job_id, 'rendering');
    expect((await api.cancel(cancelled.body.job_id)).status).toBe(202);
    await untilNothingIsHeld();
    const overdue = await upload(pet);
    await api.reaches(overdue.body.job_id, 'rendering');
    const broker = await brokerForTest(t.nats.url);
    await broker.publish(
      createEvent('failed', overdue.body.job_id, { code: 'deadline_exceeded', at: 'expire', notify: true }),
      0,
    );
    await broker.close();
    await untilNothingIsHeld();
  });
});

describe('the replay of a job whose photo was uploaded', () => {
  it('ends with a code that says that the photo is gone, told by webhook, instead of hanging', async () => {
    t.world.revid.pushFaults({ at: 'render', kind: 'refused_200', times: 1 });
    const { body } = await upload(pet);
    const jobId = body.job_id;
    expect(await api.ended(jobId)).toMatchObject({ error: { error: 'render_account_refused' } });
    await untilNothingIsHeld();
    const letters = await api.admin<{ letters: { id: number }[] }>(`/dead-letters?job_id=${jobId}`);
    const id = letters.body.letters[0]?.id;
    expect((await api.admin(`/dead-letters/${id}/replay`, {})).status).toBe(200);
    const told = () => api.webhooks(jobId).map(({ body: said }) => (said as { error_code: string }).error_code);
    await until(() => told().length === 2, { what: 'the second webhook', timeoutMs: 20_000 });
    expect(told()).toEqual(['render_account_refused', 'image_gone']);
    expect(api.renders(jobId)).toEqual([]);
  });
});

describe('a detector that dies with an uploaded photo in hand', () => {
  it('has it again when it is back, and the job is completed', async () => {
    await t.system.kill('detector');
    const { body } = await upload(pet);
    expect(body.stage).toBe('received');
    await t.system.start('detector');
    expect(await api.ended(body.job_id)).toMatchObject({ status: 'completed' });
    await untilNothingIsHeld();
  });
});

type Served = { readonly path: string; readonly query: string; readonly status: number; readonly sha256: string };
type Edge = Awaited<ReturnType<typeof startEdge>>;

/** The gateway's public address, as a proxy that writes down what it has served. */
async function startEdge() {
  const served: Served[] = [];
  let target = '';
  const server = createServer(async (request, response) => {
    const answer = await fetch(target + request.url);
    const bytes = Buffer.from(await answer.arrayBuffer());
    const [path = '', query = ''] = (request.url ?? '').split('?');
    served.push({ path, query, status: answer.status, sha256: hashOf(bytes) });
    response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? '' }).end(bytes);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    served: served as readonly Served[],
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    leadTo(url: string) {
      target = url;
    },
    forget: () => void served.splice(0),
    close: () => new Promise<unknown>((resolve) => server.close(resolve)),
  };
}

function hashOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

async function sky(format: 'jpeg' | 'png'): Promise<Buffer<ArrayBuffer>> {
  const picture = sharp({ create: { width: 640, height: 480, channels: 3, background: '#87b5e0' } });
  return Buffer.from(await picture.toFormat(format).toBuffer());
}
