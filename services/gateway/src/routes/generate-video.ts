/** `POST /api/generate-video`: 202 with the job, or why not. */
import { HttpError, type HttpServer, isLanguage } from '@pet-roast/shared';
import { type ReceiveDeps, receive, requestSchema } from '../request-to-received.ts';

/** As in draft-ietf-httpapi-idempotency-key-header, without the quotes: 1 to 255 visible ASCII characters. */
export const keyPattern = /^[\x21-\x7e]{1,255}$/;
const overloadedRetryAfterS = 5;

export function generateVideo(app: HttpServer, deps: ReceiveDeps): void {
  app.post('/api/generate-video', async (request, reply) => {
    const parsed = requestSchema.safeParse(request.body);
    if (!parsed.success) throw invalidField(parsed.error.issues[0]);
    for (const field of ['source_language', 'target_language'] as const) {
      const code = parsed.data[field];
      if (code !== undefined && !isLanguage(code)) throw new HttpError('language_not_supported', { field });
    }
    const key = request.headers['idempotency-key'];
    if (key !== undefined && !keyPattern.test(String(key))) throw new HttpError('idempotency_key_invalid');

    if (deps.refusal() !== undefined) throw new HttpError('overloaded', { retryAfterS: overloadedRetryAfterS });

    const caller = { requestId: request.id, idempotencyKey: key as string | undefined };
    const accepted = await receive(parsed.data, caller, deps);
    if (accepted.replayed) reply.header('idempotency-replayed', 'true');
    reply.header('location', `/api/video-status/${accepted.jobId}`);
    return reply.code(202).send({ job_id: accepted.jobId, status: 'queued', stage: accepted.stage });
  });
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
