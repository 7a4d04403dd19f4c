/** The translator: puts the text into the target language, or passes it on where it is in it already. */
import { brokerOptions, defineService, openBroker, runService, runStages } from '@pet-roast/shared';
import { configSchema } from './config.ts';
import { detectedToTranslated } from './detected-to-translated.ts';
import { openTranslator } from './open-translator.ts';

export const translator = defineService({
  name: 'translator',
  config: configSchema,
  async open({ config, log, http, shutdown }) {
    const provider = openTranslator(config);
    shutdown.add('translator', provider.close);
    const broker = await openBroker({ ...brokerOptions(config), name: 'translator', log });
    shutdown.add('broker', broker.close);

    http.checks({ nats: broker.check });
    shutdown.add('http', http.close);

    const stage = detectedToTranslated({ broker, translator: provider });
    const running = await runStages([stage], { broker, log, slots: config.STAGE_SLOTS });
    shutdown.add('stages', running.stop);
    shutdown.add('readiness', http.stopping);
  },
});

if (import.meta.main) await runService(translator);
