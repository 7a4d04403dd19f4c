/** A request as a command line; `$PET_ROAST_URL` is the gateway, the tokens are variables too. */
import type { OperationObject } from './openapi-types.ts';
import { pretty } from './pretty.ts';

const tokens: Readonly<Record<string, string>> = {
  apiKey: 'PET_ROAST_API_KEY',
  adminToken: 'ADMIN_TOKEN',
  metricsToken: 'METRICS_TOKEN',
};

export function curlOf(method: string, path: string, operation: OperationObject): string {
  const parameters = operation.parameters ?? [];
  const query = parameters.filter((one) => one.in === 'query' && one.example !== undefined);
  const filled = path.replace(/\{(\w+)\}/g, (_all, name) =>
    String(parameters.find((one) => one.in === 'path' && one.name === name)?.example ?? name),
  );
  const search = query.map(({ name, example }) => `${name}=${encodeURIComponent(String(example))}`).join('&');
  const streams = Object.values(operation.responses).some((answer) => answer.content?.['text/event-stream']);
  const body = Object.values(operation.requestBody?.content['application/json']?.examples ?? {})[0]?.value;
  const token = tokens[Object.keys(operation.security?.[0] ?? {})[0] ?? ''];
  return [
    `curl${streams ? ' -N' : ''}${method === 'get' ? '' : ` -X ${method.toUpperCase()}`} "$PET_ROAST_URL${filled}${search && `?${search}`}"`,
    ...(token === undefined ? [] : [`-H "Authorization: Bearer $${token}"`]),
    ...(body === undefined ? [] : ["-H 'Content-Type: application/json'"]),
    // What a first try needs no more than the address: the key alone is shown, since leaving it out costs money.
    ...parameters
      .filter(({ in: place, name }) => place === 'header' && name === 'Idempotency-Key')
      .map(({ name, example }) => `-H '${name}: ${example}'`),
    ...(body === undefined ? [] : [`-d '${pretty(body).replaceAll("'", "'\\''")}'`]),
  ].join(' \\\n  ');
}
