/** Sends callbacks and keeps what became of them. */
import { request } from 'undici';
import { createRecordLog, type RecordLog } from '../record-log.ts';

/** The vendor's receivers have five seconds to answer. */
const answerMsMax = 5_000;

export type SentCallback = {
  readonly at: string;
  readonly pid: string;
  readonly jobId: string | undefined;
  readonly url: string;
  readonly payload: unknown;
  /** The receiver's HTTP status, or why there is none. */
  readonly status?: number;
  readonly error?: string;
};

export type Callbacks = {
  readonly sent: RecordLog<SentCallback>;
  /** POSTs one callback. Never throws: what became of it is the record it returns, and in `sent`. */
  send(to: Pick<SentCallback, 'pid' | 'jobId' | 'url' | 'payload'>): Promise<SentCallback>;
};

/** @param closing ends every callback that is under way */
export function createCallbacks(closing: AbortSignal): Callbacks {
  const sent = createRecordLog<SentCallback>('callback');
  return {
    sent,
    send: async (to) => {
      const at = new Date().toISOString();
      const result = await post(to.url, to.payload, closing);
      return sent.add({ at, ...to, ...result });
    },
  };
}

async function post(
  url: string,
  payload: unknown,
  closing: AbortSignal,
): Promise<{ status: number } | { error: string }> {
  try {
    const answer = await request(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(payload),
      signal: AbortSignal.any([closing, AbortSignal.timeout(answerMsMax)]),
    });
    await answer.body.dump();
    return { status: answer.statusCode };
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
}
