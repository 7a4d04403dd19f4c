/** Revid.ai's API v3 over HTTP: submit, status, projects. The key goes into the header `key`, not a bearer. */
import { hide, parseRetryAfterMs, RetryLater } from '@pet-roast/shared';
import { Agent, type Dispatcher, request } from 'undici';
import { z } from 'zod';
import {
  pidSchema,
  type RenderStatus,
  readStatus,
  readSubmitError,
  readSubmitted,
  type Submitted,
} from '../core/render-state.ts';

export type Revid = {
  /**
   * Submits a render. Never throws: what went wrong is in the answer, as what it proves, in the vendor's words without
   * those that are `hidden`.
   */
  submit(body: Record<string, unknown>, hidden: readonly string[]): Promise<Submitted>;
  /** Asks for a render's status. Throws `RetryLater` when there is no readable answer. */
  status(pid: string, signal: AbortSignal): Promise<RenderStatus>;
  /** The pid of the project that shows this title, among the latest ones; undefined when none does. */
  find(title: string, signal: AbortSignal): Promise<string | undefined>;
  close(): Promise<void>;
};

const askTimeoutMs = 10_000;
const answerBytesMax = 1024 * 1024;
const projectsMax = 50;
const whyLengthMax = 300;
const projectSchema = z.looseObject({ pid: pidSchema });

export function createRevid(options: {
  readonly baseUrl: string;
  readonly apiKey: string;
  readonly submitTimeoutMs: number;
}): Revid {
  // Over HTTP/2 all calls would share one connection, and one that has died would make every submission uncertain until
  // the system notices; undici also sends a POST that a server says it has not taken once more, by itself.
  const dispatcher = new Agent({ connect: { timeout: 5_000 }, connections: 32, allowH2: false });
  const headers = { key: options.apiKey, accept: 'application/json' };
  const at = (path: string) => `${options.baseUrl.replace(/\/$/, '')}${path}`;

  async function ask(path: string, signal: AbortSignal): Promise<{ status: number; body: unknown }> {
    try {
      const deadline = AbortSignal.any([signal, AbortSignal.timeout(askTimeoutMs)]);
      const answer = await request(at(path), { headers, dispatcher, signal: deadline });
      return { status: answer.statusCode, body: await readJson(answer) };
    } catch (cause) {
      throw new RetryLater('render_unreachable', { detail: `GET ${path.split('?')[0]} failed`, cause });
    }
  }

  return {
    async submit(body, hidden) {
      try {
        const answer = await request(at('/render'), {
          method: 'POST',
          headers: { ...headers, 'content-type': 'application/json' },
          body: JSON.stringify(body),
          dispatcher,
          signal: AbortSignal.timeout(options.submitTimeoutMs),
        });
        const wishMs = parseRetryAfterMs(answer.headers['retry-after']);
        const submitted = readSubmitted(answer.statusCode, await readJson(answer), wishMs);
        // Judged first: what is hidden may stand in a word that decides, or in the pid.
        return 'why' in submitted
          ? { ...submitted, why: hide(submitted.why, hidden).slice(0, whyLengthMax) }
          : submitted;
      } catch (error) {
        return readSubmitError(error);
      }
    },

    async status(pid, signal) {
      const { status, body } = await ask(`/status?pid=${encodeURIComponent(pid)}`, signal);
      if (status === 404) return { kind: 'unknown', word: 'not found' };
      if (status >= 400) throw new RetryLater('render_unreachable', { detail: `GET /status answered ${status}` });
      return readStatus(body);
    },

    async find(title, signal) {
      const { status, body } = await ask(`/projects?limit=${projectsMax}`, signal);
      if (status >= 400) return undefined;
      // In whichever field: the vendor documents none of them.
      const found = listOf(body).find((project) => JSON.stringify(project).includes(`${title}"`));
      return projectSchema.safeParse(found).data?.pid;
    },

    close: () => dispatcher.close(),
  };
}

/** The body as JSON; undefined where it is none or too long. Errors of the socket are thrown. */
async function readJson(answer: Dispatcher.ResponseData): Promise<unknown> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of answer.body) {
    bytes += (chunk as Buffer).length;
    if (bytes > answerBytesMax) return undefined;
    chunks.push(chunk as Buffer);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    return undefined;
  }
}

function listOf(body: unknown): unknown[] {
  const { projects } = (body ?? {}) as { projects?: unknown };
  const list = Array.isArray(body) ? body : projects;
  return Array.isArray(list) ? list : [];
}
