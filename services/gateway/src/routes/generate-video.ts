/** `POST /api/generate-video`: 202 with the job, or why not. As JSON with an address, or as a form with the photo itself. */
import multipart from '@fastify/multipart';
import { HttpError, type HttpServer, isLanguage } from '@pet-roast/shared';
import type { FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { formLimits, readForm } from '../read-form.ts';
import {
  type Accepted,
  type Caller,
  formSchema,
  type ReceiveDeps,
  receive,
  requestSchema,
} from '../request-to-received.ts';

export type GenerateDeps = ReceiveDeps & {
  /** Largest photo in a form. */
  readonly imageBytesMax: number;
};

/** As in draft-ietf-httpapi-idempotency-key-header, without the quotes: 1 to 255 visible ASCII characters. */
export const keyPattern = /^[\x21-\x7e]{1,255}$/;
const overloadedRetryAfterS = 5;
/** Forms that are read at once: each may hold a photo in memory, until that is stored. */
const formsMax = 8;
const formRetryAfterS = 2;

export async function generateVideo(app: HttpServer, deps: GenerateDeps): Promise<void> {
  await app.register(multipart, { limits: formLimits(deps.imageBytesMax) });
  let forms = 0;

  app.post('/api/generate-video', async (request, reply) => {
    const json = request.isMultipart() ? undefined : checked(requestSchema, request.body);
    const key = request.headers['idempotency-key'];
    if (key !== undefined && !keyPattern.test(String(key))) throw new HttpError('idempotency_key_invalid');
    if (deps.refusal() !== undefined) throw new HttpError('overloaded', { retryAfterS: overloadedRetryAfterS });

    const caller = { name: request.caller, requestId: request.id, idempotencyKey: key as string | undefined };
    const accepted = json === undefined ? await receiveForm(request, caller) : await receive(json, caller, deps);
    if (accepted.replayed) reply.header('idempotency-replayed', 'true');
    reply.header('location', `/api/video-status/${accepted.jobId}`);
    return reply.code(202).send({ job_id: accepted.jobId, status: 'queued', stage: accepted.stage });
  });

  async function receiveForm(request: FastifyRequest, caller: Caller): Promise<Accepted> {
    if (deps.photos === undefined) throw new HttpError('uploads_not_configured');
    // Broken off while its caller was looked up: nothing comes of it any more, not even an end.
    if (request.raw.destroyed) throw new HttpError('bad_request');
    if (forms >= formsMax) throw new HttpError('overloaded', { retryAfterS: formRetryAfterS });
    forms++;
    let isHeld = true;
    const release = (): void => {
      if (isHeld) forms--;
      isHeld = false;
    };
    try {
      const { fields, image } = await readForm(request);
      const valid = checked(formSchema, fields);
      if (image === undefined) throw new HttpError('invalid_field', { field: 'image', message: 'image: is missing' });
      // The place is free again when the photo is stored, long before there is a verdict on it.
      const drop = (): void => {
        image.drop();
        release();
      };
      return await receive({ ...valid, image: { ...image, drop } }, caller, deps);
    } finally {
      release();
    }
  }
}

function checked<Schema extends typeof requestSchema | typeof formSchema>(
  schema: Schema,
  body: unknown,
): z.infer<Schema> {
  const parsed = schema.safeParse(body);
  if (!parsed.success) throw invalidField(parsed.error.issues[0]);
  for (const field of ['source_language', 'target_language'] as const) {
    const code = parsed.data[field];
    if (code !== undefined && !isLanguage(code)) throw new HttpError('language_not_supported', { field });
  }
  return parsed.data as z.infer<Schema>;
}

type Issue = {
  readonly code: string;
  readonly path: readonly PropertyKey[];
  readonly message: string;
  readonly keys?: string[];
};

function invalidField(issue: Issue | undefined): HttpError {
  if (issue?.path.length === 0 && issue.code === 'invalid_type') {
    return new HttpError('bad_request', { message: 'The body must be a JSON object.' });
  }
  const field = issue?.code === 'unrecognized_keys' ? (issue.keys ?? []).join(', ') : (issue?.path.join('.') ?? '');
  const why = issue?.code === 'unrecognized_keys' ? 'is not a field of this request' : issue?.message;
  return new HttpError('invalid_field', { field, message: `${field}: ${why}` });
}
