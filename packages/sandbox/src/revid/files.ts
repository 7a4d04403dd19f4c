/** Serves finished videos and thumbnails, with single byte ranges, as players ask for them. */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { extname } from 'node:path';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { z } from 'zod';
import type { Render } from './renders.ts';

const params = z.object({ name: z.string() });

/** Adds `GET` and `HEAD /videos/<pid>.<mp4|webp>` and `GET /thumbnails/<pid>.jpg`. */
export function addFileRoutes(app: FastifyInstance, find: (pid: string) => Render | undefined): void {
  app.route({
    method: ['GET', 'HEAD'],
    url: '/videos/:name',
    handler: async (request, reply) => {
      const { name } = params.parse(request.params);
      const video = find(pidOf(name))?.made?.video;
      if (video === undefined || extname(name) !== extname(video.path)) return notFound(reply);
      return sendFile(reply, video.path, video.contentType, request.headers.range, request.method === 'HEAD');
    },
  });
  app.get('/thumbnails/:name', async (request, reply) => {
    const thumbnail = find(pidOf(params.parse(request.params).name))?.made?.thumbnail;
    return thumbnail === undefined ? notFound(reply) : reply.type('image/jpeg').send(thumbnail);
  });
}

async function sendFile(
  reply: FastifyReply,
  path: string,
  contentType: string,
  range: string | undefined,
  headOnly: boolean,
): Promise<FastifyReply> {
  const { size } = await stat(path);
  const part = range === undefined ? undefined : parseRange(range, size);
  if (part === 'outside') return reply.code(416).header('content-range', `bytes */${size}`).send();
  const { start, end } = part ?? { start: 0, end: size - 1 };
  if (part !== undefined) reply.code(206).header('content-range', `bytes ${start}-${end}/${size}`);
  reply
    .type(contentType)
    .header('accept-ranges', 'bytes')
    .header('content-length', end - start + 1);
  return headOnly ? reply.send() : reply.send(createReadStream(path, { start, end }));
}

/** A single range; anything else is answered with the whole file, as RFC 9110 allows. */
function parseRange(header: string, size: number): { start: number; end: number } | 'outside' | undefined {
  const [, from = '', to = ''] = /^bytes=(\d*)-(\d*)$/.exec(header) ?? [];
  if (from === '' && to === '') return undefined;
  const start = from === '' ? Math.max(0, size - Number(to)) : Number(from);
  const end = from === '' || to === '' ? size - 1 : Math.min(size - 1, Number(to));
  return start > end ? 'outside' : { start, end };
}

function pidOf(name: string): string {
  return name.slice(0, -extname(name).length || undefined);
}

function notFound(reply: FastifyReply): FastifyReply {
  return reply.code(404).send({ error: 'not found' });
}
