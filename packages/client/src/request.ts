/** One HTTP call: headers, time limit, and what went wrong on the way. */
import type { Answer } from './answers.ts';
import { withDeadline } from './deadline.ts';
import { createError, type PetRoastError } from './errors.ts';

export type Call = {
  readonly method?: 'GET' | 'POST' | 'DELETE';
  /** After the base address: `/api/…`. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON; a form as it is. */
  readonly body?: unknown;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
};

export type Request = {
  /** The whole answer, whatever its status. Throws `NetworkError`, `TimeoutError` or the signal's reason. */
  ask(call: Call): Promise<Answer>;
  /** The answer as soon as its headers are there; what reads its body has to obey the signal. Throws `NetworkError`. */
  open(call: Omit<Call, 'timeoutMs'>): Promise<Response>;
};

export function createRequest(options: {
  readonly base: string;
  readonly apiKey: string | undefined;
  readonly fetch: typeof fetch;
}): Request {
  async function open(call: Omit<Call, 'timeoutMs'>): Promise<Response> {
    const headers: Record<string, string> = { accept: 'application/json', ...call.headers };
    const isJson = call.body !== undefined && !(call.body instanceof FormData);
    // Of a form `fetch` says the type, with the boundary that it chooses.
    if (isJson) headers['content-type'] = 'application/json';
    if (options.apiKey !== undefined) headers['authorization'] = `Bearer ${options.apiKey}`;
    const init: RequestInit = {
      method: call.method ?? 'GET',
      headers,
      // A followed redirect turns a POST into a GET and may take the key to another host.
      redirect: 'manual',
      ...(call.body instanceof FormData ? { body: call.body } : {}),
      ...(isJson ? { body: JSON.stringify(call.body) } : {}),
      ...(call.signal === undefined ? {} : { signal: call.signal }),
    };
    try {
      return await options.fetch(options.base + call.path, init);
    } catch (cause) {
      throw networkError(cause);
    }
  }

  return {
    open,
    ask(call) {
      const timedOut = () => timeoutError(`Pet Roast did not answer within ${Math.round(call.timeoutMs)} ms.`);
      return withDeadline({ timeoutMs: call.timeoutMs, signal: call.signal, timedOut }, async (signal) => {
        const response = await open({ ...call, signal });
        const text = await response.text().catch((cause: unknown) => {
          throw networkError(cause);
        });
        return { status: response.status, headers: response.headers, text };
      });
    },
  };
}

export function timeoutError(message: string, cause?: unknown): PetRoastError {
  return createError('timeout', { message, suggestion: 'Try again.', cause });
}

function networkError(cause: unknown): PetRoastError {
  const reason = reasonOf(cause);
  return createError('network_error', {
    message: `Pet Roast could not be reached${reason === undefined ? '' : ` (${reason})`}.`,
    suggestion: 'Check baseUrl and the network, and try again.',
    cause,
  });
}

/** Node puts the system's code, such as ECONNREFUSED, into the cause of its "fetch failed". */
function reasonOf(error: unknown): string | undefined {
  const { code, cause } = error as { code?: unknown; cause?: { code?: unknown } };
  const reason = cause?.code ?? code;
  return typeof reason === 'string' ? reason : undefined;
}
