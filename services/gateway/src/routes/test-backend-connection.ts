/** `GET /api/test-backend-connection`: asks the notifier, which alone knows the backend. */
import { HttpError, type HttpServer } from '@pet-roast/shared';
import { request } from 'undici';

/** The notifier itself waits 15 s for the backend. */
const askTimeoutMs = 20_000;

export function testBackendConnection(app: HttpServer, deps: { readonly notifierUrl: string | undefined }): void {
  app.get('/api/test-backend-connection', async () => {
    if (deps.notifierUrl === undefined) {
      return { status: 'not_configured', message: 'NOTIFIER_URL is not set, so the notifier cannot be asked.' };
    }
    try {
      const answer = await request(new URL('/test-backend-connection', deps.notifierUrl), {
        signal: AbortSignal.timeout(askTimeoutMs),
      });
      return await answer.body.json();
    } catch (cause) {
      throw new HttpError('unavailable', { message: 'The notifier does not answer.', retryAfterS: 5, cause });
    }
  });
}
