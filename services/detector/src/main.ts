/** The detector: is there a pet in the photo? */
import './adapters/memory.ts';
import {
  brokerOptions,
  type ConfigOf,
  createGuardedFetch,
  defineService,
  type Log,
  openBroker,
  runService,
  runStages,
  type Shutdown,
} from '@pet-roast/shared';
import { openRedisEntries } from './adapters/redis-entries.ts';
import { configSchema } from './config.ts';
import { createDetector, type Detector } from './detect.ts';
import { ModelUnavailable } from './model-file.ts';
import { resolveModels } from './models.ts';
import { readUpload } from './read-upload.ts';
import { receivedToDetected } from './received-to-detected.ts';
import { createVerdictCache, type VerdictCache } from './verdict-cache.ts';

export const detector = defineService({
  name: 'detector',
  config: configSchema,
  async open({ config, log, http, shutdown }) {
    const [eyes, broker] = await Promise.all([
      openDetector(config, log),
      openBroker({ ...brokerOptions(config), name: 'detector', log }),
    ]);
    if (eyes) shutdown.add('detector', eyes.close);
    const images = createGuardedFetch({
      bytesMax: config.IMAGE_BYTES_MAX,
      timeoutMs: config.IMAGE_FETCH_TIMEOUT_MS,
      allowPrivate: config.SANDBOX,
    });
    shutdown.add('images', images.close);
    shutdown.add('broker', broker.close);

    http.checks({ nats: broker.check });
    shutdown.add('http', http.close);

    const stage = receivedToDetected({
      broker,
      fetchImage: images.fetch,
      readUpload: (id) => readUpload(broker, id, config.IMAGE_BYTES_MAX),
      look: eyes?.detect,
      cache: eyes && openCache(config, eyes.model, log, shutdown),
    });
    const running = await runStages([stage], { broker, log, slots: config.STAGE_SLOTS });
    shutdown.add('stages', running.stop);
    shutdown.add('readiness', http.stopping);
  },
});

/** Without REDIS_URL there is none. */
function openCache(
  config: ConfigOf<typeof configSchema>,
  model: string,
  log: Log,
  shutdown: Shutdown,
): VerdictCache | undefined {
  const { REDIS_URL: url, REDIS_TLS_CA_FILE: caFile, DETECT_SCORE_MIN: scoreMin } = config;
  if (url === undefined) return undefined;
  const [ttlMs, entriesMax] = [config.DETECT_CACHE_TTL_MS, config.DETECT_CACHE_ENTRIES_MAX];
  const entries = openRedisEntries({ url, caFile, ttlMs, entriesMax, log });
  shutdown.add('cache', entries.close);
  return createVerdictCache(entries, { model, scoreMin });
}

/** How long a start waits for the second model's download; without it the first look decides alone. */
const secondModelTimeoutMs = 15_000;

/** The models, loaded and warm. Without the first the sandbox goes on and skips detection; elsewhere it is an error. */
async function openDetector(config: ConfigOf<typeof configSchema>, log: Log): Promise<Detector | undefined> {
  try {
    const models = await resolveModels(config, { secondTimeoutMs: secondModelTimeoutMs });
    const { entry, source, second } = models;
    log.info({ model: entry.name, source, second: second?.entry.name }, 'the detection model is there');
    if (models.embeddedBecause !== undefined) log.warn({ why: models.embeddedBecause }, 'the embedded model judges');
    if (models.secondMissing !== undefined) log.warn({ why: models.secondMissing }, 'there is no second model');
    return await createDetector({
      ...models,
      scoreMin: config.DETECT_SCORE_MIN,
      threads: config.DETECT_THREADS,
      bytesMax: config.IMAGE_BYTES_MAX,
      pixelsMax: config.IMAGE_PIXELS_MAX,
      wholePixelsMax: config.IMAGE_WHOLE_PIXELS_MAX,
      decodeTimeoutMs: config.IMAGE_DECODE_TIMEOUT_MS,
      onDecoderDied: (how) => log.warn({ how }, 'the decoder died; what it had in hand is decoded again'),
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
