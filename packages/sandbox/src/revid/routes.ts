/** The vendor's endpoints under `/api/public/v3`. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { ZodError, z } from 'zod';
import type { Behaviour, Patch } from '../controls.ts';
import { actOut, type FaultQueue, hang, requestText, sendHttp } from '../faults.ts';
import { resetConnection } from '../http-server.ts';
import type { RecordLog } from '../record-log.ts';
import type { RevidBehaviour, RevidFault, RevidFaultInput } from './behaviour.ts';
import type { Render, Renders } from './renders.ts';
import { creditsOf, renderRequestSchema, titleOf } from './request.ts';

export const apiPath = '/api/public/v3';

/** One call to an endpoint, whether or not anything came of it. */
export type RevidCall = {
  readonly at: 'render' | 'status' | 'projects' | 'credits';
  readonly receivedAt: string;
  readonly query: unknown;
  readonly body: unknown;
  readonly authorized: boolean;
  /** The fault it met, if any. */
  readonly fault: string | undefined;
};

type Deps = {
  readonly apiKey: string;
  readonly behaviour: Behaviour<RevidBehaviour>;
  readonly faults: FaultQueue<RevidFault, RevidFaultInput>;
  readonly renders: Renders;
  readonly calls: RecordLog<RevidCall>;
  /** Settings of one render, laid over the present behaviour. */
  readonly behaviourWith: (patch: Patch<RevidBehaviour>) => RevidBehaviour;
};

const statusQuery = z.object({ pid: z.string().min(1) });
const projectsQuery = z.object({ limit: z.coerce.number().int().min(1).max(100).default(10) });

export function addApiRoutes(app: FastifyInstance, deps: Deps): void {
  const { renders, faults, calls } = deps;
  const meet = <At extends RevidCall['at']>(at: At, request: FastifyRequest, known = '') => {
    const authorized = request.headers['key'] === deps.apiKey;
    const fault = authorized ? faults.take(at, `${requestText(request)}\n${known}`) : undefined;
    const { query, body } = request;
    calls.add({ at, receivedAt: new Date().toISOString(), query, body, authorized, fault: fault?.kind });
    return { authorized, fault };
  };

  app.register(
    async (api) => {
      api.setErrorHandler((error, _request, reply) => {
        if (error instanceof ZodError) return reply.code(422).send(failure(z.prettifyError(error)));
        const { statusCode = 500, message } = error as { statusCode?: number; message: string };
        return reply.code(statusCode).send(failure(message));
      });

      api.post('/render', async (request, reply) => {
        const { authorized, fault } = meet('render', request);
        if (!authorized) return reply.code(401).send(failureFor(401));
        const body = renderRequestSchema.parse(request.body);
        if (fault?.kind === 'refused_200') return failure(fault.error);
        if (isBeforeAcceptance(fault) && (await actOut(fault, request, reply, failureFor))) return reply;

        const settings = fault?.kind === 'behave' ? deps.behaviourWith(fault.behaviour) : deps.behaviour.current();
        const render = renders.accept(body, settings);
        const life = renders.live(render);
        if (settings.callback.early) await life;
        if (await loseAnswer(fault, request, reply)) return reply;
        return {
          success: 1,
          pid: render.pid,
          workflow: body.workflow,
          webhookUrl: body.webhookUrl,
          endpoint: `${apiPath}/render`,
          docs: { status: `${apiPath}/status?pid=${render.pid}` },
        };
      });

      api.get('/status', async (request, reply) => {
        const { pid } = statusQuery.safeParse(request.query).data ?? { pid: undefined };
        const render = pid === undefined ? undefined : renders.find(pid);
        const { authorized, fault } = meet('status', request, render?.jobId);
        if (!authorized) return reply.code(401).send(failureFor(401));
        if (fault?.kind !== 'word' && (await actOut(fault, request, reply, failureFor))) return reply;
        if (pid === undefined) return reply.code(422).send(failure('pid is required'));
        if (render === undefined) return reply.code(404).send(failureFor(404));
        return fault?.kind === 'word' ? { pid, status: fault.word, progress: 50 } : renders.status(render);
      });

      api.get('/projects', async (request, reply) => {
        const { authorized, fault } = meet('projects', request);
        if (!authorized) return reply.code(401).send(failureFor(401));
        if (await actOut(fault, request, reply, failureFor)) return reply;
        const { limit } = projectsQuery.parse(request.query);
        const newest = renders.log.all().toReversed().slice(0, limit);
        return { success: 1, projects: newest.map((render) => projectOf(render, renders)) };
      });

      // The vendor answers an estimate without a key.
      api.post('/calculate-credits', async (request, reply) => {
        const { fault } = meet('credits', request);
        if (await actOut(fault, request, reply, failureFor)) return reply;
        return { success: 1, ...creditsOf(renderRequestSchema.parse(request.body)) };
      });
    },
    { prefix: apiPath },
  );
}

type RenderFault = Extract<RevidFault, { at: 'render' }>;
type BeforeAcceptance = Extract<RenderFault, { kind: 'http' | 'hang' | 'reset' | 'garbage' }>;

function isBeforeAcceptance(fault: RenderFault | undefined): fault is BeforeAcceptance | undefined {
  return fault === undefined || ['http', 'hang', 'reset', 'garbage'].includes(fault.kind);
}

/** Acts out what happens to the answer of an accepted render. True when no answer is due any more. */
async function loseAnswer(
  fault: RenderFault | undefined,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<boolean> {
  switch (fault?.kind) {
    case 'accept_then_hang':
      return hang(request, reply, fault.ms);
    case 'accept_then_reset':
      resetConnection(request, reply);
      return true;
    case 'accept_then_garbage':
      reply.type('text/html').send('<!doctype html><title>502 Bad Gateway</title>');
      return true;
    case 'accept_then_http':
      sendHttp(reply, fault.status, failureFor(fault.status));
      return true;
    default:
      return false;
  }
}

function projectOf(render: Render, renders: Renders) {
  const { status, progress, videoUrl } = renders.status(render);
  const { metadata = {}, workflow } = render.body;
  return { pid: render.pid, title: titleOf(render.body), workflow, status, progress, videoUrl, metadata };
}

function failureFor(status: number) {
  const words: Readonly<Record<number, string>> = {
    ...{ 401: 'Missing or invalid API key', 402: 'insufficient_credits', 403: 'Your plan does not include API access' },
    ...{ 404: 'Project not found', 409: 'Project is already rendering', 422: 'Invalid request body' },
    429: 'Rate limit exceeded, retry in a few seconds',
  };
  return failure(words[status] ?? 'Internal server error');
}

function failure(error: string) {
  return { success: 0, error };
}
