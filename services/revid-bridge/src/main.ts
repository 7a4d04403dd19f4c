/** The bridge to Revid.ai: submits once, takes callbacks, polls where none comes, ends renders at their deadline. */
import { brokerOptions, defineService, demandHttps, openBroker, runService, runStages } from '@pet-roast/shared';
import { createRevid } from './adapters/revid-http.ts';
import { callbackToRendered } from './callback-to-rendered.ts';
import { configSchema } from './config.ts';
import { createCallbackTokens } from './core/callback-token.ts';
import { renderOptions } from './render-options.ts';
import { renderingToRendered } from './rendering-to-rendered.ts';
import { videoComplete } from './routes/video-complete.ts';
import { translatedToRendering } from './translated-to-rendering.ts';

/** Each poll is a delivery, and the server gives a message up after twice as many. */
const pollsMax = 10_000;

export const revidBridge = defineService({
  name: 'revid-bridge',
  config: configSchema,
  isPublic: true,
  drainMs: 1_000,
  async open({ config, log, http, shutdown }) {
    const broker = await openBroker({ ...brokerOptions(config), name: 'revid-bridge', log });
    shutdown.add('broker', broker.close);
    const revid = createRevid({
      baseUrl: config.REVID_BASE_URL,
      apiKey: config.REVID_API_KEY,
      submitTimeoutMs: config.SUBMIT_TIMEOUT_MS,
    });
    shutdown.add('revid', revid.close);
    demandHttps('BRIDGE_PUBLIC_URL', config.BRIDGE_PUBLIC_URL, 'Revid.ai calls no other address', config);
    const tokens = createCallbackTokens(config.BRIDGE_PUBLIC_URL, config.CALLBACK_SECRET);

    http.checks({ nats: broker.check });
    videoComplete(http.app, { broker, tokens });
    shutdown.add('http', http.close);

    const deps = {
      broker,
      revid,
      tokens,
      options: renderOptions(config),
      deadlineMs: config.RENDER_DEADLINE_MS,
      attemptsMax: config.SUBMIT_ATTEMPTS_MAX,
      retryMs: config.SUBMIT_RETRY_MS,
      pollAfterMs: config.POLL_AFTER_MS,
      pollEveryMs: Math.max(config.POLL_EVERY_MS, config.RENDER_DEADLINE_MS / pollsMax),
      submitTimeoutMs: config.SUBMIT_TIMEOUT_MS,
      confirm: config.CALLBACK_CONFIRM,
    };
    const stages = [translatedToRendering(deps), renderingToRendered(deps), callbackToRendered(deps)];
    const running = await runStages(stages, { broker, log, slots: config.STAGE_SLOTS });
    shutdown.add('stages', running.stop);
    shutdown.add('readiness', http.stopping);
  },
});

if (import.meta.main) await runService(revidBridge);
