/** A request as a command line; `$PET_ROAST_URL` is the gateway, the tokens are variables too. */
import type { OperationObject } from './openapi-types.ts';
import { pretty } from './pretty.ts';

const tokens: Readonly<Record<string, string>> = {
  apiKey: 'PET_ROAST_API_KEY',
  adminToken: 'ADMIN_TOKEN',
  metricsToken: 'METRICS_TOKEN',
};

/** @param as what the body is sent as, of what the operation takes */
export function curlOf(
  method: string,
  path: string,
  operation: OperationObject,
  as: 'application/json' | 'multipart/form-data' = 'application/json',
): string {
  const parameters = operation.parameters ?? [];
  const query = parameters.filter((one) => one.in === 'query' && one.example !== undefined);
  const filled = path.replace(/\{(\w+)\}/g, (_all, name) =>
    String(parameters.find((one) => one.in === 'path' && one.name === name)?.example ?? name),
  );
  const search = query.map(({ name, example }) => `${name}=${encodeURIComponent(String(example))}`).join('&');
  const streams = Object.values(operation.responses).some((answer) => answer.content?.['text/event-stream']);
  const body = Object.values(operation.requestBody?.content[as]?.examples ?? {})[0]?.value;
  const token = tokens[Object.keys(operation.security?.[0] ?? {})[0] ?? ''];
  return [
    `curl${streams ? ' -N' : ''}${method === 'get' ? '' : ` -X ${method.toUpperCase()}`} "$PET_ROAST_URL${filled}${search && `?${search}`}"`,
    ...(token === undefined ? [] : [`-H "Authorization: Bearer $${token}"`]),
    ...(body === undefined || as !== 'application/json' ? [] : ["-H 'Content-Type: application/json'"]),
    // What a first try needs no more than the address: the key alone is shown, since leaving it out costs money.
    ...parameters
      .filter(({ in: place, name }) => place === 'header' && name === 'Idempotency-Key')
      // Another request is another key: with the one of the JSON request it would be refused.
      .map(({ name, example }) => `-H '${name}: ${example}${as === 'application/json' ? '' : '-photo'}'`),
    ...(body === undefined ? [] : as === 'application/json' ? [`-d ${quoted(pretty(body))}`] : formParts(body)),
  ].join(' \\\n  ');
}

/** The photo is a file, by its name; all else is text. */
function formParts(body: unknown): string[] {
  const parts = Object.entries(body as Readonly<Record<string, string>>);
  return parts.map(([name, value]) => `-F ${quoted(`${name}=${name === 'image' ? '@' : ''}${value}`)}`);
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
