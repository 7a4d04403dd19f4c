/**
 * Uploaded photos: kept in NATS' object store until their job is over, and served under addresses that expire. A photo
 * has its job's id, so that whoever knows of the job can find it, and two requests with one Idempotency-Key are one photo.
 *
 * It is deleted when the job's outcome is projected (`events-to-projection.ts`): the vendor downloads it while it renders.
 * What nobody deletes, because its gateway died before there was a job, ages out of the bucket.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Broker,
  deletePhoto,
  demandHttps,
  exitForConfig,
  HttpError,
  isKind,
  type Log,
  type NewPhoto,
  putPhoto,
  type StoredPhoto,
  subjectOf,
} from '@pet-roast/shared';
import { createPhotoUrls, type PhotoUrls } from './photo-urls.ts';

export type Photos = Pick<PhotoUrls, 'verify'> & {
  /** The address for the vendor, valid until after the job's deadline. */
  urlFor(jobId: string, deadlineMs: number): string;
  /** Makes it durable. Throws `HttpError('idempotency_key_reused')` where the job has another photo, `BrokerUnavailable`. */
  keep(photo: NewPhoto): Promise<StoredPhoto>;
  /** Deletes what was kept for a job that does not use it; what cannot be deleted now ages out. */
  discard(photo: StoredPhoto): Promise<void>;
  /** As `discard`, where nobody knows whether there is such a job: as soon as the broker says that there is none. */
  discardWithoutJob(photo: StoredPhoto): Promise<void>;
};

const minuteMs = 60_000;
/** A vendor may be fetching while the job's deadline passes, clocks differ, and the bucket outlives the addresses. */
const [urlMarginMs, keepingMarginMs] = [5 * minuteMs, 10 * minuteMs];
const looksMax = 60;
const lookEveryMs = 1_000;
/** A publish of whose end nobody heard may still be on its way when the broker answers again. */
const looksWithoutJob = 3;
type PhotoConfig = {
  readonly SANDBOX: boolean;
  readonly PORT: number;
  readonly GATEWAY_PUBLIC_URL?: string | undefined;
  readonly PHOTO_URL_SECRET?: readonly string[] | undefined;
  readonly PHOTO_STORE_BYTES_MAX: number;
  readonly JOB_DEADLINE_MS: number;
};

/** The addresses and the bucket; undefined where uploads are not configured. Exits where only one half of it is. */
export function photoSettings(config: PhotoConfig) {
  const sandbox = config.SANDBOX ? sandboxSettings(config.PORT) : undefined;
  const { GATEWAY_PUBLIC_URL: url = sandbox?.url, PHOTO_URL_SECRET: secrets } = config;
  if (url === undefined && secrets === undefined) return undefined;
  const [first, ...others] = secrets ?? sandbox?.secrets ?? [];
  if (url === undefined) exitForConfig('GATEWAY_PUBLIC_URL', 'is missing, since PHOTO_URL_SECRET is set');
  if (first === undefined) exitForConfig('PHOTO_URL_SECRET', 'is missing, since GATEWAY_PUBLIC_URL is set');
  demandHttps('GATEWAY_PUBLIC_URL', url, 'by http, whoever is on the way can see the photos', config);
  return {
    urls: createPhotoUrls(url, [first, ...others]),
    bucket: { bytesMax: config.PHOTO_STORE_BYTES_MAX, maxAgeMs: config.JOB_DEADLINE_MS + keepingMarginMs },
  };
}

/** In the sandbox the vendor is on the same machine, and the secret is nobody's. */
function sandboxSettings(port: number) {
  const url = port === 0 ? undefined : `http://127.0.0.1:${port}`;
  return { url, secrets: ['sandbox-photo-url-secret-0123456789'] };
}

export function createPhotos(deps: { readonly broker: Broker; readonly urls: PhotoUrls; readonly log: Log }): Photos {
  const { broker, urls, log } = deps;

  async function discard({ id, revision }: StoredPhoto): Promise<void> {
    await deletePhoto(broker.photos, id, revision).catch((error: unknown) =>
      log.warn({ error, job_id: id }, 'a photo without a job could not be deleted; it ages out'),
    );
  }

  return {
    verify: urls.verify,
    urlFor: (jobId, deadlineMs) => urls.urlFor(jobId, new Date(deadlineMs + urlMarginMs)),
    async keep(photo) {
      const stored = await putPhoto(broker.photos, photo);
      if (stored === undefined) throw new HttpError('idempotency_key_reused');
      return stored;
    },
    discard,
    async discardWithoutJob(photo) {
      for (let looks = 0, without = 0; looks < looksMax; looks++) {
        await sleep(lookEveryMs, undefined, { ref: false });
        const received = await broker.readLast(subjectOf('received', photo.id)).catch(() => 'no answer' as const);
        if (received === 'no answer') continue;
        // Its outcome deletes the photo.
        if (isKind(received, 'received')) return;
        without++;
        if (without === looksWithoutJob) return discard(photo);
      }
    },
  };
}
