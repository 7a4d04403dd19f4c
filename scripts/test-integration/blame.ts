/** From what is seen outside (an error's code, the stage at which a job stands) to the part that is broken. */
import { NetworkError, PetRoastError, TimeoutError } from '../../packages/client/src/index.ts';
import type { Blame, Facts } from './check.ts';

const detector: Blame = {
  part: 'the detector',
  next: [
    'Is the detector’s process up, and does its /readyz answer 200?',
    'Its log says whether the detection model was loaded, and what went wrong with a photo.',
    'Up and slow: `detector-detect` in NATS’ monitor shows how many photos wait (docs/operations.md).',
  ],
};
const translator: Blame = {
  part: 'the translator, or AI4Bharat behind it',
  next: [
    'Is the translator’s process up, and does its /readyz answer 200?',
    'Its log says what AI4Bharat answered; 401 or 403 there: BHASHINI_USER_ID and BHASHINI_API_KEY (or INDICTRANS_API_KEY).',
  ],
};
const bridge: Blame = {
  part: 'the revid-bridge',
  next: ['Is the revid-bridge’s process up, and does its /readyz answer 200?', 'Its log says why it ended.'],
};
const vendor: Blame = {
  part: 'Revid.ai, as the revid-bridge reaches it',
  next: [
    'The revid-bridge’s log line “submitted to the vendor” says what Revid.ai answered.',
    'Does REVID_BASE_URL answer from where the bridge runs?',
  ],
};
const bridgeOrVendor: Blame = {
  part: 'the revid-bridge, or Revid.ai behind it',
  next: [...bridge.next.slice(0, 1), ...vendor.next, 'With --bridge-url this tester tells the two apart.'],
};
const account: Blame = {
  part: 'the account at Revid.ai',
  next: [
    'Is REVID_API_KEY of the revid-bridge right, does the plan include the API, and are there credits?',
    'The dead letter has Revid.ai’s own words: GET /admin/dead-letters; replay it when that is mended.',
  ],
};
const render: Blame = {
  part: 'Revid.ai, or the way of its callback',
  next: [
    'Renders take half a minute to five; with a short --timeout-s, give it more.',
    'Look at Revid.ai for the project “pet-roast <job id> run 1”: does it go on there?',
    'Ready there: is BRIDGE_PUBLIC_URL the bridge’s address as the internet sees it? The bridge’s log tells of callbacks and polls.',
  ],
};
const photo: Blame = {
  part: 'the photo’s address',
  next: ['Does the address answer without a login, with the image itself, and from where the detector runs?'],
};
const nats: Blame = {
  part: 'NATS, or the gateway’s way to it',
  next: ['Is NATS up, and is the gateway’s NATS_URL right?', 'Is the job stream full (docs/operations.md)?'],
};
const gateway: Blame = {
  part: 'the gateway',
  next: ['Is the gateway’s process up? Its log and the platform’s proxy say more.'],
};
export const notifier: Blame = {
  part: 'the notifier, or the backend behind it',
  next: [
    'Is the notifier’s process up? Its /readyz shows whether it has given the backend up for now.',
    'Its log line “webhook attempt” says what the backend answered to each one.',
  ],
};

const byCode: Readonly<Record<string, Blame>> = {
  unauthorized: {
    part: 'the API key',
    next: ['Give the secret of one of the gateway’s API_KEYS: --api-key, or the variable PET_ROAST_API_KEY.'],
  },
  rate_limited: {
    part: 'the gateway’s limit for this caller',
    next: ['Wait a minute, or raise RATE_LIMIT_JOBS_PER_MINUTE or RATE_LIMIT_READS_PER_MINUTE of the gateway.'],
  },
  too_many_jobs: {
    part: 'the gateway’s limit for this caller',
    next: ['Wait until jobs of this key are over, or raise OPEN_JOBS_MAX of the gateway.'],
  },
  overloaded: {
    part: 'the gateway: it refuses jobs',
    next: ['Its log line “refusing jobs” has the reason; docs/operations.md, “It refuses jobs”.'],
  },
  unavailable: nats,
  internal: { part: 'the gateway', next: ['The gateway’s log has the request’s id.'] },
  unexpected_answer: {
    part: 'the address --ai-service-url',
    next: ['Is it the gateway’s own address, with https where http redirects to it?'],
  },
  image_unreachable: photo,
  image_not_an_image: photo,
  image_too_large: { part: 'the photo', next: ['Use one of at most 20 MB and 50 megapixels.'] },
  image_address_refused: {
    part: 'the photo’s address',
    next: [
      'Only a service with SANDBOX=true takes private addresses. Give --image-url and --no-pet-image-url public ones.',
    ],
  },
  detection_failed: detector,
  translation_failed: translator,
  language_not_supported: { part: 'the text’s language', next: ['Give a --text in one of the supported languages.'] },
  render_account_refused: account,
  render_refused: {
    part: 'Revid.ai: it refuses this photo or text, or the bridge’s options',
    next: [
      'The dead letter has Revid.ai’s own words: GET /admin/dead-letters.',
      'The REVID_… options of the bridge (workflow, ratio, REVID_EXTRA), then the photo and the text.',
    ],
  },
  render_unreachable: vendor,
  render_failed: {
    part: 'Revid.ai: it could not make the video',
    next: ['Does it reach the photo’s address? The dead letter has its own words: GET /admin/dead-letters.'],
  },
  render_timed_out: render,
  render_outcome_unknown: {
    part: 'Revid.ai, as the revid-bridge reaches it',
    next: ['It may have been paid: docs/operations.md, `render_outcome_unknown`.', ...vendor.next],
  },
};

/** Of a code that ended a job or answered a call; `stage` is where the job was before. */
export function blameOfCode(code: string, stage = 'received', facts: Facts = {}): Blame {
  if (code === 'deadline_exceeded' || code === 'attempts_exhausted') return blameOfStage(stage, facts);
  return byCode[code] ?? { part: `unknown (${code})`, next: ['docs/errors.md has the codes.'] };
}

/** Of the stage at which a job stands. The next step is its part's who does not answer. */
export function blameOfStage(stage: string, facts: Facts = {}): Blame {
  switch (stage) {
    case 'received':
      return detector;
    case 'detected':
      return translator;
    case 'translated':
      return facts.bridgeAnswers === undefined ? bridgeOrVendor : facts.bridgeAnswers ? vendor : bridge;
    case 'rendering':
      return render;
    default:
      return notifier;
  }
}

/** Of a call to the gateway that failed. */
export function blameOfError(error: PetRoastError): Blame {
  return isSilence(error) ? gateway : blameOfCode(error.code);
}

/** Whether the error says that the gateway itself gave no answer. */
export function isSilence(error: unknown): boolean {
  return error instanceof NetworkError || error instanceof TimeoutError;
}

/** What somebody who was told an error reads of it. */
export function wordsOf(error: unknown): string {
  if (!(error instanceof PetRoastError)) return error instanceof Error ? error.message : String(error);
  const http = error.status === undefined ? '' : `HTTP ${error.status} `;
  return `${http}${error.code}: ${error.message}${error.requestId === undefined ? '' : ` (request ${error.requestId})`}`;
}
