/** A stand-in for the gateway that answers what a test tells it, and remembers what it was asked. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export type Asked = {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
  readonly atMs: number;
};
export type Respond = (response: ServerResponse, asked: Asked) => void;

export type StandIn = {
  readonly url: string;
  readonly asked: readonly Asked[];
  /** Those of one path, up to its query. */
  askedOf(path: string): readonly Asked[];
  /** Answers of a path, one after the other; the last one repeats. Of the rest there is a 404. */
  on(path: string, ...answers: readonly Respond[]): void;
  [Symbol.asyncDispose](): Promise<void>;
};

export async function startStandIn(): Promise<StandIn> {
  const asked: Asked[] = [];
  const answers = new Map<string, Respond[]>();
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request.setEncoding('utf8')) body += chunk;
    const { method = '', url = '', headers } = request;
    const one = { method, url, headers, body, atMs: performance.now() };
    asked.push(one);
    const left = answers.get(pathOf(url)) ?? [];
    const respond = left.length > 1 ? left.shift() : left[0];
    (respond ?? notThere)(response, one);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    askedOf: (path) => asked.filter(({ url }) => pathOf(url) === path),
    on: (path, ...list) => void answers.set(path, [...list]),
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
    },
  };
}

export function json(status: number, body: unknown, headers: Record<string, string> = {}): Respond {
  return (response) =>
    void response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}

/** An error in the service's shape. */
export function failure(status: number, code: string, headers: Record<string, string> = {}, field?: string): Respond {
  const detail = { error: code, message: `About ${code}.`, suggestion: 'Do better.', ...(field ? { field } : {}) };
  return json(status, { detail, request_id: 'request-1' }, headers);
}

export const broken: Respond = (response) => void response.destroy();
export const silent: Respond = () => {};
export const html: Respond = (response) =>
  void response.writeHead(200, { 'content-type': 'text/html' }).end('<h1>Welcome</h1>');

export const accepted = json(202, { job_id: 'job-1', status: 'queued', stage: 'detected' });

export function status(value: string, more: Record<string, unknown> = {}): Record<string, unknown> {
  const error = value === 'failed' ? { error: 'render_failed', message: 'No video.', suggestion: 'Again.' } : null;
  return {
    job_id: 'job-1',
    status: value,
    stage: value,
    video_url: value === 'completed' ? 'https://v.example/1.mp4' : null,
    detail: `It is ${value}.`,
    error,
    detection: null,
    translation: null,
    created_at: '2026-01-01T00:00:00.000Z',
    updated_at: '2026-01-01T00:00:00.000Z',
    ...more,
  };
}

function notThere(response: ServerResponse, asked: Asked): void {
  failure(404, 'not_found')(response, asked);
}

function pathOf(url: string): string {
  return url.replace(/\?.*/, '');
}
