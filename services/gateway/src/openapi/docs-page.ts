/** `/docs`: the OpenAPI document for people, as one page of HTML without a script or anything else to load. */
import { curlOf } from './curl.ts';
import { docsStyle } from './docs-style.ts';
import { type Field, fieldsOf, typeOf } from './fields.ts';
import { code, escaped, prose } from './html.ts';
import type { Content, OpenApiDocument, OperationObject, ResponseObject } from './openapi-types.ts';
import { pretty } from './pretty.ts';

export { docsStyle } from './docs-style.ts';

/** What an operation asks for, by its first scheme. */
const locks: Readonly<Record<string, string>> = {
  apiKey: 'API key',
  adminToken: 'admin token',
  metricsToken: 'metrics token',
};

type Entry = { readonly method: string; readonly path: string; readonly operation: OperationObject };

export function docsPage(document: OpenApiDocument): string {
  const { title, version, description } = document.info;
  const entries = entriesOf(document);
  const groups = document.tags.map((tag) => ({
    ...tag,
    entries: entries.filter((e) => e.operation.tags[0] === tag.name),
  }));
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(title)} API</title>
<style>${docsStyle}</style>
</head>
<body>
<div class="page">
<nav aria-label="Contents">
<strong>${escaped(title)}</strong> <span class="dim">${escaped(version)}</span>
${groups.map((group) => `<h2>${escaped(group.name)}</h2>\n<ul>${group.entries.map(link).join('')}</ul>`).join('\n')}
<div class="schemas"><h2>Schemas</h2>
<ul>${Object.keys(document.components.schemas)
    .map((name) => `<li><a href="#schema-${name}">${name}</a></li>`)
    .join('')}</ul></div>
</nav>
<main>
<h1>${escaped(title)} API</h1>
<p>${prose(description)}</p>
<p><a href="/openapi.json">openapi.json</a> is the same for programs (OpenAPI 3.1).</p>
${groups
  .map(
    (group) =>
      `<h2>${escaped(group.name)}</h2>\n<p class="dim">${prose(group.description)}</p>\n${group.entries
        .map((entry) => section(entry, document))
        .join('\n')}`,
  )
  .join('\n')}
<h2>Schemas</h2>
${Object.entries(document.components.schemas)
  .map(
    ([name, schema]) =>
      `<section id="schema-${name}"><h3>${name}</h3>${fieldTable(fieldsOf(schema, document)) || '<p class="dim">Any.</p>'}</section>`,
  )
  .join('\n')}
</main>
</div>
</body>
</html>
`;
}

/** Every operation of a document, its webhooks included. */
function entriesOf(document: OpenApiDocument): Entry[] {
  const paths = Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({ method, path, operation })),
  );
  const webhooks = Object.values(document.webhooks).flatMap((item) =>
    Object.values(item).map((operation) => ({ method: 'hook', path: 'BACKEND_WEBHOOK_URL', operation })),
  );
  return [...paths, ...webhooks];
}

function link({ operation }: Entry): string {
  return `<li><a href="#${operation.operationId}">${escaped(operation.summary)}</a></li>`;
}

function section({ method, path, operation }: Entry, document: OpenApiDocument): string {
  const { operationId, summary, description, security, parameters = [], requestBody, responses } = operation;
  const fields = parameters.map((one) => ({
    path: one.name,
    type: [one.in, typeOf(one.schema, document)].join(', '),
    required: one.required,
    about: one.description,
  }));
  const body = requestBody?.content['application/json'];
  const form = requestBody?.content['multipart/form-data'];
  return `<section id="${operationId}">
<h3>${escaped(summary)}</h3>
<p class="route"><span class="method ${method}">${method === 'hook' ? 'POST' : method.toUpperCase()}</span><code>${escaped(path)}</code>${
    security ? `<span class="lock">${locks[Object.keys(security[0] ?? {})[0] ?? '']}</span>` : ''
  }</p>
${description === undefined ? '' : `<p>${prose(description)}</p>`}
${fields.length === 0 ? '' : `<h4>${method === 'hook' ? 'Headers' : 'Parameters'}</h4>${fieldTable(fields)}`}
${body ? `<h4>Body</h4>${fieldTable(fieldsOf(body.schema, document))}` : ''}
${method === 'hook' ? examples(requestBody?.content ?? {}) : `<h4>Example</h4>${code(curlOf(method, path, operation))}`}
${form ? `<h4>Body as a form</h4>${fieldTable(fieldsOf(form.schema, document))}${code(curlOf(method, path, operation, 'multipart/form-data'))}` : ''}
<h4>Answers</h4>
${Object.entries(responses)
  .map(([status, response]) => answer(status, response, document))
  .join('\n')}
</section>`;
}

function fieldTable(fields: readonly Field[]): string {
  if (fields.length === 0) return '';
  const rows = fields.map(
    ({ path, type, required, about }) =>
      `<tr><td><code>${escaped(path)}</code>${required ? ' <span class="must">required</span>' : ''}</td><td><span class="dim">${escaped(type)}</span>${about && ` · ${prose(about)}`}</td></tr>`,
  );
  return `<table><thead><tr><th>Name</th><th>What it is</th></tr></thead><tbody>${rows.join('')}</tbody></table>`;
}

function answer(status: string, response: ResponseObject, document: OpenApiDocument): string {
  const good = status.startsWith('2');
  const title = `<span class="status ${good ? 'ok' : 'no'}">${status}</span>${prose(response.description)}`;
  if (response.content === undefined) return `<p>${title}</p>`;
  const [media] = Object.values(response.content);
  const headers = Object.entries(response.headers ?? {}).map(([name, header]) => ({
    path: name,
    type: 'header',
    required: false,
    about: header.description,
  }));
  const schema = good && media ? typeOf(media.schema, document) : '';
  const named = schema in document.components.schemas ? `<p>Schema: <a href="#schema-${schema}">${schema}</a></p>` : '';
  return `<details${good ? ' open' : ''}><summary>${title}</summary>${fieldTable(headers)}${named}${examples(response.content)}</details>`;
}

/** The first example in full, the others folded. */
function examples(content: Content): string {
  const [first, ...others] = Object.values(content).flatMap((media) => Object.entries(media.examples));
  if (first === undefined) return '';
  const folded = others.map(
    ([name, { value }]) => `<details><summary class="name">${escaped(name)}</summary>${code(pretty(value))}</details>`,
  );
  return [`<p class="name">${escaped(first[0])}</p>${code(pretty(first[1].value))}`, ...folded].join('\n');
}
