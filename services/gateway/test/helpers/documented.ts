/** Answers against the OpenAPI document: the status is named there, the content has its type, the body its schema. */

import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import ajvFormats from 'ajv-formats';
import { expect } from 'vitest';
import { openApiDocument } from '../../src/openapi/document.ts';
import type { OperationObject } from '../../src/openapi/openapi-types.ts';

const documentId = 'https://pet-roast.example/openapi.json';
const ajv = new Ajv2020({ strict: false, allErrors: true });
ajvFormats.default(ajv);
ajv.addSchema({ ...(closed(openApiDocument) as object), $id: documentId });
const compiled = new Map<string, ValidateFunction>();

export type Method = 'GET' | 'POST' | 'DELETE';

/** Errors whose documented headers are always there: what a 401 wants, when a 429 or a 503 may come back. */
const withHeaders = [401, 429, 503];

/** Reads an answer and fails where the document says otherwise, in its status, its body or the headers of an error. */
export async function expectDocumented(method: Method, path: string, answer: Response): Promise<unknown> {
  const place = ['paths', path, method.toLowerCase()];
  const operation = openApiDocument.paths[path]?.[method.toLowerCase()];
  const response = operation?.responses[String(answer.status)];
  const text = await answer.text();
  expect(response, `${method} ${path} answered ${answer.status}: ${text}`).toBeDefined();
  if (answer.status === 204) {
    expect([text, response?.content], `${method} ${path}`).toEqual(['', undefined]);
    return undefined;
  }
  const type = answer.headers.get('content-type')?.split(';')[0] ?? '';
  expect(Object.keys(response?.content ?? {}), `${method} ${path}`).toContain(type);
  const body: unknown = type === 'application/json' ? JSON.parse(text) : text;
  expectValid([...place, 'responses', String(answer.status), 'content', type, 'schema'], body);
  for (const name of withHeaders.includes(answer.status) ? Object.keys(response?.headers ?? {}) : []) {
    expect(answer.headers.get(name), name).not.toBeNull();
  }
  return body;
}

/** Fails where a value is not what the schema at this place of the document asks for; objects may have nothing else. */
export function expectValid(place: readonly string[], value: unknown): void {
  const pointer = `${documentId}#/${place.map(encoded).join('/')}`;
  const validate = compiled.get(pointer) ?? ajv.compile({ $ref: pointer });
  compiled.set(pointer, validate);
  validate(value);
  expect(validate.errors ?? [], `${place.join(' ')}: ${JSON.stringify(value)}`).toEqual([]);
}

/** Every operation with its place in the document; webhooks too. */
export function operationsOfDocument(): { readonly place: readonly string[]; readonly operation: OperationObject }[] {
  return (['paths', 'webhooks'] as const).flatMap((part) =>
    Object.entries(openApiDocument[part]).flatMap(([name, item]) =>
      Object.entries(item).map(([method, operation]) => ({ place: [part, name, method], operation })),
    ),
  );
}

/** The document with all its objects closed, so that a field that it does not name is seen. */
function closed(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(closed);
  if (typeof node !== 'object' || node === null) return node;
  const entries = Object.entries(node).map(([key, value]) => [
    key,
    // Within `allOf` an object is a part of one.
    key === 'allOf' || key === 'examples' ? value : closed(value),
  ]);
  const isOpenObject = 'properties' in node && !('additionalProperties' in node);
  return { ...Object.fromEntries(entries), ...(isOpenObject ? { additionalProperties: false } : {}) };
}

function encoded(part: string): string {
  return encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1'));
}
