/** Gateways that take uploads, forms as backends and others send them, and what the store holds of them. */
import { type Broker, createEvent, isKind, subjectOf } from '@pet-roast/shared';
import {
  brokerForTest,
  natsForTest,
  type RawNats,
  type RunningService,
  rawNats,
  redisForTest,
  spawnService,
} from '@pet-roast/testing';
import { expectDocumented } from './documented.ts';

export const publicUrl = 'https://gateway.example';
export const photoSecret = 'photo-secret-of-this-test';

export type UploadTest = {
  readonly nats: Awaited<ReturnType<typeof natsForTest>>;
  readonly redisPort: number;
  readonly raw: RawNats;
  readonly broker: Broker;
  /** A gateway in the sandbox that is ready. */
  gateway(env?: Readonly<Record<string, string>>): Promise<RunningService>;
  /** Messages in the photos' bucket: none is left of a photo that is deleted. */
  held(): Promise<number>;
  /** How many jobs there are. */
  jobs(): Promise<number>;
  [Symbol.asyncDispose](): Promise<void>;
};

/** A NATS and a Redis of the test's own; in every photo there is a pet. */
export async function uploadTest(): Promise<UploadTest> {
  await using stack = new AsyncDisposableStack();
  const [nats, redis] = await Promise.all([natsForTest(), redisForTest()]);
  stack.use(nats);
  stack.use(redis);
  const broker = await brokerForTest(nats.url);
  stack.defer(broker.close);
  const raw = stack.use(await rawNats(nats.url));
  const detector = await broker.follow('received', (event) => {
    if (isKind(event, 'received'))
      void broker.publish(createEvent('detected', event.job_id, { pets: [], late: false }), 0);
  });
  stack.defer(detector.stop);
  const env = {
    ...{ SANDBOX: 'true', NATS_URL: nats.url, REDIS_URL: redis.url, DETECT_WAIT_MS: '5000' },
    ...{ GATEWAY_PUBLIC_URL: publicUrl, PHOTO_URL_SECRET: photoSecret },
    // All alike: each gateway gives the bucket its own limits.
    ...{ PHOTO_STORE_BYTES_MAX: '3000000' },
  };
  const owned = stack.move();
  return {
    ...{ nats, raw, broker, redisPort: Number(new URL(redis.url).port) },
    async gateway(more = {}) {
      const service = owned.use(
        await spawnService({ entry: 'services/gateway/src/main.ts', env: { ...env, ...more } }),
      );
      await service.ready();
      return service;
    },
    held: async () => (await raw.manager.streams.info('OBJ_photos')).state.messages,
    async jobs() {
      const { state } = await raw.manager.streams.info('JOBS', { subjects_filter: subjectOf('received', '*') });
      return Object.keys(state.subjects ?? {}).length;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

export type Answer = {
  readonly status: number;
  readonly headers: Headers;
  readonly body: {
    readonly job_id: string;
    readonly stage: string;
    readonly detail: { readonly error: string; readonly message: string; readonly field?: string };
  };
};

/** A part of a form: a name and a text, or bytes, which are then a file. */
export type Part = readonly [name: string, value: string | Uint8Array<ArrayBuffer>, fileName?: string];

export function formOf(...parts: readonly Part[]): FormData {
  const form = new FormData();
  for (const [name, value, fileName] of parts) {
    if (typeof value === 'string') form.append(name, value);
    else form.append(name, new Blob([value], { type: 'image/jpeg' }), fileName ?? 'photo.jpg');
  }
  return form;
}

/** Sends it; fails where the answer is not as the OpenAPI document says. */
export async function upload(
  to: RunningService,
  body: string | FormData | Uint8Array<ArrayBuffer>,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const path = '/api/generate-video';
  const answer = await fetch(to.url + path, { method: 'POST', headers, body });
  const { status, headers: answered } = answer;
  return { status, headers: answered, body: (await expectDocumented('POST', path, answer)) as Answer['body'] };
}

const beginnings = {
  jpeg: Buffer.from([0xff, 0xd8, 0xff, 0xe0]),
  png: Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
  webp: Buffer.from('RIFF\0\0\0\0WEBP', 'latin1'),
  gif: Buffer.from('GIF89a'),
  avif: ftyp('avif', 'mif1', 'miaf'),
  heic: ftyp('heic', 'mif1', 'heic'),
} as const;

/** Bytes that begin as an image of a format does; the gateway looks at no more. */
export function imageOf(format: keyof typeof beginnings, bytes = 2_000): Buffer<ArrayBuffer> {
  const image = Buffer.alloc(bytes, format);
  beginnings[format].copy(image);
  return image;
}

function ftyp(...brands: readonly [string, ...string[]]): Buffer {
  const [major, ...compatible] = brands;
  const box = Buffer.from(`\0\0\0\0ftyp${major}\0\0\0\0${compatible.join('')}`, 'latin1');
  box.writeUInt32BE(box.length);
  return box;
}
