/** A web server with photos, and with the ways in which an image address can be wrong. */
import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { addControls } from './controls.ts';
import { hang } from './faults.ts';
import { createApp, type ListenOptions, openServer, resetConnection, type SandboxServer } from './http-server.ts';
import { createRecordLog, type RecordLog } from './record-log.ts';

const bigBytesDefault = 64 * 1024 * 1024;
const chunkBytes = 64 * 1024;
const slowChunkMs = 200;
/** What a JPEG begins with, so that a body without end is not refused by its first bytes. */
const jpegStart = Buffer.from([0xff, 0xd8, 0xff, 0xe0]);
const contentTypes: Readonly<Record<string, string>> = {
  ...{ '.jpg': 'image/jpeg', '.jpeg': 'image/jpeg', '.png': 'image/png', '.webp': 'image/webp', '.gif': 'image/gif' },
  ...{ '.avif': 'image/avif', '.html': 'text/html', '.svg': 'image/svg+xml', '.txt': 'text/plain' },
};

/** A file's bytes, or where it lies. */
export type HostedFile = Uint8Array | string;
export type ImageRequest = { readonly at: string; readonly path: string; readonly userAgent: string | undefined };

export type ImageHostOptions = ListenOptions & {
  /** By path, with or without its first slash. */
  readonly files?: Readonly<Record<string, HostedFile>>;
};

export type ImageHost = SandboxServer & {
  readonly requests: RecordLog<ImageRequest>;
  /** Serves a file from now on and returns its address. The type is the path's extension's unless given. */
  add(path: string, file: HostedFile, contentType?: string): string;
  /** The address of a path: of a file, or of a fault such as `/missing`. */
  urlOf(path: string): string;
};

/**
 * Starts the host on 127.0.0.1 (any free port unless told). Beside its files it has: `/missing` (404), `/error` (500),
 * `/html` (a web page with 200), `/empty` (200, no bytes), `/hang`, `/reset`, `/redirect?to=…&status=…`,
 * `/redirect-loop`, `/slow` (a few bytes at a time, without end), `/endless`, `/big?bytes=…` (64 MiB unless told).
 */
export async function startImageHost(options: ImageHostOptions = {}): Promise<ImageHost> {
  const files = new Map<string, { file: HostedFile; contentType: string }>();
  const requests = createRecordLog<ImageRequest>('image request');
  const put = (path: string, file: HostedFile, contentType?: string): void => {
    const type = contentType ?? contentTypes[extname(path).toLowerCase()] ?? 'application/octet-stream';
    files.set(rooted(path), { file, contentType: type });
  };
  for (const [path, file] of Object.entries(options.files ?? {})) put(path, file);

  const app = createApp();
  app.addHook('onRequest', async (request) => {
    if (request.url.startsWith('/__sandbox/')) return;
    requests.add({ at: new Date().toISOString(), path: request.url, userAgent: request.headers['user-agent'] });
  });
  addFaultRoutes(app);
  app.get('/*', async (request, reply) => {
    const found = files.get(decodeURIComponent(request.url.split('?')[0] ?? ''));
    if (found === undefined) return reply.code(404).send({ error: 'not found' });
    const bytes = typeof found.file === 'string' ? await readFile(found.file) : Buffer.from(found.file);
    return reply.type(found.contentType).send(bytes);
  });
  addControls(app, { records: { requests: requests.all, files: () => [...files.keys()] } });

  const server = await openServer(app, options);
  const urlOf = (path: string): string => new URL(rooted(path), server.url).href;
  return {
    ...server,
    requests,
    urlOf,
    add: (path, file, contentType) => {
      put(path, file, contentType);
      return urlOf(path);
    },
  };
}

function addFaultRoutes(app: FastifyInstance): void {
  app.get('/missing', async (_request, reply) => reply.code(404).send({ error: 'not found' }));
  app.get('/error', async (_request, reply) => reply.code(500).send({ error: 'internal' }));
  app.get('/html', async (_request, reply) =>
    reply.type('text/html').send('<!doctype html><title>Photo</title><p>Please log in to see this photo.'),
  );
  app.get('/empty', async (_request, reply) => reply.type('image/jpeg').send(Buffer.alloc(0)));
  app.get('/hang', async (request, reply) => {
    await hang(request, reply, undefined);
    return reply;
  });
  app.get('/reset', async (request, reply) => {
    resetConnection(request, reply);
    return reply;
  });
  app.get('/redirect', async (request, reply) => {
    const { to, status } = redirectQuery.parse(request.query);
    return reply.redirect(to, status);
  });
  app.get('/redirect-loop', async (_request, reply) => reply.redirect('/redirect-loop', 302));
  app.get('/slow', async (request, reply) =>
    reply.type('image/jpeg').send(Readable.from(drip(request), { objectMode: false })),
  );
  app.get('/endless', async (_request, reply) =>
    reply.type('image/jpeg').send(Readable.from(zeros(Number.POSITIVE_INFINITY), { objectMode: false })),
  );
  app.get('/big', async (request, reply) => {
    const { bytes } = bigQuery.parse(request.query);
    return reply
      .type('image/jpeg')
      .header('content-length', bytes)
      .send(Readable.from(zeros(bytes), { objectMode: false }));
  });
}

const redirectQuery = z.object({ to: z.string().min(1), status: z.coerce.number().min(301).max(308).default(302) });
const bigQuery = z.object({ bytes: z.coerce.number().int().min(jpegStart.length).default(bigBytesDefault) });

function* zeros(bytes: number): Generator<Buffer> {
  yield jpegStart;
  const chunk = Buffer.alloc(chunkBytes);
  for (let left = bytes - jpegStart.length; left > 0; left -= chunkBytes) {
    yield left < chunkBytes ? chunk.subarray(0, left) : chunk;
  }
}

async function* drip(request: FastifyRequest): AsyncGenerator<Buffer> {
  yield jpegStart;
  while (!request.raw.socket.destroyed) {
    await pause(slowChunkMs, undefined, { ref: false });
    yield Buffer.alloc(1);
  }
}

function rooted(path: string): string {
  return path.startsWith('/') ? path : `/${path}`;
}
