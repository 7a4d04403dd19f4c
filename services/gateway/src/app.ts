/** The gateway's routes, in the order they are registered. */
import cors from '@fastify/cors';
import type { HttpServer } from '@pet-roast/shared';
import type { JobEvents } from './job-events.ts';
import type { ReadJob } from './job-status.ts';
import type { ReceiveDeps } from './request-to-received.ts';
import { type AdminDeps, admin } from './routes/admin.ts';
import { cancel } from './routes/cancel.ts';
import { docs } from './routes/docs.ts';
import { generateVideo } from './routes/generate-video.ts';
import { jobEvents } from './routes/job-events.ts';
import { testBackendConnection } from './routes/test-backend-connection.ts';
import { videoStatus } from './routes/video-status.ts';

export type GatewayDeps = ReceiveDeps &
  AdminDeps & {
    readonly readJob: ReadJob;
    readonly events: JobEvents;
    readonly corsOrigins: readonly string[];
    readonly notifierUrl: string | undefined;
  };

export async function registerRoutes(app: HttpServer, deps: GatewayDeps): Promise<void> {
  await app.register(cors, {
    origin: deps.corsOrigins.includes('*') ? '*' : [...deps.corsOrigins],
    methods: ['GET', 'POST'],
    exposedHeaders: ['location', 'retry-after', 'idempotency-replayed'],
  });
  generateVideo(app, deps);
  videoStatus(app, deps);
  jobEvents(app, deps);
  cancel(app, deps);
  testBackendConnection(app, deps);
  admin(app, deps);
  docs(app);
}
