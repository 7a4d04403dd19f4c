/**
 * `docs/asyncapi.json`, out of the contract: the subjects are AsyncAPI 3 channels, what a service publishes or a step
 * consumes its operations, the events its messages.
 */
import {
  durableOf,
  type EventKind,
  envelopeSchema,
  eventKinds,
  events,
  type Step,
  type StepName,
  type Subject,
  steps,
  subjectOf,
} from '@pet-roast/shared';
import { z } from 'zod';
import { examples } from '../../packages/shared/test/examples.ts';
import { dropNoise } from '../../services/gateway/src/openapi/document.ts';

const subjects = [...new Set(eventKinds.map((kind) => events[kind].subject))];

export function asyncApiDocument(): Record<string, unknown> {
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'Pet Roast events',
      version: '1.0.0',
      description:
        'Every stage of a job is one event in the JetStream stream JOBS. Events that exclude one another share a subject, so that the server decides which one happened; docs/journey.md draws the way.',
    },
    defaultContentType: 'application/json',
    servers: {
      nats: {
        host: '{host}',
        protocol: 'nats',
        description: 'JetStream; NATS_URL names it',
        variables: { host: { default: 'localhost:4222' } },
      },
    },
    channels: Object.fromEntries(subjects.map((subject) => [subject, channel(subject)])),
    operations: Object.fromEntries([
      ...eventKinds.flatMap(sending),
      ...(Object.keys(steps) as StepName[]).flatMap(receiving),
    ]),
    components: { messages: Object.fromEntries(eventKinds.map((kind) => [kind, message(kind)])) },
  };
}

export function asyncApiText(): string {
  return `${JSON.stringify(asyncApiDocument(), undefined, 2)}\n`;
}

function channel(subject: Subject): unknown {
  const kinds = kindsOn(subject);
  return {
    address: subjectOf(subject, '{job_id}'),
    description: kinds.length === 1 ? 'One event for each run of a job.' : `What is decided here: ${kinds.join(', ')}.`,
    parameters: { job_id: { description: 'The job’s id' } },
    servers: [{ $ref: '#/servers/nats' }],
    messages: Object.fromEntries(kinds.map((kind) => [kind, { $ref: `#/components/messages/${kind}` }])),
  };
}

/** One for each service that sends an event: its owner, and whose steps publish it as well. */
function sending(kind: EventKind): [string, unknown][] {
  const { owner, subject, means } = events[kind];
  const others = Object.values<Step>(steps).filter((step) => step.publishes.includes(kind));
  const senders = new Set([owner, ...others.map((step) => step.owner)]);
  return [...senders].map((sender) => [
    `${sender}-sends-${kind}`,
    {
      action: 'send',
      summary: means,
      channel: { $ref: `#/channels/${subject}` },
      messages: [{ $ref: `#/channels/${subject}/messages/${kind}` }],
      tags: [{ name: sender }],
    },
  ]);
}

/** One for each subject that a step takes. */
function receiving(name: StepName): [string, unknown][] {
  const { owner, consumes, does }: Step = steps[name];
  const taken = consumes === '>' ? subjects : [consumes];
  return taken.map((subject) => [
    `${owner}-receives-${subject}-to-${name}`,
    {
      action: 'receive',
      summary: `Consumer ${durableOf(name)}: ${does}.`,
      channel: { $ref: `#/channels/${subject}` },
      messages: kindsOn(subject).map((kind) => ({ $ref: `#/channels/${subject}/messages/${kind}` })),
      tags: [{ name: owner }],
    },
  ]);
}

function message(kind: EventKind): unknown {
  const payload = envelopeSchema.extend({ kind: z.literal(kind), data: events[kind].data });
  const { $schema: _dialect, ...schema } = z.toJSONSchema(payload, {
    target: 'draft-7',
    io: 'input',
    unrepresentable: 'any',
    override: dropNoise,
  });
  return {
    name: kind,
    title: events[kind].means,
    contentType: 'application/json',
    headers: {
      type: 'object',
      properties: { 'Nats-Msg-Id': { type: 'string', description: 'The event’s id; the server drops repeats by it' } },
    },
    payload: schema,
    examples: [{ name: kind, payload: examples[kind] }],
  };
}

function kindsOn(subject: Subject): EventKind[] {
  return eventKinds.filter((kind) => events[kind].subject === subject);
}
