/** An uploaded photo's bytes, out of NATS' object store. */
import { type Broker, findPhoto, Permanent, PhotoGone, RetryLater, readPhoto } from '@pet-roast/shared';

/**
 * @throws Permanent `image_gone` where it is no longer kept, `image_too_large` over `bytesMax`.
 * @throws RetryLater `image_gone` where it was deleted, or stored anew, while it was read.
 */
export async function readUpload(broker: Broker, id: string, bytesMax: number): Promise<Uint8Array> {
  const photo = await findPhoto(broker.photos, id);
  if (photo === undefined) throw new Permanent('image_gone');
  if (photo.bytes > bytesMax) throw new Permanent('image_too_large');
  const pieces: Uint8Array[] = [];
  try {
    for await (const piece of readPhoto(broker.photos, photo)) pieces.push(piece);
    return Buffer.concat(pieces);
  } catch (cause) {
    throw cause instanceof PhotoGone ? new RetryLater('image_gone', { cause }) : cause;
  }
}
