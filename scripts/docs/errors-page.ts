/** `docs/errors.md`, out of the catalogue. */
import { type ErrorEntry, errorCatalogue } from '@pet-roast/shared';
import { table } from './journey-page.ts';

export function errorsPage(): string {
  const rows = Object.entries(errorCatalogue).map(([code, { http, message, suggestion }]: [string, ErrorEntry]) => [
    `\`${code}\``,
    String(http),
    message,
    suggestion,
  ]);
  return `# Errors

<!-- Generated from packages/shared/src/errors.ts by \`npm run docs\`; a test fails when it is stale. -->

Every error has one shape, in answers as in a job's status; a failure webhook carries the message as \`error\` and the code
as \`error_code\`. \`field\` is there where one part of the request is wrong.

\`\`\`json
{
  "detail": { "error": "<code>", "message": "<for people>", "suggestion": "<what to do>", "field": "<of the request>" },
  "request_id": "<for the logs>"
}
\`\`\`

A code that ends a job after its 202 has no answer of its own: \`GET /api/video-result/{id}\` says 502 with that code then.

${table(['Code', 'HTTP', 'Message', 'What to do'], rows)}
`;
}
