/** The gateway's API as the journeys use it. */
import type { JobView } from '@pet-roast/shared';
import { type TestSystem, testAdminToken, until } from '@pet-roast/testing';

/** What the tests look into of an answer's body: a job's, its status's, or an error's. */
export type Body = JobView & { readonly detail: { readonly error: string } };
export type Answer = { readonly status: number; readonly headers: Headers; readonly body: Body };

export function apiOf(t: TestSystem) {
  async function call(path: string, init: RequestInit = {}): Promise<Answer> {
    const answer = await fetch(t.system.gatewayUrl + path, init);
    return { status: answer.status, headers: answer.headers, body: (await answer.json()) as Body };
  }

  const generate = (fields: Record<string, unknown> = {}, headers: Record<string, string> = {}) =>
    call('/api/generate-video', {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ text: 'My dog is lazy.', image_url: t.world.images.urlOf('pet.jpg'), ...fields }),
    });

  async function admin<T>(path: string, body?: unknown): Promise<{ status: number; body: T }> {
    const answer = await fetch(`${t.system.gatewayUrl}/admin${path}`, {
      method: body === undefined ? 'GET' : 'POST',
      headers: {
        authorization: `Bearer ${testAdminToken}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: answer.status, body: (await answer.json()) as T };
  }

  /** Waits for a job's status to be as it should; the error at the deadline shows where the job stood instead. */
  const untilStatus = (jobId: string, isThere: (body: Body) => boolean, what: string, timeoutMs = 20_000) =>
    until(
      async () => {
        const { body } = await call(`/api/video-status/${jobId}`);
        if (!isThere(body)) throw new Error(JSON.stringify(body));
        return body;
      },
      { what: `job ${jobId} to reach ${what}`, timeoutMs },
    );

  return {
    call,
    generate,
    admin,
    get: (path: string) => call(path),
    cancel: (jobId: string) => call(`/api/jobs/${jobId}/cancel`, { method: 'POST' }),

    /** The job's status once its webhook is delivered or given up. */
    ended: (jobId: string, timeoutMs = 30_000): Promise<Body> =>
      untilStatus(jobId, (body) => body.stage === 'notified' || body.stage === 'undeliverable', 'its end', timeoutMs),

    /** Waits for a job to reach a stage. */
    reaches: (jobId: string, stage: string): Promise<Body> =>
      untilStatus(jobId, (body) => body.stage === stage, `stage ${stage}`),

    /** Waits for a job to be completed, whether or not it was told yet. */
    completes: (jobId: string): Promise<Body> =>
      untilStatus(jobId, (body) => body.status === 'completed', 'status completed'),

    webhooks: (jobId: string) => t.world.backend.deliveries().filter((delivery) => delivery.job_id === jobId),
    renders: (jobId: string) => t.world.revid.renders().filter((render) => render.jobId === jobId),
  };
}
