/** `GET /api/test-backend-connection`: asks the notifier, which alone knows the backend. */
import { HttpError, type HttpServer } from '@pet-roast/shared';
import { request } from 'undici';

/** The notifier itself waits 15 s for the backend. */
const askTimeoutMs = 20_000;

export type ConnectionDeps = {
  readonly notifierUrl: string | undefined;
  /** Shown to a notifier in the same process (`ServiceContext.processToken`). */
  readonly processToken: string | undefined;
};

export function testBackendConnection(app: HttpServer, deps: ConnectionDeps): void {
  app.get('/api/test-backend-connection', async () => {
    if (deps.notifierUrl === undefined) {
      return { status: 'not_configured', message: 'NOTIFIER_URL is not set, so the notifier cannot be asked.' };
    }
    try {
      const answer = await request(new URL('/test-backend-connection', deps.notifierUrl), {
        headers: deps.processToken === undefined ? {} : { 'x-process-token': deps.processToken },
        signal: AbortSignal.timeout(askTimeoutMs),
      });
      if (answer.statusCode === 200) return await answer.body.json();
      await answer.body.dump();
      throw new Error(`${deps.notifierUrl} answered HTTP ${answer.statusCode}`);
    } catch (cause) {
      throw new HttpError('unavailable', { message: 'The notifier does not answer.', retryAfterS: 5, cause });
    }
  });
}
