/** The routes that a backend calls. */
import { type ErrorCode, errorCatalogue } from '@pet-roast/shared';
import { z } from 'zod';
import { requestSchema } from '../request-to-received.ts';
import { keyPattern } from '../routes/generate-video.ts';
import { jobIdPattern, waitSchema } from '../routes/video-status.ts';
import { exampleForm, exampleJobId, exampleJobs, exampleRequest } from './examples.ts';
import { bodyFailures, callerFailures, type Operation, type Parameter } from './operation.ts';
import {
  acceptedSchema,
  cancelledSchema,
  connectionReportSchema,
  jobSchema,
  resultSchema,
  videoFormSchema,
} from './schemas.ts';

const idParameter: Parameter = {
  in: 'path',
  name: 'id',
  about: 'The job’s id',
  schema: z.string().regex(jobIdPattern),
  required: true,
  example: exampleJobId,
};
const photoFailures = [
  'image_unreachable',
  'image_not_an_image',
  'image_too_large',
  'image_address_refused',
  'image_gone',
] as const satisfies ErrorCode[];

/** The codes that no job ends with: they are about a request. */
const aboutRequests: readonly ErrorCode[] = [
  'bad_request',
  'unsupported_media_type',
  'body_too_large',
  'request_too_slow',
  'invalid_field',
  'unauthorized',
  'not_found',
  'job_not_found',
  'result_not_ready',
  'job_not_over',
  'job_erased',
  'job_already_over',
  'idempotency_key_reused',
  'idempotency_key_invalid',
  'rate_limited',
  'too_many_jobs',
  'overloaded',
  'uploads_not_configured',
  'letter_not_found',
  'not_replayable',
  'second_payment_possible',
  'cancelled',
];
const jobFailures = (Object.keys(errorCatalogue) as ErrorCode[])
  .filter((code) => !aboutRequests.includes(code))
  .map((code) => ({ code, status: 502 }));

export const jobOperations: readonly Operation[] = [
  {
    method: 'post',
    path: '/api/generate-video',
    id: 'generateVideo',
    access: 'caller',
    tag: 'Videos',
    summary: 'Make a video of a pet photo and a roast',
    description:
      'Answered when there is a verdict on the photo, or after five seconds without one. After a 202 the job ends with one webhook: completed, failed or cancelled. After any other answer there is none. The photo is named by its address, in JSON, or is sent itself, as the file `image` of a form (`multipart/form-data`) with the same text fields: then it is kept until the job is over.',
    parameters: [
      {
        in: 'header',
        name: 'Idempotency-Key',
        about: 'The id of your own row, say. A repeat with the same key and body is the same job, never a second one.',
        schema: z.string().regex(keyPattern),
        example: 'roast-1042',
      },
    ],
    body: {
      schema: requestSchema,
      required: true,
      examples: {
        shortest: { text: 'My cat thinks she is the landlord.', image_url: 'https://photos.example.com/mia.jpg' },
        translated: exampleRequest,
      },
    },
    form: { schema: videoFormSchema, examples: { with_the_photo: exampleForm } },
    answers: [
      {
        status: 202,
        means: 'The job is stored and will be done.',
        schema: acceptedSchema,
        examples: {
          checked: { job_id: exampleJobId, status: 'queued', stage: 'detected' },
          not_checked_yet: { job_id: exampleJobId, status: 'queued', stage: 'received' },
        },
        headers: ['location', 'idempotency-replayed'],
      },
    ],
    errors: [
      'no_pets_detected',
      ...callerFailures,
      'too_many_jobs',
      ...bodyFailures,
      'invalid_field',
      'language_not_supported',
      'idempotency_key_invalid',
      'idempotency_key_reused',
      'job_erased',
      ...photoFailures,
      'uploads_not_configured',
      'overloaded',
      'unavailable',
      'internal',
    ],
  },
  {
    method: 'get',
    path: '/photos/{id}',
    id: 'getPhoto',
    tag: 'Videos',
    summary: 'An uploaded photo',
    description:
      'For the video vendor, who is given the address with the job. It is signed and expires; the photo is deleted when the job is over.',
    parameters: [
      { ...idParameter, about: 'The photo’s id' },
      {
        in: 'query',
        name: 'expires',
        about: 'Until when the address is good, in seconds since 1970',
        schema: z.string(),
        required: true,
        example: '1767330245',
      },
      {
        in: 'query',
        name: 'signature',
        about: 'An HMAC over the id and that time',
        schema: z.string(),
        required: true,
        example: 'Qm9uam91ciwgY2hpZW4gcGFyZXNzZXV4IGRlIGxvdXM',
      },
    ],
    answers: [
      {
        status: 200,
        means: 'The photo.',
        contentType: 'image/*',
        schema: z.string().meta({ contentMediaType: 'image/*' }),
        examples: { photo: 'the bytes of bruno.jpg' },
      },
    ],
    errors: ['not_found', 'overloaded', 'unavailable', 'internal'],
  },
  {
    method: 'get',
    path: '/api/video-status/{id}',
    id: 'getVideoStatus',
    access: 'caller',
    tag: 'Videos',
    summary: 'Where a job is',
    parameters: [
      idParameter,
      {
        in: 'query',
        name: 'wait',
        about: 'Long poll: answer when the job is over, or after this many seconds',
        schema: waitSchema.shape.wait,
        example: 30,
      },
    ],
    answers: [{ status: 200, means: 'The job as it is now.', schema: jobSchema, examples: exampleJobs }],
    errors: [...callerFailures, 'job_not_found', 'invalid_field', 'unavailable', 'internal'],
  },
  {
    method: 'get',
    path: '/api/video-result/{id}',
    id: 'getVideoResult',
    access: 'caller',
    tag: 'Videos',
    summary: 'The finished video',
    parameters: [idParameter],
    answers: [
      {
        status: 200,
        means: 'The video is there.',
        schema: resultSchema,
        examples: { completed: resultSchema.parse(exampleJobs.completed) },
      },
    ],
    errors: [
      ...callerFailures,
      'job_not_found',
      'result_not_ready',
      'cancelled',
      ...jobFailures,
      'unavailable',
      'internal',
    ],
  },
  {
    method: 'get',
    path: '/api/jobs/{id}/events',
    id: 'followJob',
    access: 'caller',
    tag: 'Videos',
    summary: 'A job’s changes as server-sent events',
    description:
      'One `status` event for each change, whose data is what `GET /api/video-status/{id}` answers. Ends when nothing changes any more, after 15 minutes, or when the gateway stops; an EventSource resumes by itself.',
    parameters: [
      idParameter,
      {
        in: 'header',
        name: 'Last-Event-ID',
        about: 'The last event seen: only later ones are sent',
        schema: z.string(),
        example: '17',
      },
    ],
    answers: [
      {
        status: 200,
        means: 'The stream.',
        contentType: 'text/event-stream',
        schema: z.string(),
        examples: {
          stream: `retry: 2000\n\nevent: status\nid: 17\ndata: ${JSON.stringify(exampleJobs.processing)}\n\n: waiting\n\n`,
        },
      },
      {
        status: 204,
        means: 'The event that `Last-Event-ID` names was the last: nothing changes any more, and an EventSource stops.',
      },
    ],
    errors: [...callerFailures, 'job_not_found', 'overloaded', 'unavailable', 'internal'],
  },
  {
    method: 'post',
    path: '/api/jobs/{id}/cancel',
    id: 'cancelJob',
    access: 'caller',
    tag: 'Videos',
    summary: 'Cancel a job',
    description: 'A render that was started is paid for all the same; its video is then not told of.',
    parameters: [idParameter],
    answers: [
      {
        status: 202,
        means: 'The job is cancelled; a webhook says so. A repeat is answered alike.',
        schema: cancelledSchema,
        examples: { cancelled: { job_id: exampleJobId, status: 'cancelled', stage: 'cancelled' } },
      },
    ],
    errors: [...callerFailures, ...bodyFailures, 'job_not_found', 'job_already_over', 'unavailable', 'internal'],
  },
  {
    method: 'delete',
    path: '/api/jobs/{id}',
    id: 'eraseJob',
    access: 'caller',
    tag: 'Videos',
    summary: 'Erase a job',
    description:
      'Deletes the text, the address of the photo and all else that is held of a job that is over. Its id is that of no job then, a webhook that is still due is not sent, and a request with its Idempotency-Key is answered 410. The video is the vendor’s, and the webhooks that were sent are yours: neither is touched.',
    parameters: [idParameter],
    answers: [{ status: 204, means: 'Nothing is held of the job any more. A repeat is answered alike.' }],
    errors: [...callerFailures, ...bodyFailures, 'job_not_found', 'job_not_over', 'unavailable', 'internal'],
  },
  {
    method: 'get',
    path: '/api/test-backend-connection',
    id: 'testBackendConnection',
    access: 'caller',
    tag: 'Operation',
    summary: 'Send a signed test webhook to the backend',
    description: 'The webhook is `{"job_id": "test_connection", "status": "test", …}` with the header `X-Test: true`.',
    answers: [
      {
        status: 200,
        means: 'What came of it.',
        schema: connectionReportSchema,
        examples: {
          success: report('success', 'The backend took the test webhook.', { response_code: 200 }),
          failed: report('failed', 'The backend refused the test webhook.', { response_code: 404, error: 'HTTP 404' }),
          timeout: report('timeout', 'The backend did not answer in time.', { error: 'timeout' }),
          not_configured: {
            status: 'not_configured',
            message: 'NOTIFIER_URL is not set, so the notifier cannot be asked.',
          },
        },
      },
    ],
    errors: [...callerFailures, 'unavailable', 'internal'],
  },
];

function report(status: string, message: string, more: object): unknown {
  return {
    status,
    message,
    backend_url: 'https://backend.example.com/webhooks/pet-roast-complete',
    response_code: null,
    response_time_ms: status === 'timeout' ? 15_000 : 48,
    response_body: null,
    error: null,
    ...more,
  };
}
