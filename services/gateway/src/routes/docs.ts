/** `GET /openapi.json`, and `GET /docs`: the same for people. */
import { createHash } from 'node:crypto';
import type { HttpServer } from '@pet-roast/shared';
import { docsPage, docsStyle } from '../openapi/docs-page.ts';
import { openApiDocument } from '../openapi/document.ts';

const document = JSON.stringify(openApiDocument);
const page = docsPage(openApiDocument);
const styleHash = createHash('sha256').update(docsStyle).digest('base64');

/** The page has no script, loads nothing, and may be framed by nobody; its one style is allowed by its hash. */
const pageHeaders = {
  'content-security-policy': `default-src 'none'; style-src 'sha256-${styleHash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
};

export function docs(app: HttpServer): void {
  app.get('/openapi.json', async (_request, reply) => reply.type('application/json; charset=utf-8').send(document));
  app.get('/docs', async (_request, reply) => reply.headers(pageHeaders).type('text/html; charset=utf-8').send(page));
}
