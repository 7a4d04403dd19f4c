/** `docs/asyncapi.json`: valid AsyncAPI 3, true of the contract, and its messages are what travels. */
import { readFileSync } from 'node:fs';
import specs from '@asyncapi/specs';
import { Ajv, type AnySchema, type Options } from 'ajv';
import ajvFormats from 'ajv-formats';
import { describe, expect, it } from 'vitest';
import { eventKinds, events, parseEvent, type StepName, steps, subjectOf } from '../src/index.ts';

type Reference = { readonly $ref: string };
type Document = {
  readonly asyncapi: '3.0.0';
  readonly channels: Record<string, { readonly address: string; readonly messages: Record<string, Reference> }>;
  readonly operations: Record<string, { readonly action: string; readonly channel: Reference; messages: Reference[] }>;
  readonly components: {
    readonly messages: Record<string, { payload: AnySchema; examples: readonly { payload: unknown }[] }>;
  };
};
const document = JSON.parse(readFileSync(new URL('../../../docs/asyncapi.json', import.meta.url), 'utf8')) as Document;

describe('the AsyncAPI document', () => {
  it('is valid AsyncAPI 3', () => {
    // The bundle brings JSON Schema itself along.
    const ajv = newAjv({ meta: false, validateSchema: false });
    const validate = ajv.compile(specs.schemas[document.asyncapi] as AnySchema);
    validate(document);
    expect(validate.errors ?? []).toEqual([]);
  });

  it('points to nothing that is not there', () => {
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g)];
    expect(references.length).toBeGreaterThan(50);
    for (const [, path = ''] of references) {
      const target = path.split('/').reduce<unknown>((at, key) => (at as Record<string, unknown>)?.[key], document);
      expect(target, path).toBeDefined();
    }
  });

  it('has each event on the channel of its subject, sent by its owner', () => {
    for (const kind of eventKinds) {
      const { subject, owner } = events[kind];
      expect(document.channels[subject]?.address).toBe(subjectOf(subject, '{job_id}'));
      expect(Object.keys(document.channels[subject]?.messages ?? {})).toContain(kind);
      expect(document.operations[`${owner}-sends-${kind}`]).toMatchObject({ action: 'send' });
    }
    for (const name of Object.keys(steps) as StepName[]) {
      const own = Object.entries(document.operations).filter(([id]) => id.endsWith(`-to-${name}`));
      expect(own.length, name).toBe(steps[name].consumes === '>' ? Object.keys(document.channels).length : 1);
      for (const [id, { action }] of own)
        expect([id.split('-receives-')[0], action]).toEqual([steps[name].owner, 'receive']);
    }
  });

  it.each(eventKinds)('describes %s as it travels', (kind) => {
    const golden = readFileSync(new URL(`golden/${kind}.json`, import.meta.url));
    const message = document.components.messages[kind];
    const validate = newAjv().compile(message?.payload ?? false);
    for (const payload of [JSON.parse(golden.toString()), ...(message?.examples ?? []).map((one) => one.payload)]) {
      validate(payload);
      expect(validate.errors ?? []).toEqual([]);
      expect(parseEvent(Buffer.from(JSON.stringify(payload)))).toMatchObject({ kind });
      expect(validate({ ...payload, data: undefined })).toBe(false);
    }
    expect(message?.examples).toHaveLength(1);
  });
});

function newAjv(more: Options = {}): Ajv {
  const ajv = new Ajv({ strict: false, allErrors: true, ...more });
  ajvFormats.default(ajv);
  return ajv;
}
