import { expect, it } from 'vitest';
import { createFollow } from './follow.ts';
import { createRequest } from './request.ts';

it.each([
  ['from the start', '', []],
  ['after an event', 'event: status\ndata: {"status":"queued"}\n\n', ['queued']],
])(
  'a stream that is silent %s is left after a while, so that a poll can tell what it does not',
  async (_when, said, statuses) => {
    let left = false;
    const silent: typeof fetch = async (_url, init) => {
      const body = new ReadableStream({
        start(controller) {
          if (said) controller.enqueue(new TextEncoder().encode(said));
          init?.signal?.addEventListener('abort', () => {
            left = true;
            controller.error(new Error('aborted'));
          });
        },
      });
      return new Response(body, { headers: { 'content-type': 'text/event-stream' } });
    };
    const request = createRequest({ base: 'https://roast.example', apiKey: undefined, fetch: silent });
    const seen: string[] = [];
    const follow = createFollow(request, '/api/jobs/job-1/events', 30);
    for await (const job of follow(new AbortController().signal)) seen.push(job.status);
    expect(seen).toEqual(statuses);
    expect(left).toBe(true);
  },
);

it('an answer that is no stream is let go of unread, and not asked for again', async () => {
  const signals: (AbortSignal | null | undefined)[] = [];
  const page: typeof fetch = async (_url, init) => {
    signals.push(init?.signal);
    return new Response(new ReadableStream(), { status: 404, headers: { 'content-type': 'text/html' } });
  };
  const request = createRequest({ base: 'https://roast.example', apiKey: undefined, fetch: page });
  const follow = createFollow(request, '/api/jobs/job-1/events');
  const { signal } = new AbortController();
  expect(await follow(signal).next()).toMatchObject({ done: true });
  expect(await follow(signal).next()).toMatchObject({ done: true });
  expect(signals.map((one) => one?.aborted)).toEqual([true]);
});
