/** One bounded HTTP call for a check, as the services make theirs: past no proxy, through no redirect. */
import { Agent, request } from 'undici';

/** For all of one check: looking up, connecting, every answer. */
export const checkTimeoutMs = 10_000;
/** The time that a check's calls have together. */
export type Deadline = { readonly timeoutMs: number; readonly signal: AbortSignal };

export function deadlineIn(timeoutMs: number): Deadline {
  return { timeoutMs, signal: AbortSignal.timeout(timeoutMs) };
}

const answerBytesMax = 256 * 1024;

export type Answer = {
  readonly status: number;
  /** Where it sends callers on to. */
  readonly location: string | undefined;
  /** Undefined where the body is not JSON, or longer than 256 KB. */
  readonly json: unknown;
};
/** No answer, and why, as a sentence's end. */
export type NoAnswer = { readonly unreachable: string };

/**
 * A GET, or a POST of `json`. Never throws: what went wrong is in what it gives, without anything that was sent.
 */
export async function ask(
  url: string,
  options: {
    readonly deadline: Deadline;
    readonly headers?: Readonly<Record<string, string>>;
    readonly json?: unknown;
  },
): Promise<Answer | NoAnswer> {
  const { deadline, headers = {}, json } = options;
  const dispatcher = new Agent({ connect: { timeout: deadline.timeoutMs }, allowH2: false });
  try {
    const answer = await request(url, {
      method: json === undefined ? 'GET' : 'POST',
      headers: { accept: 'application/json', ...(json === undefined ? {} : jsonType), ...headers },
      ...(json === undefined ? {} : { body: JSON.stringify(json) }),
      signal: deadline.signal,
      dispatcher,
    });
    const { location } = answer.headers;
    const text = await readText(answer.body);
    return {
      status: answer.statusCode,
      location: typeof location === 'string' ? location : undefined,
      json: parseJson(text),
    };
  } catch (error) {
    return { unreachable: reasonOf(error, new URL(url), deadline) };
  } finally {
    await dispatcher.destroy();
  }
}

const jsonType = { 'content-type': 'application/json' };

async function readText(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    bytes += chunk.byteLength;
    if (bytes > answerBytesMax) break;
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function reasonOf(error: unknown, { host, hostname }: URL, { timeoutMs }: Deadline): string {
  const { name, code, errors } = error as { name: string; code?: unknown; errors?: { code?: string }[] };
  // Of several addresses that were tried, the first one's; an aborted call has a number there.
  const word = (typeof code === 'string' && code) || errors?.[0]?.code || name;
  if (name === 'TimeoutError' || word.includes('TIMEOUT') || word === 'ETIMEDOUT') {
    return `${host} gave no answer within ${timeoutMs / 1_000} s`;
  }
  if (word === 'ENOTFOUND' || word === 'EAI_AGAIN') return `no address is known for ${hostname} (${word})`;
  if (word === 'ECONNREFUSED') return `nothing listens at ${host} (ECONNREFUSED)`;
  if (/CERT|SELF_SIGNED|UNABLE_TO/.test(word)) return `${host} shows no certificate that can be trusted (${word})`;
  if (/SSL|EPROTO/.test(word)) return `${host} does not speak https (${word})`;
  return `${host} could not be talked to (${word})`;
}
