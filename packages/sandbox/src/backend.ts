/** The app's backend: takes the webhook, verifies its signature with the public package, and answers as it is told. */
import type { IncomingHttpHeaders } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Webhook, WebhookVerificationError } from 'standardwebhooks';
import { z } from 'zod';
import { addControls, createBehaviour, type Patch } from './controls.ts';
import { actOut, createFaultQueue, delayMsMax, faultFields, hang, plainFaults, sendHttp } from './faults.ts';
import { createApp, type ListenOptions, openServer, type SandboxServer } from './http-server.ts';
import { createRecordLog } from './record-log.ts';

/** Where the backend listens for webhooks. */
export const backendWebhookPath = '/webhooks/pet-roast-complete';

const behaviourSchema = z.strictObject({
  status: z.number().int().min(200).max(599).default(200),
  delayMs: z.number().min(0).max(delayMsMax).default(0),
});

const at = z.literal('webhook').default('webhook');
const faultSchema = z.union([
  ...plainFaults(at),
  /** Sends the caller elsewhere. */
  z.strictObject({
    ...{ at, kind: z.literal('redirect'), location: z.string(), status: z.number().min(301).max(308).default(307) },
    ...faultFields,
  }),
]);

export type BackendBehaviour = z.output<typeof behaviourSchema>;
/** One of the answers to come, in place of the usual one. */
export type BackendAnswer = z.input<typeof faultSchema>;

/** One webhook as it arrived. Names as the backend's own log would have them. */
export type Delivery = {
  readonly at: string;
  readonly headers: IncomingHttpHeaders;
  /** The parsed JSON; undefined where the body is not JSON. */
  readonly body: unknown;
  readonly rawBody: string;
  /** The body's `job_id`, else the `X-Job-ID` header. */
  readonly job_id: string | undefined;
  /** Undefined where the backend was started without a secret. */
  readonly signature_valid: boolean | undefined;
  readonly signature_error: string | undefined;
  /** The HTTP status it was answered with, or how it was left unanswered. */
  readonly answered: number | 'hang' | 'reset';
};

export type BackendOptions = ListenOptions & {
  /** `whsec_<base64>`, as the sender has it. */
  readonly secret?: string;
  readonly behaviour?: Patch<BackendBehaviour>;
};

export type Backend = SandboxServer & {
  readonly webhookUrl: string;
  deliveries(): readonly Delivery[];
  clearDeliveries(): void;
  /** The first delivery, past or to come, that fits. Rejects after `timeoutMs` (10 s unless told). */
  waitForDelivery(fits: (delivery: Delivery) => boolean, timeoutMs?: number): Promise<Delivery>;
  setBehaviour(patch: Patch<BackendBehaviour>): void;
  /** Queues answers for the next deliveries that fit them. Throws a ZodError for an answer it does not know. */
  pushAnswers(...answers: readonly BackendAnswer[]): void;
  clearAnswers(): void;
};

/** Starts the fake on 127.0.0.1 (any free port unless told). Throws where the secret is no base64. */
export async function startBackend(options: BackendOptions = {}): Promise<Backend> {
  const verify = createVerifier(options.secret);
  const behaviour = createBehaviour<BackendBehaviour>(behaviourSchema, options.behaviour);
  const answers = createFaultQueue<z.output<typeof faultSchema>, BackendAnswer>(faultSchema);
  const log = createRecordLog<Delivery>('webhook delivery');

  const app = createApp();
  app.register(async (scope) => {
    // The signature is over the bytes as sent, so nothing may parse and print them again before it is checked.
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
    scope.post(backendWebhookPath, async (request, reply) => {
      const rawBody = Buffer.isBuffer(request.body) ? request.body.toString('utf8') : '';
      const answer = answers.take('webhook', rawBody);
      const { status, delayMs } = behaviour.current();
      log.add(deliveryOf(request, rawBody, verify, answerOf(answer, status)));
      if (answer?.kind === 'redirect') return reply.redirect(answer.location, answer.status);
      if (await actOut(answer, request, reply, errorBody)) return reply;
      if (await hang(request, reply, delayMs)) return reply;
      return send(reply, status);
    });
  });
  addControls(app, {
    behaviour,
    faults: { ...answers, push: (...given) => answers.push(...(given as BackendAnswer[])) },
    records: { deliveries: log.all },
  });

  const server = await openServer(app, options);
  return {
    ...server,
    webhookUrl: `${server.url}${backendWebhookPath}`,
    deliveries: log.all,
    clearDeliveries: log.clear,
    waitForDelivery: log.waitFor,
    setBehaviour: behaviour.set,
    pushAnswers: answers.push,
    clearAnswers: answers.clear,
  };
}

type Verdict = Pick<Delivery, 'signature_valid' | 'signature_error'>;
type Verifier = (rawBody: string, headers: IncomingHttpHeaders) => Verdict;

function createVerifier(secret: string | undefined): Verifier {
  if (secret === undefined) return () => ({ signature_valid: undefined, signature_error: undefined });
  const webhook = new Webhook(secret);
  return (rawBody, headers) => {
    try {
      webhook.verify(rawBody, headers as Record<string, string>, { jsonParse: false });
      return { signature_valid: true, signature_error: undefined };
    } catch (error) {
      if (!(error instanceof WebhookVerificationError)) throw error;
      return { signature_valid: false, signature_error: error.message };
    }
  };
}

function deliveryOf(
  request: FastifyRequest,
  rawBody: string,
  verify: Verifier,
  answered: Delivery['answered'],
): Delivery {
  const body = parseJson(rawBody);
  const inBody = z.object({ job_id: z.string() }).safeParse(body);
  const inHeader = request.headers['x-job-id'];
  return {
    at: new Date().toISOString(),
    headers: request.headers,
    body,
    rawBody,
    job_id: inBody.data?.job_id ?? (typeof inHeader === 'string' ? inHeader : undefined),
    ...verify(rawBody, request.headers),
    answered,
  };
}

function answerOf(answer: z.output<typeof faultSchema> | undefined, usual: number): Delivery['answered'] {
  switch (answer?.kind) {
    case 'http':
    case 'redirect':
      return answer.status;
    case 'hang':
      return answer.ms === undefined ? 'hang' : usual;
    case 'reset':
      return 'reset';
    case 'garbage':
      return 200;
    default:
      return usual;
  }
}

function send(reply: FastifyReply, status: number): FastifyReply {
  sendHttp(reply, status, status < 400 ? { received: true } : errorBody(status));
  return reply;
}

function errorBody(status: number): unknown {
  return { error: `the sandbox backend answers ${status}` };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
