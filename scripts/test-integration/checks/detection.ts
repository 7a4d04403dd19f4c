/** Is a photo without a pet refused, and one with a pet accepted? Neither question may cost a video that nobody asked for. */
import {
  type Detection,
  type JobStatus,
  NoPetsDetectedError,
  PetRoastError,
} from '../../../packages/client/src/index.ts';
import { blameOfError, blameOfStage, isSilence, wordsOf } from '../blame.ts';
import { Broken, type Check, type Context, type Found, Skipped } from '../check.ts';
import { look, shown, Unreachable } from '../http.ts';
import { cancel, failureOf, follow, type Job, stageOf, startJob } from '../job.ts';

/**
 * Russian, which no translator of this system takes: the job would end at the translator, before anything is paid, even
 * if it were accepted and could not be cancelled. "This is a test."
 */
const neverRendered = 'Это проверка.';

export const noPet: Check = {
  id: 'no_pet',
  title: 'A photo without a pet is refused',
  needs: ['gateway_ready'],
  async run(context) {
    const image_url = photoOf(context, 'noPet');
    let job: Job;
    try {
      job = await startJob(context, { image_url, text: neverRendered });
    } catch (error) {
      if (error instanceof NoPetsDetectedError) return { message: 'HTTP 400 no_pets_detected' };
      throw await refusal(context, image_url, error);
    }
    if (stageOf(job) === 'received') {
      const status = await verdictOn(context, job);
      if (status.error?.error === 'no_pets_detected') return late(job);
      if (status.detection === null) throw failureOf(context, job, status);
    }
    throw await wronglyAccepted(context, job, image_url);
  },
};

export const pet: Check = {
  id: 'pet',
  title: 'A photo with a pet is accepted',
  needs: ['gateway_ready'],
  async run(context) {
    const { options, facts } = context;
    const image_url = photoOf(context, 'pet');
    const text = options.generation ? options.text : neverRendered;
    const job = await startJob(context, { image_url, text }).catch(async (error: unknown) => {
      throw await refusal(context, image_url, error);
    });
    const status = await verdictOn(context, job);
    if (status.detection === null) {
      throw status.error?.error === 'no_pets_detected'
        ? notSeen(context, image_url, 'late')
        : failureOf(context, job, status);
    }
    if (options.generation) facts.job = job;
    const told = options.generation ? undefined : (await cancel(context, job)).told;
    const { pets, skipped } = status.detection;
    return {
      message: `accepted: ${seenIn(status.detection)}${told === undefined ? '' : `. ${told}`}`,
      warnings: skipped === undefined ? [] : [`The photo was not looked at: ${skipped}.`],
      details: { job_id: job.id, pets },
    };
  },
};

/** The status that has the verdict. Throws `Broken` where there is none in time. */
async function verdictOn(context: Context, job: Job): Promise<JobStatus> {
  try {
    return await follow(context, job, (status) => status.stage !== 'received');
  } catch (error) {
    if (error instanceof Broken && error.part === blameOfStage('received').part) {
      context.facts.jobsCannotStart = 'the detector gave no verdict on the first photo';
    }
    throw error;
  }
}

function photoOf({ photos, facts }: Context, which: 'pet' | 'noPet'): string {
  if (facts.jobsCannotStart !== undefined) throw new Skipped(`because ${facts.jobsCannotStart}`);
  const url = photos[which];
  if (url !== undefined) return url;
  const flag =
    which === 'pet'
      ? '--image-url with the public address of a photo of a pet'
      : '--no-pet-image-url with the public address of a picture without one';
  if (which === 'noPet') throw new Skipped(`${photos.whyNone}: give ${flag}`);
  // Nearly nothing is tested without it: that is no pass.
  const blame = { part: 'nothing that is known of: no photo was sent', next: [`Give ${flag}.`] };
  throw new Broken(`No photo could be sent: ${photos.whyNone}.`, blame);
}

function late({ stages }: Job): Found {
  const afterMs = stages.at(-1)?.at_ms;
  return {
    message: 'refused as no_pets_detected, but only after the answer',
    warnings: [`The verdict took ${afterMs} ms, longer than the gateway waits (DETECT_WAIT_MS): the detector is slow.`],
  };
}

/** Cancelled first, and looked into afterwards. */
async function wronglyAccepted(context: Context, job: Job, url: string): Promise<Broken> {
  const { told } = await cancel(context, job);
  const { client, signal } = context;
  const { detection } = (await client.getStatus(job.id, { signal }).catch(() => undefined)) ?? {};
  const details = { job_id: job.id, detection };
  if (detection?.skipped !== undefined) {
    const next = ['The detector’s log says where it looked for its model: MODEL_PATH, MODEL_MIRROR.'];
    const message = `The photo was accepted without a look at it: ${detection.skipped}. ${told}`;
    return new Broken(message, { part: 'the detector: it has no model', next }, details);
  }
  return new Broken(
    `${shown(url)} was accepted: ${seenIn(detection)}. ${told}`,
    {
      part: 'the detector, or the picture',
      next: ['Is there really no animal in it?', 'DETECT_SCORE_MIN of the detector (default 0.3).'],
    },
    details,
  );
}

function seenIn(detection: Detection | null | undefined): string {
  const pets = detection?.pets.map(({ label, score }) => `${label} ${score.toFixed(2)}`) ?? [];
  return pets.join(', ') || 'nobody knows what was seen in it';
}

function notSeen({ photos }: Context, url: string, when: 'late' | 'at once'): Broken {
  const own = photos.servedAt !== undefined && url.startsWith(photos.servedAt);
  return new Broken(`${shown(url)} was refused${when === 'late' ? ' after the answer' : ''}: no_pets_detected.`, {
    part: own ? 'the detector: it misses the pet in the built-in photo' : 'the photo, or the detector',
    next: [
      own ? 'Which model does its log name? DETECT_SCORE_MIN (default 0.3).' : 'Is a whole animal clear to see in it?',
    ],
  });
}

/** A request that was not accepted, and whether its photo can be had from here. */
async function refusal(context: Context, url: string, error: unknown): Promise<unknown> {
  if (!(error instanceof PetRoastError)) return error;
  if (error instanceof NoPetsDetectedError) return notSeen(context, url, 'at once');
  if (!error.code.startsWith('image_')) context.facts.jobsCannotStart = `the first job was refused (${error.code})`;
  const unknown = isSilence(error)
    ? ` Whether it took the job is not known (Idempotency-Key ${error.idempotencyKey}).`
    : '';
  const hint = error.code === 'image_unreachable' ? ` ${await fromHere(context, url)}` : unknown;
  return new Broken(`${shown(url)}: ${wordsOf(error)}${hint}`, blameOfError(error));
}

async function fromHere({ photos, signal }: Context, url: string): Promise<string> {
  if (photos.servedAt !== undefined && url.startsWith(photos.servedAt)) {
    return 'It is served by this tester, which the detector cannot reach (in a container, perhaps): give --image-url and --no-pet-image-url.';
  }
  try {
    const { status } = await look(url, { signal, bytesMax: 1, redirect: 'follow' });
    return status === 200
      ? 'From here it answers: is the detector cut off from it?'
      : `From here it answers HTTP ${status}.`;
  } catch (error) {
    return error instanceof Unreachable ? `From here it cannot be reached either: ${error.message}.` : '';
  }
}
