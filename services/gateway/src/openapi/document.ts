/**
 * The gateway's OpenAPI 3.1 document, made from the operations and the zod schemas that validate. Its schemas are JSON
 * Schema 2020-12, which OpenAPI 3.1 uses as it is. An answer may get further fields one day, so no schema of one forbids them.
 */
import { z } from 'zod';
import { exampleError } from './examples.ts';
import { jobOperations } from './job-operations.ts';
import type {
  Content,
  OpenApiDocument,
  OperationObject,
  ParameterObject,
  ResponseObject,
  Schema,
} from './openapi-types.ts';
import {
  type Access,
  type Answer,
  answerHeaders,
  type Failure,
  failureOf,
  type HeaderName,
  limitHeaders,
  type Operation,
  type Parameter,
} from './operation.ts';
import { operatorOperations } from './operator-operations.ts';
import { errorSchema, namedSchemas, webhookSchema } from './schemas.ts';
import { webhookOperation } from './webhook.ts';

export const operations: readonly Operation[] = [...jobOperations, ...operatorOperations];

const json = 'application/json';
const multipart = 'multipart/form-data';
const dialect = { io: 'input', unrepresentable: 'any', override: dropNoise } as const;
const named = z.registry<{ id: string }>();
for (const [id, schema] of Object.entries(namedSchemas)) named.add(schema, { id });

/** The schemes of each kind of access; one of them is enough. */
const schemesOf: Readonly<Record<Access, readonly string[]>> = {
  caller: ['apiKey', 'apiKeyHeader'],
  operator: ['adminToken'],
  metrics: ['metricsToken'],
};

/** What errors of a status always have beside their body. */
const errorHeaders: Readonly<Record<number, readonly HeaderName[]>> = {
  401: ['www-authenticate'],
  429: ['retry-after', ...limitHeaders],
  503: ['retry-after'],
};

export const openApiDocument: OpenApiDocument = {
  openapi: '3.1.1',
  info: {
    title: 'Pet Roast',
    version: '2.0.0',
    description:
      'A pet photo and a roast in, a captioned video out. Send both, keep the `job_id`, and wait for the webhook; the status can be asked for at any time. Calls under `/api` take an API key, as `Authorization: Bearer` or `X-API-Key`; a job is seen by its own caller alone. Every error has one shape, and its `error` is a code that stays.',
  },
  servers: [{ url: '/', description: 'This gateway' }],
  tags: [
    { name: 'Videos', description: 'From a photo and a roast to a video.' },
    { name: 'Webhook', description: 'What your backend is sent when a job is over.' },
    { name: 'Operation', description: 'Health, numbers and this document.' },
    {
      name: 'Dead letters',
      description: 'For operators: what failed for good, and its replay. Takes the `ADMIN_TOKEN`, and no API key.',
    },
  ],
  paths: pathsOf(operations),
  webhooks: { 'pet-roast-complete': { post: webhookOperation(reference(webhookSchema)) } },
  components: {
    schemas: componentSchemas(),
    securitySchemes: {
      apiKey: { type: 'http', scheme: 'bearer', description: 'The secret of one of the gateway’s `API_KEYS`' },
      apiKeyHeader: { type: 'apiKey', in: 'header', name: 'X-API-Key', description: 'The same in a header of its own' },
      adminToken: { type: 'http', scheme: 'bearer', description: 'The gateway’s `ADMIN_TOKEN`' },
      metricsToken: { type: 'http', scheme: 'bearer', description: 'The process’s `METRICS_TOKEN`' },
    },
  },
};

function pathsOf(all: readonly Operation[]): OpenApiDocument['paths'] {
  const paths: Record<string, Record<string, OperationObject>> = {};
  for (const operation of all) {
    paths[operation.path] = { ...paths[operation.path], [operation.method]: operationObject(operation) };
  }
  return paths;
}

function operationObject(operation: Operation): OperationObject {
  const { id, tag, summary, description, access, parameters, body, answers, errors } = operation;
  const form = operation.form && content(multipart, operation.form.schema, operation.form.examples);
  return {
    operationId: id,
    tags: [tag],
    summary,
    ...(description === undefined ? {} : { description }),
    ...(access ? { security: schemesOf[access].map((scheme) => ({ [scheme]: [] })) } : {}),
    ...(parameters ? { parameters: parameters.map(parameterObject) } : {}),
    ...(body
      ? { requestBody: { required: body.required, content: { ...content(json, body.schema, body.examples), ...form } } }
      : {}),
    responses: Object.fromEntries([
      ...answers.map((answer) => answerEntry(answer, access === 'caller' ? limitHeaders : [])),
      ...errorEntries(errors),
    ]),
  };
}

function parameterObject({ in: place, name, about, schema, required, example }: Parameter): ParameterObject {
  return {
    in: place,
    name,
    description: about,
    required: required ?? false,
    // Output: what a text is read as, since all parameters arrive as text.
    schema: plain(z.toJSONSchema(schema, { ...dialect, io: 'output' })),
    ...(example === undefined ? {} : { example }),
  };
}

function answerEntry(answer: Answer, moreHeaders: readonly HeaderName[]): [string, ResponseObject] {
  const { status, means, contentType, schema, examples = {} } = answer;
  const headers = [...(answer.headers ?? []), ...moreHeaders];
  return [
    String(status),
    {
      description: means,
      ...(headers.length === 0 ? {} : { headers: headersOf(headers) }),
      ...(schema ? { content: content(contentType ?? json, schema, examples) } : {}),
    },
  ];
}

/** One answer a status, whose schema names the codes that it can be and whose examples show each. */
function errorEntries(errors: readonly Failure[]): [string, ResponseObject][] {
  const byStatus = Map.groupBy(errors.map(failureOf), ({ status }) => status);
  return [...byStatus]
    .toSorted(([a], [b]) => a - b)
    .map(([status, failures]) => {
      const codes = failures.map(({ code }) => code);
      const narrowed = { properties: { detail: { properties: { error: { enum: codes } } } } };
      const examples = Object.fromEntries(codes.map((code) => [code, { value: exampleError(code) }]));
      return [
        String(status),
        {
          description: codes.map((code) => `\`${code}\``).join(', '),
          ...(errorHeaders[status] ? { headers: headersOf(errorHeaders[status]) } : {}),
          content: { [json]: { schema: { allOf: [reference(errorSchema), narrowed] }, examples } },
        },
      ];
    });
}

function headersOf(names: readonly HeaderName[]): NonNullable<ResponseObject['headers']> {
  return Object.fromEntries(
    names.map((name) => [name, { description: answerHeaders[name], schema: { type: 'string' } }]),
  );
}

function content(type: string, schema: z.ZodType, examples: Readonly<Record<string, unknown>>): Content {
  const shown = Object.entries(examples).map(([name, value]) => [name, { value }]);
  return { [type]: { schema: reference(schema), examples: Object.fromEntries(shown) } };
}

/** A reference to a named schema; another one as it is. */
function reference(schema: z.ZodType): Schema {
  const id = named.get(schema)?.id;
  return id === undefined ? plain(z.toJSONSchema(schema, dialect)) : { $ref: uriOf(id) };
}

function componentSchemas(): Record<string, Schema> {
  const { schemas } = z.toJSONSchema(named, { ...dialect, uri: uriOf });
  return Object.fromEntries(Object.entries(schemas).map(([id, schema]) => [id, plain(schema)]));
}

function uriOf(id: string): string {
  return `#/components/schemas/${id}`;
}

function plain({ $schema: _dialect, $id: _id, ...schema }: Schema): Schema {
  return schema;
}

/** What zod adds and nobody reads: the pattern behind `format: date-time`, and the bounds of every whole number. */
export function dropNoise({ jsonSchema }: { readonly jsonSchema: Schema }): void {
  if (jsonSchema['format'] === 'date-time') Reflect.deleteProperty(jsonSchema, 'pattern');
  if (jsonSchema['minimum'] === Number.MIN_SAFE_INTEGER) Reflect.deleteProperty(jsonSchema, 'minimum');
  if (jsonSchema['maximum'] === Number.MAX_SAFE_INTEGER) Reflect.deleteProperty(jsonSchema, 'maximum');
}
