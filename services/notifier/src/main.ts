/** The notifier: tells the backend how each job ended, signed, and knows whether the backend can be reached. */
import {
  brokerOptions,
  createGauge,
  defineService,
  demandHttps,
  openBroker,
  runService,
  runStages,
} from '@pet-roast/shared';
import { createPostWebhook } from './adapters/webhook-http.ts';
import { configSchema, whyHttps } from './config.ts';
import { createCircuit } from './core/circuit.ts';
import { outcomeToNotified } from './outcome-to-notified.ts';
import { testBackendConnection } from './routes/test-backend-connection.ts';

export const notifier = defineService({
  name: 'notifier',
  config: configSchema,
  async open({ config, log, http, shutdown, processToken }) {
    const backendUrl = config.BACKEND_WEBHOOK_URL;
    if (backendUrl === undefined) log.warn('BACKEND_WEBHOOK_URL is not set: no webhook can be delivered');
    else demandHttps('BACKEND_WEBHOOK_URL', backendUrl, whyHttps, config);
    const webhooks = backendUrl && createPostWebhook({ url: backendUrl, timeoutMs: config.WEBHOOK_TIMEOUT_MS });
    const post = webhooks ? webhooks.post : undefined;
    const secrets = config.BACKEND_WEBHOOK_SECRET;

    const broker = await openBroker({ ...brokerOptions(config), name: 'notifier', log });
    shutdown.add('broker', broker.close);
    if (webhooks) shutdown.add('webhooks', webhooks.close);

    const circuit = createCircuit({ failuresToOpen: config.CIRCUIT_FAILURES, openMs: config.CIRCUIT_OPEN_MS });
    const backend = async () => {
      if (circuit.state() !== 'closed') throw new Error('the backend is down');
    };
    http.checks({ nats: broker.check }, { backend });
    createGauge('pet_roast_webhook_circuit_open', '1 while the backend counts as down', () =>
      circuit.state() === 'closed' ? 0 : 1,
    );
    testBackendConnection(http.app, { post, backendUrl, secrets, processToken });
    shutdown.add('http', http.close);

    const policy = { attemptsMax: config.WEBHOOK_ATTEMPTS_MAX, waitsMs: config.WEBHOOK_WAITS_MS };
    const stage = outcomeToNotified({ broker, post, secrets, policy, circuit, holdMs: config.WEBHOOK_HOLD_MS });
    const running = await runStages([stage], { broker, log, slots: config.STAGE_SLOTS });
    shutdown.add('stages', running.stop);
    shutdown.add('readiness', http.stopping);
  },
});

if (import.meta.main) await runService(notifier);
