/** `docs/api-reference.md`, out of the gateway's OpenAPI document and the bridge's schemas. */
import { type ErrorCode, errorCatalogue } from '@pet-roast/shared';
import { z } from 'zod';
import { curlOf } from '../../services/gateway/src/openapi/curl.ts';
import { openApiDocument } from '../../services/gateway/src/openapi/document.ts';
import { fieldsOf, typeOf } from '../../services/gateway/src/openapi/fields.ts';
import type { OperationObject, ResponseObject, Schema } from '../../services/gateway/src/openapi/openapi-types.ts';
import { pretty } from '../../services/gateway/src/openapi/pretty.ts';
import { bodySchema as callbackSchema } from '../../services/revid-bridge/src/routes/video-complete.ts';
import { table } from './journey-page.ts';

const callbackFailures: readonly ErrorCode[] = [
  'bad_request',
  'unauthorized',
  'body_too_large',
  'unsupported_media_type',
  'invalid_field',
  'internal',
  'unavailable',
];

export function apiReferencePage(): string {
  const { paths, tags, webhooks } = openApiDocument;
  const operations = Object.entries(paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({ path, method, operation })),
  );
  const sections = tags.map(({ name, description }) => {
    const own = operations.filter(({ operation }) => operation.tags[0] === name);
    const sent = Object.values(webhooks).flatMap((item) => Object.values(item));
    const parts = name === 'Webhook' ? sent.map(webhookSection) : own.map(routeSection);
    return `## ${name}\n\n${description}\n\n${parts.join('\n\n')}`;
  });
  return `# API reference

<!-- Generated from services/gateway/src/openapi by \`npm run docs\`; a test fails when it is stale. -->

The gateway serves the same as [OpenAPI 3.1](#operation) at \`/openapi.json\` and as a page with every schema at \`/docs\`.
Every error has one shape; its codes, with what to do, are in [errors.md](errors.md).

${sections.join('\n\n')}

${callbackSection()}
`;
}

function routeSection({
  path,
  method,
  operation,
}: {
  path: string;
  method: string;
  operation: OperationObject;
}): string {
  const fields = [
    ...(operation.parameters ?? []).map((one) => [
      `\`${one.name}\`${one.required ? ' **required**' : ''}`,
      `${one.in}, ${typeOf(one.schema, openApiDocument)}`,
      one.description,
    ]),
    ...bodyRows(operation.requestBody?.content['application/json']?.schema),
  ];
  return [
    `### ${operation.summary}: \`${method.toUpperCase()} ${path}\``,
    ...(operation.description ? [operation.description] : []),
    ...(fields.length === 0 ? [] : [table(['Name', 'Type', 'What it is'], fields)]),
    `\`\`\`sh\n${curlOf(method, path, operation)}\n\`\`\``,
    ...formBlock(method, path, operation),
    table(['Answer', 'Means'], Object.entries(operation.responses).map(answerRow)),
    ...exampleBlock(operation),
  ].join('\n\n');
}

/** The same request as a form, where there is one. */
function formBlock(method: string, path: string, operation: OperationObject): string[] {
  const form = operation.requestBody?.content['multipart/form-data'];
  if (form === undefined) return [];
  return [
    'As a form, with the photo itself:',
    table(['Name', 'Type', 'What it is'], bodyRows(form.schema)),
    `\`\`\`sh\n${curlOf(method, path, operation, 'multipart/form-data')}\n\`\`\``,
  ];
}

function webhookSection(operation: OperationObject): string {
  const body = operation.requestBody?.content['application/json'];
  const headers = (operation.parameters ?? []).map((one) => [`\`${one.name}\``, 'header', one.description]);
  const [example] = Object.values(body?.examples ?? {});
  return [
    `### ${operation.summary}: \`POST BACKEND_WEBHOOK_URL\``,
    operation.description ?? '',
    table(['Name', 'Type', 'What it is'], [...headers, ...bodyRows(body?.schema)]),
    `\`\`\`json\n${pretty(example?.value)}\n\`\`\``,
    table(['Your answer', 'Means'], Object.entries(operation.responses).map(answerRow)),
  ].join('\n\n');
}

/** The vendor's callback is the bridge's, so it is in no document of the gateway. */
function callbackSection(): string {
  const schema = z.toJSONSchema(callbackSchema, { io: 'input' }) as Schema;
  return [
    '## The vendor’s callback',
    '### A render is over: `POST /api/webhook/video-complete` on revid-bridge',
    'Called by Revid alone, at the address it was given with the render: `job_id`, `run`, `expires` and `token` in its query. A token that is not the job’s own is answered 401. Callbacks are stored, then answered, then judged; repeats change nothing.',
    table(['Name', 'Type', 'What it is'], bodyRows(schema)),
    table(
      ['Answer', 'Means'],
      [
        ['200', 'It is stored, or was before.'],
        ...callbackFailures.map((code) => [String(errorCatalogue[code].http), `\`${code}\``]),
      ],
    ),
  ].join('\n\n');
}

function bodyRows(schema: Schema | undefined): string[][] {
  return fieldsOf(schema ?? {}, openApiDocument).map(({ path, type, required, about }) => [
    `\`${path}\`${required ? ' **required**' : ''}`,
    `body, ${type}`,
    about,
  ]);
}

function answerRow([status, response]: [string, ResponseObject]): string[] {
  return [status, response.description];
}

/** The first good answer's first example. */
function exampleBlock(operation: OperationObject): string[] {
  const [media] = Object.values(Object.values(operation.responses)[0]?.content ?? {});
  const [example] = Object.values(media?.examples ?? {});
  if (example === undefined) return [];
  const language = typeof example.value === 'string' ? '' : 'json';
  return [`\`\`\`${language}\n${pretty(example.value).trimEnd()}\n\`\`\``];
}
