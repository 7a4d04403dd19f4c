/** The gateway's routes, in the order they are registered. */
import cors from '@fastify/cors';
import type { HttpServer } from '@pet-roast/shared';
import { authenticate } from './authenticate.ts';
import type { ApiKey } from './callers.ts';
import type { EraseDeps } from './erase.ts';
import type { JobEvents } from './job-events.ts';
import type { ReadJob } from './job-status.ts';
import { limitRate, type RateLimit } from './rate-limits.ts';
import { type AdminDeps, admin } from './routes/admin.ts';
import { cancel } from './routes/cancel.ts';
import { docs } from './routes/docs.ts';
import { erase } from './routes/erase.ts';
import { type GenerateDeps, generateVideo } from './routes/generate-video.ts';
import { jobEvents } from './routes/job-events.ts';
import { photo } from './routes/photo.ts';
import { type ConnectionDeps, testBackendConnection } from './routes/test-backend-connection.ts';
import { videoStatus } from './routes/video-status.ts';

export type GatewayDeps = GenerateDeps &
  AdminDeps &
  EraseDeps &
  ConnectionDeps & {
    /** Who may call; undefined: everybody. */
    readonly apiKeys: readonly ApiKey[] | undefined;
    readonly limits: { readonly jobs: RateLimit; readonly reads: RateLimit };
    readonly readJob: ReadJob;
    readonly events: JobEvents;
    readonly corsOrigins: readonly string[];
  };

export async function registerRoutes(app: HttpServer, deps: GatewayDeps): Promise<void> {
  // Requests are JSON or a form; as a text they would be read, and refused for what is in them.
  app.removeContentTypeParser('text/plain');
  await app.register(cors, {
    origin: deps.corsOrigins.includes('*') ? '*' : [...deps.corsOrigins],
    methods: ['GET', 'POST', 'DELETE'],
    exposedHeaders: [
      'location',
      'retry-after',
      'idempotency-replayed',
      'ratelimit-limit',
      'ratelimit-remaining',
      'ratelimit-reset',
    ],
  });
  // A scope's hooks are for its own routes: only what is in here wants a caller's key.
  await app.register(async (api: HttpServer) => {
    await authenticate(api, deps.apiKeys);
    await api.register(async (jobs: HttpServer) => {
      await limitRate(jobs, deps.limits.jobs);
      await generateVideo(jobs, deps);
    });
    await api.register(async (reads: HttpServer) => {
      await limitRate(reads, deps.limits.reads);
      videoStatus(reads, deps);
      jobEvents(reads, deps);
      cancel(reads, deps);
      erase(reads, deps);
      testBackendConnection(reads, deps);
    });
  });
  photo(app, deps);
  admin(app, deps);
  docs(app);
}
