/** The webhook that the notifier sends to the backend, as OpenAPI describes requests that go the other way. */
import { publicError } from '@pet-roast/shared';
import { exampleJobId, exampleJobs } from './examples.ts';
import type { OperationObject, Schema } from './openapi-types.ts';

const headers = {
  'webhook-id': ['The same for every delivery of one outcome: drop what you have seen', `msg_${exampleJobId}`],
  'webhook-timestamp': ['Seconds since 1970 of this attempt', '1767323045'],
  'webhook-signature': [
    'Standard Webhooks: `v1,<base64>`; several, with spaces between, while a secret is rotated',
    'v1,g0hM9SsE…',
  ],
  'X-Webhook-Source': ['Always `pet-roast-ai`', 'pet-roast-ai'],
  'X-Job-ID': ['As in the body', exampleJobId],
} as const;

export function webhookOperation(schema: Schema): OperationObject {
  const common = { job_id: exampleJobId, video_url: null, error: null, error_code: null };
  const timestamp = exampleJobs.completed.updated_at;
  const { error, message } = publicError('render_failed');
  const value = (body: object) => ({ value: { ...common, ...body, timestamp } });
  return {
    operationId: 'petRoastComplete',
    tags: ['Webhook'],
    summary: 'A job is over',
    description:
      'Sent to `BACKEND_WEBHOOK_URL` at least once for each job that was answered 202. Verify the signature over the raw body before anything else.',
    parameters: Object.entries(headers).map(([name, [description, example]]) => ({
      in: 'header',
      name,
      description,
      required: true,
      schema: { type: 'string' },
      example,
    })),
    requestBody: {
      required: true,
      content: {
        'application/json': {
          schema,
          examples: {
            completed: value({ status: 'completed', video_url: exampleJobs.completed.video_url }),
            failed: value({ status: 'failed', error: message, error_code: error }),
            cancelled: value({ status: 'cancelled' }),
          },
        },
      },
    },
    responses: {
      '2XX': { description: 'Taken; it is not sent again.' },
      '4XX': { description: 'Refused for good; 408 and 429 are tried again.' },
      '5XX': { description: 'Tried again; `Retry-After` is obeyed.' },
    },
  };
}
