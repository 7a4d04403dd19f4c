/** The gateway: takes requests, answers with the verdict on the photo, tells a job's status. */
import { brokerOptions, defineService, openBroker, runService, runStages } from '@pet-roast/shared';
import { openRedis } from '@pet-roast/shared/redis';
import { registerRoutes } from './app.ts';
import { demandKeys } from './callers.ts';
import { configSchema } from './config.ts';
import { eventsToProjection } from './events-to-projection.ts';
import { runGivenUpToFailed } from './given-up-to-failed.ts';
import { openJobEvents } from './job-events.ts';
import { createReadJob } from './job-status.ts';
import { createOpenJobs } from './open-jobs.ts';
import { overdueToFailed } from './overdue-to-failed.ts';
import { createPhotos, photoSettings } from './photos.ts';
import { watchPressure } from './pressure.ts';
import { openProjection } from './projection.ts';
import { rateLimits } from './rate-limits.ts';
import { watchForRebuild } from './rebuild.ts';
import { createVerdictOf } from './verdict-of.ts';

export const gateway = defineService({
  name: 'gateway',
  config: configSchema,
  isPublic: true,
  drainMs: 1_000,
  async open({ config, log, http, shutdown, processToken }) {
    const apiKeys = demandKeys(config, log);
    const uploads = photoSettings(config);
    if (uploads === undefined) log.warn('GATEWAY_PUBLIC_URL is not set: photos cannot be uploaded');
    const photoBucket = { photos: uploads?.bucket, setsLimits: true };
    const broker = await openBroker({ ...brokerOptions(config), ...photoBucket, name: 'gateway', log });
    shutdown.add('broker', broker.close);
    const redisAt = { url: config.REDIS_URL, caFile: config.REDIS_TLS_CA_FILE };
    const projection = openProjection({ ...redisAt, ttlMs: config.JOB_TTL_MS, log });
    shutdown.add('projection', projection.close);

    const stages = [eventsToProjection({ broker, projection }), overdueToFailed({ broker })];
    const running = await runStages(stages, { broker, log, slots: config.STAGE_SLOTS });
    shutdown.add('stages', running.stop);
    const rebuild = watchForRebuild({ broker, projection, log });
    shutdown.add('rebuild', rebuild.stop);
    const givenUp = await runGivenUpToFailed({ broker, log });
    shutdown.add('given-up', givenUp.stop);
    const pressure = watchPressure({ broker, log, waitingMax: config.DETECT_WAITING_MAX });
    shutdown.add('pressure', pressure.stop);
    const events = await openJobEvents(broker);
    shutdown.add('events', events.stop);
    // Half a second: a limit is not worth more of a caller's time.
    const redis = openRedis({ ...redisAt, commandTimeoutMs: 500, without: 'no caller is limited', log });
    shutdown.add('limits', async () => redis.disconnect());

    // Redis is not needed to be ready: without it, status is answered from the stream.
    http.checks({ nats: broker.check }, { redis: projection.check });
    await registerRoutes(http.app, {
      broker,
      projection,
      events,
      apiKeys,
      limits: rateLimits(config, redis),
      photos: uploads && createPhotos({ broker, urls: uploads.urls, log }),
      imageBytesMax: config.IMAGE_BYTES_MAX,
      openJobs: createOpenJobs({ redis, broker, log, max: config.OPEN_JOBS_MAX }),
      verdictOf: createVerdictOf({ broker, events }),
      refusal: pressure.refusal,
      adminToken: config.ADMIN_TOKEN,
      readJob: createReadJob({ broker, projection, log }),
      targetLanguage: config.TARGET_LANGUAGE,
      detectWaitMs: config.DETECT_WAIT_MS,
      jobDeadlineMs: config.JOB_DEADLINE_MS,
      corsOrigins: config.CORS_ORIGINS,
      notifierUrl: config.NOTIFIER_URL,
      processToken,
    });
    shutdown.add('http', http.close);
    shutdown.add('waiting', events.endWaiting);
    shutdown.add('readiness', http.stopping);
  },
});

if (import.meta.main) await runService(gateway);
