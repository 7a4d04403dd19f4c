/**
 * A request as a form (`multipart/form-data`): the photo itself, as `image`, and the text fields of the JSON request.
 * The photo is held in memory, at most one of `imageBytesMax` bytes for each form that is read, and looked at as it comes:
 * what is no image by its first bytes, or too large, is refused without being read to its end. File names are ignored.
 */
import { createHash } from 'node:crypto';
import type { MultipartFile } from '@fastify/multipart';
import { HttpError, type ImageFormat, type NewPhoto, sniffedBytesMax, sniffFormat } from '@pet-roast/shared';
import type { FastifyRequest } from 'fastify';

/** A photo that was read whole. */
export type Upload = Omit<NewPhoto, 'id'> & {
  /** Lets go of the bytes: once they are stored, or not wanted. */
  drop(): void;
};
export type Form = { readonly fields: Readonly<Record<string, unknown>>; readonly image: Upload | undefined };

/** Beside the photo; the JSON request has the same bound. */
const fieldBytesMax = 64 * 1024;
/** The names there are; a form with any other, or with one twice, is refused when that comes. */
const textNames = ['text', 'source_language', 'target_language', 'metadata'];
const partsMax = 16;

/** What the multipart plugin is registered with, for photos of at most `fileSize` bytes. */
export const formLimits = (fileSize: number) => ({
  fileSize,
  fieldSize: fieldBytesMax,
  fieldNameSize: 100,
  headerPairs: 20,
  parts: partsMax,
  // One more of each than is accepted, so that the one too many is seen and named.
  files: 2,
});

/**
 * Reads a form. Throws `HttpError`: `invalid_field` with the field's name, `image_not_an_image`, `image_too_large`, or
 * `bad_request` for what is no form. The request may then not be read to its end.
 */
export async function readForm(request: FastifyRequest): Promise<Form> {
  const fields: Record<string, unknown> = {};
  let image: Upload | undefined;
  try {
    for await (const part of request.parts()) {
      const { fieldname: name } = part;
      if (name === 'image' && part.type === 'file') {
        if (image !== undefined) throw invalid(name, 'must be given once: one photo makes one video');
        image = await readImage(part);
        continue;
      }
      if (name === 'image') throw invalid(name, 'must be a file, with a file name or a content type of its own');
      if (name === 'image_url')
        throw invalid(name, 'is for JSON requests; a form carries the photo itself, as `image`');
      if (!textNames.includes(name)) throw invalid(name, 'is not a field of this request');
      if (part.type === 'file') throw invalid(name, 'must be text, not a file');
      if (Object.hasOwn(fields, name)) throw invalid(name, 'must be given once');
      if (part.valueTruncated) throw invalid(name, `must have at most ${fieldBytesMax} bytes`);
      fields[name] = name === 'metadata' ? asJson(part.value) : part.value;
    }
    return { fields, image };
  } catch (error) {
    image?.drop();
    throw asHttpError(error);
  }
}

async function readImage({ file }: MultipartFile): Promise<Upload> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  let format: ImageFormat | undefined;
  const hash = createHash('sha256');
  file.once('limit', () => file.destroy(new HttpError('image_too_large', { field: 'image' })));
  for await (const part of file as AsyncIterable<Uint8Array>) {
    parts.push(part);
    bytes += part.length;
    hash.update(part);
    if (format === undefined && bytes >= sniffedBytesMax) format = acceptedFormat(parts);
  }
  format ??= acceptedFormat(parts);
  return { format, bytes, sha256: hash.digest('hex'), parts, drop: () => void parts.splice(0) };
}

/** HEIC is not among them: what is built of sharp for the detector cannot decode it. */
function acceptedFormat(parts: readonly Uint8Array[]): ImageFormat {
  const format = sniffFormat(Buffer.concat(parts).subarray(0, sniffedBytesMax));
  if (format === undefined || format === 'heic') throw new HttpError('image_not_an_image', { field: 'image' });
  return format;
}

/** Metadata is an object: as JSON in a text field, or in one whose content type says so, which is read already. */
function asJson(value: unknown): unknown {
  if (typeof value !== 'string') return value;
  try {
    return JSON.parse(value);
  } catch {
    throw invalid('metadata', 'must be JSON');
  }
}

function invalid(field: string, why: string): HttpError {
  return new HttpError('invalid_field', { field, message: `${field}: ${why}` });
}

function asHttpError(error: unknown): HttpError {
  if (error instanceof HttpError) return error;
  const { code } = error as { readonly code?: string };
  if (code === 'FST_PARTS_LIMIT' || code === 'FST_FILES_LIMIT') {
    return new HttpError('invalid_field', { message: 'The form has more parts than the request has fields.' });
  }
  return new HttpError('bad_request', { message: 'The form could not be read.', cause: error });
}
