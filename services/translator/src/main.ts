/** The translator: puts the text into the target language, or passes it on where it is in it already. */
import {
  brokerOptions,
  createHttp,
  createLog,
  createShutdown,
  listen,
  maskConfig,
  openBroker,
  readConfig,
  runStages,
} from '@pet-roast/shared';
import { configSchema } from './config.ts';
import { detectedToTranslated } from './detected-to-translated.ts';
import { openTranslator } from './open-translator.ts';

const config = readConfig(configSchema);
const log = createLog('translator', config.LOG_LEVEL);
log.info({ config: maskConfig(configSchema, config) }, 'starting');
const shutdown = createShutdown(log);

const translator = openTranslator(config);
shutdown.add('translator', translator.close);
const broker = await openBroker({ ...brokerOptions(config), name: 'translator', log });
shutdown.add('broker', broker.close);

const http = createHttp({ log, checks: { nats: broker.check } });
await listen(http.app, config.PORT, log);
shutdown.add('http', http.close);

const stage = detectedToTranslated({ broker, translator });
const running = await runStages([stage], { broker, log, slots: config.STAGE_SLOTS });
shutdown.add('stages', running.stop);
shutdown.add('readiness', http.stopping);
