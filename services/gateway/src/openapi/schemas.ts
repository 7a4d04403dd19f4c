/**
 * What the gateway answers, and what the notifier sends, as schemas. The code's own types (`JobView`, the client's, the
 * notifier's) are compared with them by the compiler in `test/openapi.test.ts`, the answers themselves when they are given.
 */
import { type ErrorCode, errorCatalogue, letterSchema, metadataBytesMax, petSchema } from '@pet-roast/shared';
import { z } from 'zod';
import { formSchema, requestSchema } from '../request-to-received.ts';
import { replayManySchema, replaySchema } from '../routes/admin.ts';

const jobId = z.string().describe('The job’s id');
const time = z.iso.datetime();
const stage = z.string().describe('Finer than `status`; new ones may come');
const codes = Object.keys(errorCatalogue) as [ErrorCode, ...ErrorCode[]];

export const errorSchema = z.object({
  detail: z.object({
    error: z.enum(codes).describe('A code for programs'),
    message: z.string().describe('A sentence for people'),
    suggestion: z.string().describe('What to do'),
    field: z.string().exactOptional().describe('The part of the request that is wrong'),
  }),
  request_id: z.string().describe('Finds the request in the logs'),
});

/** What `read-form.ts` reads: all parts are text, and one is the photo. */
export const videoFormSchema = formSchema.extend({
  image: z
    .string()
    .meta({ contentMediaType: 'application/octet-stream' })
    .describe('The photo itself: a JPEG, PNG, WebP, GIF or AVIF file'),
  metadata: z
    .string()
    .meta({ contentMediaType: 'application/json' })
    .optional()
    .describe(`Anything of yours, an object as JSON of at most ${metadataBytesMax} bytes; kept with the job`),
});

export const acceptedSchema = z.object({
  job_id: jobId,
  status: z.literal('queued'),
  stage: z
    .enum(['detected', 'received'])
    .describe('`received`: the photo is not checked yet; "no pets" may come as a failure webhook'),
});

export const jobSchema = z.object({
  job_id: jobId,
  status: z.enum(['queued', 'processing', 'completed', 'failed', 'cancelled']),
  stage,
  video_url: z.string().nullable(),
  detail: z.string().describe('One sentence for people about where the job is'),
  error: z
    .object({ error: z.string().describe('A code for programs'), message: z.string(), suggestion: z.string() })
    .nullable(),
  detection: z
    .object({
      pets: z.array(petSchema).describe('The box is in the photo’s own pixels'),
      skipped: z.string().exactOptional().describe('Why the photo was not looked at, if it was not'),
      model: z.string().exactOptional(),
    })
    .nullable(),
  translation: z.object({ text: z.string(), source_language: z.string(), translated: z.boolean() }).nullable(),
  created_at: time,
  updated_at: time,
});

export const resultSchema = z.object({
  job_id: jobId,
  status: z.literal('completed'),
  video_url: z.string(),
  detail: z.string(),
});

export const cancelledSchema = z.object({
  job_id: jobId,
  status: z.literal('cancelled'),
  stage: z.literal('cancelled'),
});

export const connectionReportSchema = z.object({
  status: z.enum(['not_configured', 'success', 'timeout', 'failed']),
  message: z.string(),
  backend_url: z.string().nullable().exactOptional().describe('Without its query'),
  response_code: z.number().int().nullable().exactOptional(),
  response_time_ms: z.number().int().nullable().exactOptional(),
  response_body: z.string().nullable().exactOptional().describe('Its beginning'),
  error: z.string().nullable().exactOptional(),
});

export const healthSchema = z.object({ status: z.literal('ok') });
export const readinessSchema = z.object({
  status: z.enum(['ready', 'not_ready', 'stopping']),
  checks: z.record(z.string(), z.enum(['ok', 'no answer'])),
});

const letterId = z.number().int().min(1).describe('Its place in the dead-letter stream');
const shownLetterSchema = letterSchema.omit({ raw_base64: true }).extend({ id: letterId });
export const lettersSchema = z.object({
  letters: z.array(shownLetterSchema),
  next: z.number().int().exactOptional().describe('Give it as `after` for the next page; absent on the last'),
});

export const replayedSchema = z.object({
  job_id: jobId,
  replayed: z
    .enum(['next_run', 'notify_again'])
    .describe('`next_run`: the job starts again; `notify_again`: its webhook is sent again under the same id'),
});
export const replayedManySchema = z.object({
  replayed: z.array(replayedSchema.extend({ id: letterId })),
  refused: z.array(z.object({ id: letterId, error: z.enum(codes), message: z.string() })),
  next: z.number().int().exactOptional().describe('Give it as `after` to go on; absent where there are no more'),
});

export const webhookSchema = z.object({
  job_id: jobId,
  status: z.enum(['completed', 'failed', 'cancelled']),
  video_url: z.string().nullable(),
  error: z.string().nullable().describe('A sentence for people'),
  error_code: z.string().nullable().describe('A code for programs'),
  timestamp: time.describe('When the job ended'),
});

/** The schemas that the document names under `components`. */
export const namedSchemas = {
  GenerateVideoRequest: requestSchema,
  GenerateVideoForm: videoFormSchema,
  Accepted: acceptedSchema,
  Job: jobSchema,
  Pet: petSchema,
  VideoResult: resultSchema,
  Cancelled: cancelledSchema,
  ConnectionReport: connectionReportSchema,
  Health: healthSchema,
  Readiness: readinessSchema,
  DeadLetter: shownLetterSchema,
  DeadLetters: lettersSchema,
  ReplayRequest: replaySchema,
  ReplayManyRequest: replayManySchema,
  Replayed: replayedSchema,
  ReplayedMany: replayedManySchema,
  Webhook: webhookSchema,
  Error: errorSchema,
} as const;
