/** The detector: is there a pet in the photo? */
import {
  brokerOptions,
  type ConfigOf,
  createGuardedFetch,
  defineService,
  type Log,
  openBroker,
  runService,
  runStages,
} from '@pet-roast/shared';
import { configSchema } from './config.ts';
import { createDetector, type Detector } from './detect.ts';
import { ModelUnavailable } from './model-file.ts';
import { resolveModels } from './models.ts';
import { receivedToDetected } from './received-to-detected.ts';

export const detector = defineService({
  name: 'detector',
  config: configSchema,
  async open({ config, log, http, shutdown }) {
    const eyes = await openDetector(config, log);
    if (eyes) shutdown.add('detector', eyes.close);
    const images = createGuardedFetch({
      bytesMax: config.IMAGE_BYTES_MAX,
      timeoutMs: config.IMAGE_FETCH_TIMEOUT_MS,
      allowPrivate: config.SANDBOX,
    });
    shutdown.add('images', images.close);
    const broker = await openBroker({ ...brokerOptions(config), name: 'detector', log });
    shutdown.add('broker', broker.close);

    http.checks({ nats: broker.check });
    shutdown.add('http', http.close);

    const stage = receivedToDetected({
      broker,
      fetchImage: async (url, signal) => (await images.fetch(url, { signal })).bytes,
      look: eyes?.detect,
    });
    const running = await runStages([stage], { broker, log, slots: config.STAGE_SLOTS });
    shutdown.add('stages', running.stop);
    shutdown.add('readiness', http.stopping);
  },
});

/** How long a start waits for the second model's download; without it the first look decides alone. */
const secondModelTimeoutMs = 15_000;

/** The models, loaded and warm. Without the first the sandbox goes on and skips detection; elsewhere it is an error. */
async function openDetector(config: ConfigOf<typeof configSchema>, log: Log): Promise<Detector | undefined> {
  try {
    const models = await resolveModels(config, { secondTimeoutMs: secondModelTimeoutMs });
    const { entry, source, second } = models;
    log.info({ model: entry.name, source, second: second?.entry.name }, 'the detection model is there');
    if (models.secondMissing !== undefined) log.warn({ why: models.secondMissing }, 'there is no second model');
    return await createDetector({
      ...models,
      scoreMin: config.DETECT_SCORE_MIN,
      threads: config.DETECT_THREADS,
      bytesMax: config.IMAGE_BYTES_MAX,
      pixelsMax: config.IMAGE_PIXELS_MAX,
      wholePixelsMax: config.IMAGE_WHOLE_PIXELS_MAX,
      decodeTimeoutMs: config.IMAGE_DECODE_TIMEOUT_MS,
    });
  } catch (error) {
    if (config.SANDBOX && error instanceof ModelUnavailable) {
      log.warn({ error }, 'no detection model: photos are not checked in this sandbox');
      return undefined;
    }
    log.fatal({ error }, 'the detection model cannot be used');
    process.exit(1);
  }
}

if (import.meta.main) await runService(detector);
