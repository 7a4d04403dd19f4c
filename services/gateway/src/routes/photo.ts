/**
 * `GET /photos/{id}`: an uploaded photo, for whoever has its signed address: the video vendor. Nothing else tells whether
 * there is such a photo: an address that is wrong, that has expired and whose photo is gone are answered alike.
 */
import { Readable } from 'node:stream';
import { type Broker, findPhoto, HttpError, type HttpServer, readPhoto } from '@pet-roast/shared';
import type { Photos } from '../photos.ts';

export type PhotoDeps = { readonly broker: Broker; readonly photos: Photos | undefined };

/** Photos on their way at once, at most 1 MB of each in memory. */
const sendingMax = 16;
const sendingTimeoutMs = 60_000;
const retryAfterS = 2;

export function photo(app: HttpServer, { broker, photos }: PhotoDeps): void {
  let sending = 0;

  app.route<{ Params: { id: string } }>({
    method: ['GET', 'HEAD'],
    url: '/photos/:id',
    async handler(request, reply) {
      const { id } = request.params;
      if (!photos?.verify(id, request.query)) throw new HttpError('not_found');
      const found = await findPhoto(broker.photos, id);
      if (found === undefined) throw new HttpError('not_found');
      reply.headers({
        'content-type': `image/${found.format}`,
        'content-length': found.bytes,
        'content-disposition': 'inline',
        'cache-control': 'private',
      });
      if (request.method === 'HEAD') return reply.send();
      if (sending >= sendingMax) throw new HttpError('overloaded', { retryAfterS });
      sending++;
      // A reader who takes too long, or a photo that is deleted meanwhile, finds the connection broken: never half a photo.
      const body = Readable.from(readPhoto(broker.photos, found), { objectMode: false });
      const overdue = setTimeout(() => body.destroy(new Error('too slow')), sendingTimeoutMs);
      body.once('close', () => {
        sending--;
        clearTimeout(overdue);
      });
      return reply.send(body);
    },
  });
}
