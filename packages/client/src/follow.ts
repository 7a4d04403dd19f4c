/** A job's server-sent events, as far as they reach; where they stop early, a poll tells what they did not. */
import { parseObject } from './answers.ts';
import type { Request } from './request.ts';
import { createEventParser } from './sse.ts';
import type { JobStatus } from './types.ts';

/** The statuses as they come. Ends with the stream, whatever ends it, and at once where the service has none. */
export type Follow = (signal: AbortSignal) => AsyncGenerator<JobStatus, void>;

/** A stream that says nothing for this long, comments included, is taken for dead. */
const silenceMsMax = 45_000;

/** A follower of one job; called again, it continues after the last event it has seen. */
export function createFollow(request: Request, path: string, silenceMs: number = silenceMsMax): Follow {
  let isThere = true;
  let lastEventId: string | undefined;

  return async function* follow(signal) {
    if (!isThere) return;
    signal.throwIfAborted();
    const controller = new AbortController();
    const abort = () => controller.abort();
    signal.addEventListener('abort', abort, { once: true });
    let timer = setTimeout(abort, silenceMs);
    try {
      const headers: Record<string, string> = { accept: 'text/event-stream' };
      if (lastEventId !== undefined) headers['last-event-id'] = lastEventId;
      const response = await request.open({ path, headers, signal: controller.signal });
      isThere = isStream(response) || mayComeBack(response);
      if (!isStream(response)) return;

      const parser = createEventParser();
      const decoder = new TextDecoder();
      for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
        clearTimeout(timer);
        timer = setTimeout(abort, silenceMs);
        for (const event of parser.push(decoder.decode(chunk, { stream: true }))) {
          lastEventId = event.id ?? lastEventId;
          const status = event.name === 'status' ? statusOf(event.data) : undefined;
          if (status !== undefined) yield status;
        }
      }
    } catch {
      signal.throwIfAborted();
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
      abort();
    }
  };
}

function isStream(response: Response): boolean {
  const type = response.headers.get('content-type') ?? '';
  return response.status === 200 && response.body !== null && /^text\/event-stream\b/i.test(type);
}

function mayComeBack(response: Response): boolean {
  return response.status === 429 || response.status >= 500;
}

function statusOf(data: string): JobStatus | undefined {
  const value = parseObject(data);
  return typeof value?.['status'] === 'string' ? (value as JobStatus) : undefined;
}
