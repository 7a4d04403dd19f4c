/** Waiting for a video, against services of every kind. */
import type { ServerResponse } from 'node:http';
import { until } from '@pet-roast/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  createClient,
  JobCancelledError,
  JobNotFoundError,
  NoPetsDetectedError,
  RenderFailedError,
  TimeoutError,
} from '../src/index.ts';
import { broken, failure, json, type Respond, type StandIn, startStandIn, status } from './helpers/stand-in.ts';

const poll = '/api/video-status/job-1';
const events = '/api/jobs/job-1/events';
const queued = json(200, status('queued'));
const processing = json(200, status('processing'));
const completed = json(200, status('completed'));
let server: StandIn;
let client: ReturnType<typeof createClient>;

beforeEach(async () => {
  server = await startStandIn();
  client = createClient({ baseUrl: server.url, retriesMax: 0 });
});
afterEach(() => server[Symbol.asyncDispose]());

/** Holds its answers until the test gives them. */
function held(): { respond: Respond; responses: ServerResponse[] } {
  const responses: ServerResponse[] = [];
  return { responses, respond: (response) => void responses.push(response) };
}

/** An open event stream. */
function stream(...written: string[]): Respond {
  return (response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
    for (const text of written) response.write(text);
  };
}

function event(id: number, value: Record<string, unknown>): string {
  return `id: ${id}\nevent: status\ndata: ${JSON.stringify(value)}\n\n`;
}

describe('waiting for a video', () => {
  it('ends at once when it is there', async () => {
    server.on(poll, completed);
    expect((await client.waitForVideo('job-1')).video_url).toBe('https://v.example/1.mp4');
    expect(server.asked.map(({ url }) => url)).toEqual([`${poll}?wait=30`]);
  });

  it('lets the service hold the poll open', async () => {
    const { respond, responses } = held();
    server.on(poll, respond);
    const waiting = client.waitForVideo('job-1');
    const response = await until(() => responses[0], { what: 'the poll' });
    response.writeHead(200).end(JSON.stringify(status('completed')));
    expect((await waiting).status).toBe('completed');
    expect(server.asked).toHaveLength(1);
  });

  it('tells every status that is news once', async () => {
    server.on(poll, queued, queued, processing, processing, completed);
    const seen: string[] = [];
    await client.waitForVideo('job-1', { pollEveryMs: 10, onStatus: (job) => seen.push(job.status) });
    expect(seen).toEqual(['queued', 'processing', 'completed']);
  });

  it('ends with the error of a callback of the caller’s', async () => {
    server.on(poll, queued);
    const onStatus = () => {
      throw new Error('my own mistake');
    };
    await expect(client.waitForVideo('job-1', { onStatus })).rejects.toThrow('my own mistake');
  });

  it('asks a service that holds nothing open as often as told, and for its event stream only once', async () => {
    server.on(poll, queued, queued, queued, queued, completed);
    await client.waitForVideo('job-1', { pollEveryMs: 150 });
    const times = server.askedOf(poll).map(({ atMs }) => atMs);
    const gaps = times.slice(1).map((time, index) => time - (times[index] ?? 0));
    expect(gaps).toHaveLength(4);
    // The first answer is news, and an answer with news is followed sooner.
    for (const gap of gaps.slice(1)) expect(gap).toBeGreaterThanOrEqual(145);
    expect(server.askedOf(events)).toHaveLength(1);
  });

  it.each([
    ['failed', status('failed'), RenderFailedError, 'render_failed'],
    ['cancelled', status('cancelled'), JobCancelledError, 'cancelled'],
    [
      'found to have no pet late',
      status('failed', { error: { error: 'no_pets_detected', message: 'None.', suggestion: 'A dog.' } }),
      NoPetsDetectedError,
      'no_pets_detected',
    ],
  ])('throws why there is none when the job is %s', async (_what, job, Class, code) => {
    server.on(poll, json(200, job));
    const error = await client.waitForVideo('job-1').catch((e: unknown) => e);
    expect(error).toBeInstanceOf(Class);
    expect(error).toMatchObject({ code, suggestion: expect.stringMatching(/./) });
  });

  it('throws at once for a job that is not there', async () => {
    server.on(poll, failure(404, 'job_not_found'));
    await expect(client.waitForVideo('job-1')).rejects.toBeInstanceOf(JobNotFoundError);
  });

  it('outlasts an outage of the service', async () => {
    server.on(poll, queued, broken, json(503, {}), broken, completed);
    expect((await client.waitForVideo('job-1', { pollEveryMs: 20 })).status).toBe('completed');
  });

  it('ends when its time is over, with the last trouble as the cause', async () => {
    server.on(poll, queued, broken);
    const error = await client.waitForVideo('job-1', { timeoutMs: 300, pollEveryMs: 20 }).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(TimeoutError);
    expect(error).toMatchObject({
      message: 'Job job-1 is not over after 300 ms (queued).',
      cause: { code: 'network_error' },
    });
  });

  it('may have more time than a timer holds', async () => {
    server.on(poll, queued, completed);
    expect((await client.waitForVideo('job-1', { timeoutMs: Number.POSITIVE_INFINITY })).status).toBe('completed');
  });

  it('ends with the reason of its signal, also while the service holds the poll open', async () => {
    const controller = new AbortController();
    server.on(poll, () => controller.abort(new Error('The user has left.')));
    await expect(client.waitForVideo('job-1', { signal: controller.signal })).rejects.toThrow('The user has left.');
  });
});

describe('an event stream', () => {
  it('tells what follows the first poll, and no further poll is needed', async () => {
    server.on(poll, queued);
    server.on(events, stream(': hello\n\n', event(1, status('processing')), event(2, status('completed'))));
    const seen: string[] = [];
    const job = await client.waitForVideo('job-1', { onStatus: (one) => seen.push(one.status) });
    expect(job.video_url).toBe('https://v.example/1.mp4');
    expect(seen).toEqual(['queued', 'processing', 'completed']);
    expect(server.asked.map(({ url }) => url)).toEqual([poll, events]);
    expect(server.asked[1]?.headers.accept).toBe('text/event-stream');
  });

  it('that breaks is taken up after its last event', async () => {
    server.on(poll, queued, processing);
    const broke: Respond = (response, asked) => {
      stream(event(7, status('processing')))(response, asked);
      setImmediate(() => response.destroy());
    };
    server.on(events, broke, stream(event(8, status('completed'))));
    expect((await client.waitForVideo('job-1', { pollEveryMs: 20 })).status).toBe('completed');
    expect(server.askedOf(events).map(({ headers }) => headers['last-event-id'])).toEqual([undefined, '7']);
  });

  it('that does not tell the end is made good by a poll', async () => {
    server.on(poll, queued, completed);
    server.on(events, (response, asked) => {
      stream(event(1, status('queued')))(response, asked);
      response.end();
    });
    expect((await client.waitForVideo('job-1', { pollEveryMs: 20 })).status).toBe('completed');
  });

  it('that is away for now is asked for again', async () => {
    server.on(poll, queued);
    server.on(events, failure(503, 'overloaded'), stream(event(1, status('completed'))));
    expect((await client.waitForVideo('job-1', { pollEveryMs: 20 })).status).toBe('completed');
  });

  it('of which other events and broken data are passed over', async () => {
    server.on(poll, queued);
    const other = 'event: greeting\ndata: {"status":"completed"}\n\nevent: status\ndata: {"status":\n\n';
    server.on(events, stream(other, event(1, status('failed'))));
    await expect(client.waitForVideo('job-1')).rejects.toBeInstanceOf(RenderFailedError);
  });

  it('is left when the caller no longer waits', async () => {
    server.on(poll, queued);
    const controller = new AbortController();
    let closed = false;
    server.on(events, (response, asked) => {
      response.on('close', () => {
        closed = true;
      });
      stream(event(1, status('processing')))(response, asked);
      controller.abort(new Error('The user has left.'));
    });
    await expect(client.waitForVideo('job-1', { signal: controller.signal })).rejects.toThrow('The user has left.');
    await until(() => closed, { what: 'the stream to be closed' });
  });
});
