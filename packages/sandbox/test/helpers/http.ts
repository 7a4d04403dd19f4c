import { request } from 'undici';
import { z } from 'zod';

export type Answer = { readonly status: number; readonly headers: Record<string, unknown>; readonly text: string };

const answerMsMax = 5_000;

/** One request on a connection of its own; `timeoutMs` is the caller's patience. */
export async function ask(
  url: string,
  options: {
    method?: 'GET' | 'POST' | 'HEAD' | 'DELETE';
    headers?: Record<string, string>;
    body?: unknown;
    timeoutMs?: number;
  } = {},
): Promise<Answer> {
  const { method = options.body === undefined ? 'GET' : 'POST', headers = {}, timeoutMs = answerMsMax } = options;
  const answer = await request(url, {
    method,
    headers: { ...(options.body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
    reset: true,
    signal: AbortSignal.timeout(timeoutMs),
    ...(options.body === undefined ? {} : { body: asText(options.body) }),
  });
  return { status: answer.statusCode, headers: { ...answer.headers }, text: await answer.body.text() };
}

/** The answer's JSON, read through a schema of the caller's that names what it looks at. */
export function json(answer: Answer): Record<string, unknown> {
  return z.record(z.string(), z.unknown()).parse(JSON.parse(answer.text));
}

/** The code of the error that a request ends with; undefined where it is answered. */
export async function errorOf(asked: Promise<Answer>): Promise<string | undefined> {
  try {
    await asked;
    return undefined;
  } catch (error) {
    const { code, name } = error as { code?: string; name: string };
    return typeof code === 'string' ? code : name;
  }
}

function asText(body: unknown): string {
  return typeof body === 'string' ? body : JSON.stringify(body);
}
