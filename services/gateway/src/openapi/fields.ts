/** A schema as a list of fields, as people read it. */
import type { OpenApiDocument, Schema } from './openapi-types.ts';

export type Field = {
  /** From the outside in: `detection.pets[].label`. */
  readonly path: string;
  readonly type: string;
  readonly required: boolean;
  readonly about: string;
};

/** The fields of an object's schema, references followed; empty for anything else. */
export function fieldsOf(schema: Schema, document: OpenApiDocument, prefix = ''): Field[] {
  const object = resolve(schema, document);
  const properties = (object['properties'] ?? {}) as Readonly<Record<string, Schema>>;
  const required = (object['required'] ?? []) as readonly string[];
  return Object.entries(properties).flatMap(([name, property]) => {
    const path = `${prefix}${name}`;
    const inner = innerOf(property, document);
    const field = {
      path,
      type: typeOf(property, document),
      required: required.includes(name),
      about: String(property['description'] ?? ''),
    };
    return [field, ...(inner ? fieldsOf(inner.schema, document, `${path}${inner.by}`) : [])];
  });
}

/** What a value may be, in a few words: `string (1 to 5000 characters)`, `Pet[]`, `"queued"`. */
export function typeOf(schema: Schema, document: OpenApiDocument): string {
  const { $ref, anyOf, enum: values, const: only, type, items, format } = schema;
  if (typeof $ref === 'string') return $ref.split('/').at(-1) ?? '';
  if (Array.isArray(anyOf)) return anyOf.map((one: Schema) => typeOf(one, document)).join(' or ');
  if (only !== undefined) return JSON.stringify(only);
  if (Array.isArray(values)) return values.length > 12 ? 'string' : values.map((v) => JSON.stringify(v)).join(', ');
  if (type === 'array') return `${typeOf((items ?? {}) as Schema, document)}[]`;
  const plain = Array.isArray(type) ? type.join(' or ') : String(type ?? 'any');
  const words = [format === undefined ? plain : String(format), boundsOf(schema)];
  return words.filter((word) => word !== '').join(' ');
}

function boundsOf(schema: Schema): string {
  const { minLength, maxLength, minimum, maximum, default: fallback } = schema;
  const parts = [
    range(minLength, maxLength, ' characters'),
    range(minimum, maximum, ''),
    fallback === undefined ? '' : `default ${JSON.stringify(fallback)}`,
  ].filter((part) => part !== '');
  return parts.length === 0 ? '' : `(${parts.join(', ')})`;
}

function range(min: unknown, max: unknown, unit: string): string {
  if (min !== undefined && max !== undefined) return `${min} to ${max}${unit}`;
  if (max !== undefined) return `at most ${max}${unit}`;
  return min === undefined ? '' : `at least ${min}${unit}`;
}

/** The object within a property, if there is one, and how its fields are reached. */
function innerOf(property: Schema, document: OpenApiDocument): { schema: Schema; by: string } | undefined {
  const schema = resolve(property, document);
  const options = (schema['anyOf'] ?? []) as readonly Schema[];
  const object = [schema, ...options].find((one) => resolve(one, document)['properties'] !== undefined);
  if (object) return { schema: object, by: '.' };
  const list = [schema, ...options].find((one) => one['type'] === 'array');
  const item = list?.['items'] as Schema | undefined;
  return item && resolve(item, document)['properties'] ? { schema: item, by: '[].' } : undefined;
}

/** The schema that a reference means. */
export function resolve(schema: Schema, document: OpenApiDocument): Schema {
  const { $ref } = schema;
  if (typeof $ref !== 'string') return schema;
  return document.components.schemas[$ref.split('/').at(-1) ?? ''] ?? {};
}
