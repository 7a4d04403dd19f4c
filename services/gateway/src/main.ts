/** The gateway: takes requests, answers with the verdict on the photo, tells a job's status. */
import { brokerOptions, defineService, openBroker, runService, runStages } from '@pet-roast/shared';
import { registerRoutes } from './app.ts';
import { configSchema } from './config.ts';
import { eventsToProjection } from './events-to-projection.ts';
import { runGivenUpToFailed } from './given-up-to-failed.ts';
import { openJobEvents } from './job-events.ts';
import { createReadJob } from './job-status.ts';
import { overdueToFailed } from './overdue-to-failed.ts';
import { watchPressure } from './pressure.ts';
import { openProjection } from './projection.ts';
import { watchForRebuild } from './rebuild.ts';
import { createVerdictOf } from './verdict-of.ts';

export const gateway = defineService({
  name: 'gateway',
  config: configSchema,
  drainMs: 1_000,
  async open({ config, log, http, shutdown }) {
    const broker = await openBroker({ ...brokerOptions(config), name: 'gateway', log, setsLimits: true });
    shutdown.add('broker', broker.close);
    const projection = openProjection({ url: config.REDIS_URL, ttlMs: config.JOB_TTL_MS, log });
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

    // Redis is not needed to be ready: without it, status is answered from the stream.
    http.checks({ nats: broker.check }, { redis: projection.check });
    await registerRoutes(http.app, {
      broker,
      events,
      verdictOf: createVerdictOf({ broker, events }),
      refusal: pressure.refusal,
      adminToken: config.ADMIN_TOKEN,
      readJob: createReadJob({ broker, projection, log }),
      targetLanguage: config.TARGET_LANGUAGE,
      detectWaitMs: config.DETECT_WAIT_MS,
      jobDeadlineMs: config.JOB_DEADLINE_MS,
      corsOrigins: config.CORS_ORIGINS,
      notifierUrl: config.NOTIFIER_URL,
    });
    shutdown.add('http', http.close);
    shutdown.add('waiting', events.endWaiting);
    shutdown.add('readiness', http.stopping);
  },
});

if (import.meta.main) await runService(gateway);
