import { hide, Permanent, parseRetryAfterMs, RetryLater } from '@pet-roast/shared';
import { Agent } from 'undici';

/**
 * One bounded HTTP call to a translation provider: JSON out, JSON back. The providers' addresses come from the
 * operator, not from strangers, so this needs bounds and no guard. Redirects are not followed.
 */
export type JsonPoster = {
  /**
   * @throws {RetryLater} `translation_failed` on time-outs, network errors, an aborted `signal`, an answer over
   *   `answerBytesMax`. An HTTP status is no error here; `failureOf` judges it.
   */
  readonly post: (request: JsonRequest) => Promise<JsonAnswer>;
  /** Breaks off what is still in flight: when this is called, whoever wanted an answer has it or has given up. */
  readonly close: () => Promise<void>;
};

export type JsonRequest = {
  /** Who is asked, for error texts. Addresses stay out of them: they may carry credentials. */
  readonly label: string;
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: unknown;
  readonly signal?: AbortSignal;
};

export type JsonAnswer = {
  readonly label: string;
  readonly status: number;
  readonly text: string;
  /** `undefined` where the text is not JSON. */
  readonly json: unknown;
  readonly retryAfterMs: number | undefined;
};

const connectTimeoutMs = 5_000;
/** 90 pieces of 400 characters are some 200 kB, with the source echoed 400 kB. */
const answerBytesMax = 2_000_000;
const quoteCharsMax = 200;

/** `requestTimeoutMs` bounds each call as a whole: connecting, headers and body. */
export function createJsonPoster(requestTimeoutMs: number): JsonPoster {
  const agent = new Agent({
    connect: { timeout: Math.min(connectTimeoutMs, requestTimeoutMs) },
    headersTimeout: requestTimeoutMs,
    bodyTimeout: requestTimeoutMs,
    allowH2: false,
  });

  return {
    post: async ({ label, url, headers = {}, body, signal }) => {
      const deadline = AbortSignal.timeout(requestTimeoutMs);
      const { origin, pathname, search } = new URL(url);
      try {
        const response = await agent.request({
          origin,
          path: pathname + search,
          method: 'POST',
          headers: { ...headers, 'content-type': 'application/json', accept: 'application/json' },
          body: JSON.stringify(body),
          signal: signal === undefined ? deadline : AbortSignal.any([deadline, signal]),
        });
        const text = await readText(response.body);
        const retryAfterMs = parseRetryAfterMs(response.headers['retry-after']);
        return { label, status: response.statusCode, text, json: parseJson(text), retryAfterMs };
      } catch (error) {
        // Without `cause`: what undici says of a request may quote what was in it.
        throw new RetryLater('translation_failed', { detail: `${label} gave no answer: ${nameOf(error)}` });
      }
    },
    close: () => agent.destroy(),
  };
}

/**
 * What a status other than 2xx means. 408, 429 and 5xx may pass; 401 and 403 are for the operator to settle; any other
 * is final. The answer is quoted for the operator, with `secrets` and the texts that were `sent` blotted out.
 */
export function failureOf(
  answer: JsonAnswer,
  {
    secrets,
    sent,
    settings,
  }: { readonly secrets: readonly string[]; readonly sent: readonly string[]; readonly settings: string },
): RetryLater | Permanent {
  const { label, status, retryAfterMs } = answer;
  if (status === 408 || status === 429 || status >= 500) {
    return new RetryLater('translation_failed', { detail: `${label} answered ${status}`, retryAfterMs });
  }
  const hint = status === 401 || status === 403 ? `, refusing our account (check ${settings})` : '';
  const detail = `${label} answered ${status}${hint}: ${quote(answer.text, secrets, sent)}`;
  return new Permanent('translation_failed', { detail });
}

/** A 2xx answer that is not what the provider documents: usually a proxy's page, so it may pass. */
export function unreadable({ label, status }: JsonAnswer): RetryLater {
  return new RetryLater('translation_failed', { detail: `${label} answered ${status} with something unreadable` });
}

export function isSuccess({ status }: JsonAnswer): boolean {
  return status >= 200 && status <= 299;
}

async function readText(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.byteLength;
    if (bytes > answerBytesMax) throw new RangeError('too long');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, bytes).toString('utf8');
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** All that has to be is blotted out before the cut, or the cut could leave half of it. */
function quote(text: string, secrets: readonly string[], sent: readonly string[]): string {
  const blotted = secrets
    .filter((secret) => secret !== '')
    .reduce((rest, secret) => rest.replaceAll(secret, '***'), text);
  return hide(blotted, sent).replace(/\s+/g, ' ').slice(0, quoteCharsMax);
}

function nameOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name;
}
