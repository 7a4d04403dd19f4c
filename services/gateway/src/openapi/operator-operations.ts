/** The routes that operators and their tools call. */
import { z } from 'zod';
import { listSchema, replayManySchema, replaySchema } from '../routes/admin.ts';
import { exampleJobId } from './examples.ts';
import { bodyFailures, type Operation } from './operation.ts';
import { healthSchema, lettersSchema, readinessSchema, replayedManySchema, replayedSchema } from './schemas.ts';

const letter = {
  id: 7,
  cause: 'exhausted',
  code: 'translation_failed',
  message: 'The text could not be translated.',
  detail: 'HTTP 503',
  step: 'translate',
  job_id: exampleJobId,
  event_id: `${exampleJobId}:detected`,
  run: 1,
  stream_seq: 4211,
  time: '2026-01-02T03:06:12.345Z',
};

export const operatorOperations: readonly Operation[] = [
  {
    method: 'get',
    path: '/healthz',
    id: 'health',
    tag: 'Operation',
    summary: 'Whether the process lives',
    answers: [{ status: 200, means: 'It does.', schema: healthSchema, examples: { ok: { status: 'ok' } } }],
    errors: [],
  },
  {
    method: 'get',
    path: '/readyz',
    id: 'readiness',
    tag: 'Operation',
    summary: 'Whether it can work',
    description: 'Redis being away does not make it unready: status is then answered from the stream.',
    answers: [
      {
        status: 200,
        means: 'It can.',
        schema: readinessSchema,
        examples: { ready: { status: 'ready', checks: { nats: 'ok', redis: 'ok' } } },
      },
      {
        status: 503,
        means: 'It cannot, or it is stopping.',
        schema: readinessSchema,
        examples: { not_ready: { status: 'not_ready', checks: { nats: 'no answer', redis: 'ok' } } },
      },
    ],
    errors: [],
  },
  {
    ...text('/metrics', 'metrics', 'Numbers for Prometheus', 'text/plain', 'process_cpu_seconds_total 0.42\n'),
    description: 'Outside the sandbox only where `METRICS_TOKEN` is set, and then with it.',
    access: 'metrics',
    errors: ['unauthorized', 'not_found'],
  },
  {
    method: 'get',
    path: '/openapi.json',
    id: 'openapi',
    tag: 'Operation',
    summary: 'This document',
    answers: [
      {
        status: 200,
        means: 'OpenAPI 3.1.',
        schema: z.looseObject({ openapi: z.string() }),
        examples: { document: { openapi: '3.1.1' } },
      },
    ],
    errors: [],
  },
  text('/docs', 'docs', 'This document for people', 'text/html', '<!doctype html>…'),
  {
    method: 'get',
    path: '/admin/dead-letters',
    id: 'listDeadLetters',
    tag: 'Dead letters',
    summary: 'What steps have given up on',
    access: 'operator',
    parameters: Object.entries(listSchema.shape).map(([name, schema]) => ({
      in: 'query',
      name,
      about: schema.description ?? '',
      schema,
    })),
    answers: [
      { status: 200, means: 'Oldest first.', schema: lettersSchema, examples: { letters: { letters: [letter] } } },
    ],
    errors: ['unauthorized', 'invalid_field', 'unavailable', 'internal'],
  },
  {
    method: 'post',
    path: '/admin/dead-letters/{id}/replay',
    id: 'replayDeadLetter',
    tag: 'Dead letters',
    summary: 'Replay one',
    access: 'operator',
    parameters: [
      {
        in: 'path',
        name: 'id',
        about: 'The dead letter’s id',
        schema: z.number().int().min(1),
        required: true,
        example: 7,
      },
    ],
    body: {
      schema: replaySchema,
      required: false,
      examples: { careful: {}, pay_again: { allow_second_payment: true } },
    },
    answers: [
      {
        status: 200,
        means: 'It is replayed, and no longer in the list.',
        schema: replayedSchema,
        examples: { next_run: { job_id: exampleJobId, replayed: 'next_run' } },
      },
    ],
    errors: [
      ...bodyFailures,
      'unauthorized',
      'letter_not_found',
      'not_replayable',
      'second_payment_possible',
      'invalid_field',
      'unavailable',
      'internal',
    ],
  },
  {
    method: 'post',
    path: '/admin/dead-letters/replay',
    id: 'replayDeadLetters',
    tag: 'Dead letters',
    summary: 'Replay all that fit',
    access: 'operator',
    body: {
      schema: replayManySchema,
      required: false,
      examples: { of_a_step: { filter: { step: 'translate' }, limit: 100 } },
    },
    answers: [
      {
        status: 200,
        means: 'What was replayed, and what was not.',
        schema: replayedManySchema,
        examples: {
          both: {
            replayed: [{ id: 7, job_id: exampleJobId, replayed: 'next_run' }],
            refused: [
              { id: 9, error: 'not_replayable', message: 'This dead letter cannot be replayed: the job is rendered.' },
            ],
          },
        },
      },
    ],
    errors: [...bodyFailures, 'unauthorized', 'invalid_field', 'unavailable', 'internal'],
  },
];

function text(path: string, id: string, summary: string, contentType: string, example: string): Operation {
  const answer = { status: 200, means: summary, contentType, schema: z.string(), examples: { [id]: example } };
  return { method: 'get', path, id, tag: 'Operation', summary, answers: [answer], errors: [] };
}
