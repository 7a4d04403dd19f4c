/** A request that carries the photo itself. */
import type { GenerateVideoInput } from './types.ts';

/**
 * The form of a request with a photo; undefined of one with an address. It can be sent several times. Throws `TypeError`
 * for a photo that is neither a Blob nor bytes.
 */
export function formOf(input: GenerateVideoInput): FormData | undefined {
  const { image, metadata, ...texts } = input;
  if (image === undefined) return undefined;
  const form = new FormData();
  for (const [name, value] of Object.entries(texts)) if (value !== undefined) form.append(name, value);
  if (metadata !== undefined) form.append('metadata', JSON.stringify(metadata));
  form.append('image', blobOf(image), 'photo');
  return form;
}

function blobOf(image: unknown): Blob {
  if (image instanceof Blob) return image;
  if (image instanceof Uint8Array) return new Blob([image]);
  throw new TypeError('image must be a Blob, a Buffer or a Uint8Array');
}
