/** `GET /test-backend-connection`: one signed test webhook, and what the backend made of it. The gateway asks for it. */
import { HttpError, type HttpServer } from '@pet-roast/shared';
import type { PostWebhook } from '../adapters/webhook-http.ts';
import { signWebhook } from '../core/webhook.ts';

export type ConnectionReport = {
  readonly status: 'not_configured' | 'success' | 'timeout' | 'failed';
  readonly message: string;
  readonly backend_url: string | null;
  readonly response_code: number | null;
  readonly response_time_ms: number | null;
  readonly response_body: string | null;
  readonly error: string | null;
};

export type ConnectionDeps = {
  readonly post: PostWebhook | undefined;
  readonly backendUrl: string | undefined;
  readonly secrets: readonly string[];
  /** Where strangers reach the port too, it answers only who shows this. */
  readonly processToken: string | undefined;
};

export function testBackendConnection(app: HttpServer, deps: ConnectionDeps): void {
  app.get('/test-backend-connection', async (request): Promise<ConnectionReport> => {
    const { processToken } = deps;
    if (processToken !== undefined && request.headers['x-process-token'] !== processToken) {
      throw new HttpError('not_found');
    }
    const none = { backend_url: null, response_code: null, response_time_ms: null, response_body: null, error: null };
    if (deps.post === undefined || deps.backendUrl === undefined) {
      return { ...none, status: 'not_configured', message: 'BACKEND_WEBHOOK_URL is not set on the notifier.' };
    }
    const { origin, pathname } = new URL(deps.backendUrl);
    const body = { job_id: 'test_connection', status: 'test', message: 'Connection test from the Pet Roast service' };
    const webhook = signWebhook(`msg_test_${crypto.randomUUID()}`, body, deps.secrets);
    const started = performance.now();
    const result = await deps.post({ ...webhook, headers: { ...webhook.headers, 'x-test': 'true' } });
    const report = {
      ...none,
      backend_url: origin + pathname,
      response_time_ms: Math.round(performance.now() - started),
    };
    if (result.kind === 'timeout') {
      return { ...report, status: 'timeout', message: 'The backend did not answer in time.', error: 'timeout' };
    }
    if (result.kind === 'network') {
      return { ...report, status: 'failed', message: 'The backend cannot be reached.', error: result.code };
    }
    const answered = { ...report, response_code: result.status, response_body: result.bodyStart ?? null };
    if (result.status >= 200 && result.status < 300) {
      return { ...answered, status: 'success', message: 'The backend took the test webhook.' };
    }
    return {
      ...answered,
      status: 'failed',
      message: 'The backend refused the test webhook.',
      error: `HTTP ${result.status}`,
    };
  });
}
