/**
 * Faults on demand. A fault waits in its fake's queue until a request fits it (`at`, and `contains` where given), acts
 * on that one request, and leaves after `times` of them. Requests that fit no fault are answered as the vendor would.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { resetConnection, stall } from './http-server.ts';

const timesMax = 1_000_000;
export const delayMsMax = 3_600_000;

/** Fields that every fault has. `contains` picks requests by a piece of their URL or body: a job id, say. */
export const faultFields = {
  times: z.number().int().min(1).max(timesMax).default(1),
  contains: z.string().min(1).optional(),
};

const httpFields = {
  status: z.number().int().min(200).max(599),
  /** The vendor's own error body for that status unless told; a string is sent as text. */
  body: z.unknown().optional(),
  /** Seconds, or an HTTP date. */
  retryAfter: z.union([z.number().min(0), z.string()]).optional(),
};

/** The faults that any HTTP endpoint can have; `at` is the endpoint's literal. */
export function plainFaults<At extends z.ZodType<string, string | undefined>>(at: At) {
  return [
    z.strictObject({ at, kind: z.literal('http'), ...httpFields, ...faultFields }),
    /** No answer for `ms` milliseconds, or for ever; afterwards the normal one. */
    z.strictObject({ at, kind: z.literal('hang'), ms: z.number().min(0).max(delayMsMax).optional(), ...faultFields }),
    /** The connection is reset in place of an answer. */
    z.strictObject({ at, kind: z.literal('reset'), ...faultFields }),
    /** 200 with a web page, as a proxy or a login wall answers. */
    z.strictObject({ at, kind: z.literal('garbage'), ...faultFields }),
  ] as const;
}

export type PlainFault = z.output<ReturnType<typeof plainFaults>[number]>;

type AnyFault = { readonly at: string; readonly times: number; readonly contains?: string | undefined };

export type FaultQueue<Fault extends AnyFault, Input> = {
  /** Adds faults behind those that wait. Throws a ZodError for one that this fake does not know. */
  push(...faults: readonly Input[]): void;
  /** The first waiting fault for this endpoint and request, used up by one; undefined where none fits. */
  take<At extends Fault['at']>(at: At, request: string): Extract<Fault, { at: At }> | undefined;
  /** Those still waiting, with the times left. */
  waiting(): readonly Fault[];
  clear(): void;
};

/** An empty queue of the faults that `schema` describes. */
export function createFaultQueue<Fault extends AnyFault, Input>(
  schema: z.ZodType<Fault, Input>,
): FaultQueue<Fault, Input> {
  let queue: { fault: Fault; left: number }[] = [];
  return {
    push: (...faults) => {
      const parsed = faults.map((fault) => schema.parse(fault));
      queue.push(...parsed.map((fault) => ({ fault, left: fault.times })));
    },
    take: <At extends Fault['at']>(at: At, request: string) => {
      const entry = queue.find(({ fault }) => fault.at === at && request.includes(fault.contains ?? ''));
      if (entry === undefined) return undefined;
      entry.left -= 1;
      queue = queue.filter(({ left }) => left > 0);
      return entry.fault as Extract<Fault, { at: At }>;
    },
    waiting: () => queue.map(({ fault, left }) => ({ ...fault, times: left })),
    clear: () => {
      queue = [];
    },
  };
}

/** What `contains` of a fault is looked for in. */
export function requestText(request: FastifyRequest): string {
  return `${request.url}\n${JSON.stringify(request.body ?? null)}`;
}

/**
 * Acts a plain fault out. True when the request is dealt with; false when the normal answer is still due (no fault, or
 * a hang that ended). `errorBody` is the vendor's body for a status.
 */
export async function actOut(
  fault: PlainFault | undefined,
  request: FastifyRequest,
  reply: FastifyReply,
  errorBody: (status: number) => unknown,
): Promise<boolean> {
  if (fault === undefined) return false;
  switch (fault.kind) {
    case 'http':
      sendHttp(reply, fault.status, fault.body ?? errorBody(fault.status), fault.retryAfter);
      return true;
    case 'reset':
      resetConnection(request, reply);
      return true;
    case 'garbage':
      reply.code(200).type('text/html').send('<!doctype html><title>Just a moment...</title>');
      return true;
    case 'hang':
      return hang(request, reply, fault.ms);
  }
}

/** Delays the answer by `ms`, or for ever. True when the caller has gone meanwhile, so that none is due any more. */
export async function hang(request: FastifyRequest, reply: FastifyReply, ms: number | undefined): Promise<boolean> {
  if (ms === 0 || (await stall(request, ms)) === 'elapsed') return false;
  reply.hijack();
  return true;
}

/** Answers with a status, a body (JSON unless it is a string) and perhaps a `Retry-After`. */
export function sendHttp(
  reply: FastifyReply,
  status: number,
  body: unknown,
  retryAfter?: number | string | undefined,
): void {
  if (retryAfter !== undefined) reply.header('retry-after', String(retryAfter));
  reply.code(status).send(body);
}
