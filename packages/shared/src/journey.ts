/**
 * THE contract: every event of a job's way, who publishes it, what it follows and what it carries (`events`), and every
 * step that consumes one, with its bounds (`steps`). Subjects, streams, consumers, types, the status view and
 * `docs/journey.md` derive from these two records; nothing else names a subject.
 *
 *     received ─▶ verdict ─▶ translated ─▶ render ─▶ outcome ─▶ delivery          (subjects: jobs.v1.<subject>.<jobId>)
 *     erased      answered                 claimed   rendered   attempted         (events that exclude one another
 *                 detected                 released  failed     notified           share a subject, so the server
 *                 rejected                 rendering cancelled  undeliverable      decides which one happened)
 *                                     callback ─┘
 */
import { z } from 'zod';
import { type ErrorCode, isErrorCode } from './errors.ts';

export const textLengthMax = 5_000;
export const urlLengthMax = 2_048;
export const metadataBytesMax = 4_096;
export const callerNameMax = 32;

const url = z.string().min(1).max(urlLengthMax);
/** A signed address may be longer than what callers may send, and a paid video is not to be lost to that. */
export const videoUrlLengthMax = 8_192;
const videoUrl = z.string().min(1).max(videoUrlLengthMax);
const time = z.iso.datetime();
const photoIdPattern = /^[A-Za-z0-9_-]{1,64}$/;
const pid = z.string().min(1).max(200);
/** A code of a newer service is read as `internal`: of a job that has ended with one everybody has to be told. */
const code = z.string().transform((value): ErrorCode => (isErrorCode(value) ? value : 'internal'));
const box = z.object({ x: z.number(), y: z.number(), width: z.number(), height: z.number() });

/** One animal found in the photo; the box is in the photo's own pixels, as a viewer shows it. */
export const petSchema = z.object({ label: z.string(), score: z.number().min(0).max(1), box });
export type Pet = z.infer<typeof petSchema>;

/** The services, one process each. */
export type Service = 'gateway' | 'detector' | 'translator' | 'revid-bridge' | 'notifier';
/** What a caller reads as `status`: 1.x's words. */
export type PublicStatus = 'queued' | 'processing' | 'completed' | 'failed' | 'cancelled';

type EventEntry<Data extends z.ZodType = z.ZodType> = {
  /** The token in `jobs.v1.<subject>.<jobId>`. */
  readonly subject: Subject;
  readonly owner: Service;
  /** The events it can follow; empty for the first. */
  readonly after: readonly string[];
  /** Events never move a job's view to a lower rank; within one rank the later stream sequence counts. */
  readonly rank: number;
  /** What the job's `stage` and `status` read from this event on; absent where it changes neither. */
  readonly stage?: string;
  readonly status?: PublicStatus;
  /** One sentence for the docs. */
  readonly means: string;
  readonly data: Data;
};

export type Subject = 'received' | 'verdict' | 'translated' | 'render' | 'callback' | 'outcome' | 'delivery';

export const events = {
  received: event({
    subject: 'received',
    owner: 'gateway',
    after: [],
    rank: 10,
    stage: 'received',
    status: 'queued',
    means: 'The request is durable; only now may it be answered.',
    data: z.object({
      text: z.string().min(1).max(textLengthMax),
      image_url: url,
      /** The photo in the photos' bucket, where it was uploaded; `image_url` is its address for the vendor then. */
      image_id: z.string().regex(photoIdPattern).optional(),
      source_language: z.string().optional(),
      target_language: z.string(),
      metadata: z.record(z.string(), z.unknown()).optional(),
      /** The HTTP request that made the job. */
      request_id: z.string(),
      /** SHA-256 of the request's content, so that a reused Idempotency-Key with another body is seen. */
      request_sha256: z.string(),
      /** The caller whose job it is, by name, and who alone sees it; absent where no key was asked for. */
      owner: z.string().max(callerNameMax).optional(),
      /** By when the job has an outcome, whatever happens. */
      deadline_at: time,
    }),
  }),
  answered: event({
    subject: 'verdict',
    owner: 'gateway',
    after: ['received'],
    rank: 15,
    means: 'The caller was told 202 before the verdict was known; whatever the verdict is, it is now `late`.',
    data: z.object({ waited_ms: z.number() }),
  }),
  detected: event({
    subject: 'verdict',
    owner: 'detector',
    after: ['received', 'answered'],
    rank: 20,
    stage: 'detected',
    status: 'queued',
    means: 'There is a pet in the photo (or detection was skipped, in the sandbox alone).',
    data: z.object({
      pets: z.array(petSchema).max(100),
      /** Why the photo was not looked at, if it was not. */
      skipped: z.string().optional(),
      model: z.string().optional(),
      image: z.object({ width: z.number(), height: z.number(), bytes: z.number() }).optional(),
      late: z.boolean(),
    }),
  }),
  rejected: event({
    subject: 'verdict',
    owner: 'detector',
    after: ['received', 'answered'],
    rank: 20,
    stage: 'rejected',
    status: 'failed',
    means: 'The photo cannot be used: no pet, unreachable, not an image, too large.',
    data: z.object({ code, best_score: z.number().optional(), model: z.string().optional(), late: z.boolean() }),
  }),
  translated: event({
    subject: 'translated',
    owner: 'translator',
    after: ['detected'],
    rank: 30,
    stage: 'translated',
    status: 'queued',
    means: 'The text is in the target language.',
    data: z.object({
      text: z.string(),
      source_language: z.string(),
      target_language: z.string(),
      translated: z.boolean(),
      skipped_reason: z.string().optional(),
      provider: z.string().optional(),
      /** How many pieces the provider was asked for; 0 when the text was passed on untouched. */
      pieces: z.number().int().min(0),
    }),
  }),
  claimed: event({
    subject: 'render',
    owner: 'revid-bridge',
    after: ['translated', 'released'],
    rank: 40,
    means: 'One bridge may submit, once. Without a pid after it, it is not known whether money was spent.',
    data: z.object({ claim: z.string(), attempt: z.number().int().min(1), deadline_at: time }),
  }),
  released: event({
    subject: 'render',
    owner: 'revid-bridge',
    after: ['claimed'],
    rank: 40,
    means: 'The claim is given back by its owner: it is certain that nothing was started, so it may be tried again.',
    data: z.object({ claim: z.string(), attempt: z.number().int().min(1), code, retry_at: time }),
  }),
  rendering: event({
    subject: 'render',
    owner: 'revid-bridge',
    after: ['claimed'],
    rank: 50,
    stage: 'rendering',
    status: 'processing',
    means: 'The vendor has the job and its pid is known.',
    data: z.object({ pid, deadline_at: time }),
  }),
  callback: event({
    subject: 'callback',
    owner: 'revid-bridge',
    after: ['claimed', 'rendering'],
    rank: 0,
    means: 'What the vendor told us, stored before it is answered and before it is judged.',
    data: z.object({
      pid: pid.optional(),
      status: z.string(),
      video_url: videoUrl.optional(),
      error: z.string().optional(),
    }),
  }),
  rendered: event({
    subject: 'outcome',
    owner: 'revid-bridge',
    after: ['claimed', 'rendering'],
    rank: 60,
    stage: 'rendered',
    status: 'completed',
    means: 'The video exists.',
    data: z.object({ video_url: videoUrl, pid: pid.optional(), told_by: z.enum(['callback', 'poll']) }),
  }),
  failed: event({
    subject: 'outcome',
    owner: 'gateway',
    after: ['received', 'answered', 'detected', 'rejected', 'translated', 'claimed', 'released', 'rendering'],
    rank: 60,
    stage: 'failed',
    status: 'failed',
    means: 'The job is over without a video. `notify: false` when the caller was told in the answer itself.',
    data: z.object({ code, at: z.string(), notify: z.boolean() }),
  }),
  cancelled: event({
    subject: 'outcome',
    owner: 'gateway',
    after: ['received', 'answered', 'detected', 'translated', 'claimed', 'released', 'rendering'],
    rank: 60,
    stage: 'cancelled',
    status: 'cancelled',
    means: 'The caller wanted it no longer.',
    data: z.object({ notify: z.boolean() }),
  }),
  attempted: event({
    subject: 'delivery',
    owner: 'notifier',
    after: ['rendered', 'failed', 'cancelled', 'attempted'],
    rank: 65,
    means: 'A webhook attempt that did not succeed; recorded, so that a crash does not forget it.',
    data: z.object({
      attempt: z.number().int().min(1),
      reason: z.string(),
      response_status: z.number().optional(),
      next_attempt_at: time,
    }),
  }),
  notified: event({
    subject: 'delivery',
    owner: 'notifier',
    after: ['rendered', 'failed', 'cancelled', 'attempted'],
    rank: 70,
    stage: 'notified',
    means: 'The backend has acknowledged the webhook.',
    data: z.object({ attempt: z.number().int().min(1), response_status: z.number() }),
  }),
  undeliverable: event({
    subject: 'delivery',
    owner: 'notifier',
    after: ['rendered', 'failed', 'cancelled', 'attempted'],
    rank: 70,
    stage: 'undeliverable',
    means: 'The backend refused the webhook or could not be reached in all attempts; the result can still be polled.',
    data: z.object({
      attempt: z.number().int().min(0),
      reason: z.string(),
      response_status: z.number().optional(),
    }),
  }),
  erased: event({
    subject: 'received',
    owner: 'gateway',
    after: ['rendered', 'failed', 'cancelled', 'attempted', 'notified', 'undeliverable'],
    rank: 80,
    means:
      'All that was stored of the job is deleted. This event, which holds nothing of it, stands where its request stood, so that no repeat, replay or late event brings it back.',
    data: z.object({ owner: z.string().max(callerNameMax).optional() }),
  }),
} as const;

export type EventKind = keyof typeof events;
export type EventData<Kind extends EventKind> = z.infer<(typeof events)[Kind]['data']>;
export const eventKinds = Object.keys(events) as readonly EventKind[];

/** The subjects a job's state can be read from, each by its last message. */
export const stateSubjects = ['received', 'verdict', 'translated', 'render', 'outcome', 'delivery'] as const;
/** All of a job's subjects. */
export const allSubjects = [...stateSubjects, 'callback'] as const satisfies readonly Subject[];

/** What consumes: one durable pull consumer each. */
export type Step = {
  readonly owner: Service;
  /** The subject it filters; `>` for every one. */
  readonly consumes: Subject | '>';
  readonly publishes: readonly EventKind[];
  /**
   * Deliveries after which the step gives up; where it `waits`, only a message whose process died on all of them. Without end
   * where giving up would leave a status behind, or a job without its deadline: there the stream's age is the end.
   */
  readonly attemptsMax: number;
  /** One attempt may take this long; the message is kept alive until then. */
  readonly attemptTimeoutMs: number;
  /** Silence after which the server gives the message to somebody else. */
  readonly ackWaitMs: number;
  /** Waits before attempt 2, 3, …; the last one repeats. */
  readonly backoffMs: readonly number[];
  /** Messages worked on at once in one process; never more are fetched. */
  readonly slots: number;
  /** Messages out at all replicas together, delayed ones included. */
  readonly ackPendingMax: number;
  /** Waiting is normal here (a vendor, a deadline): redelivery is no sign of a crash. */
  readonly waits: boolean;
  readonly does: string;
};

export const steps = {
  detect: {
    owner: 'detector',
    consumes: 'received',
    publishes: ['detected', 'rejected', 'failed'],
    attemptsMax: 4,
    attemptTimeoutMs: 20_000,
    ackWaitMs: 10_000,
    backoffMs: [500, 2_000, 5_000],
    slots: 4,
    ackPendingMax: 1_000,
    waits: false,
    does: 'fetches the photo, looks for a pet and decides the verdict',
  },
  translate: {
    owner: 'translator',
    consumes: 'verdict',
    publishes: ['translated', 'failed'],
    attemptsMax: 6,
    attemptTimeoutMs: 30_000,
    ackWaitMs: 10_000,
    backoffMs: [1_000, 2_000, 5_000, 10_000, 30_000],
    slots: 8,
    ackPendingMax: 1_000,
    waits: false,
    does: 'puts the text into the target language',
  },
  submit: {
    owner: 'revid-bridge',
    consumes: 'translated',
    publishes: ['claimed', 'released', 'rendering', 'failed'],
    attemptsMax: 8,
    attemptTimeoutMs: 45_000,
    ackWaitMs: 15_000,
    backoffMs: [2_000, 5_000, 10_000, 20_000],
    slots: 8,
    ackPendingMax: 1_000,
    waits: false,
    does: 'claims, submits once to the vendor and remembers the pid',
  },
  watch: {
    owner: 'revid-bridge',
    consumes: 'render',
    publishes: ['claimed', 'released', 'rendering', 'rendered', 'failed'],
    attemptsMax: 20_000,
    attemptTimeoutMs: 45_000,
    ackWaitMs: 15_000,
    backoffMs: [10_000],
    slots: 16,
    ackPendingMax: 10_000,
    waits: true,
    does: 'submits again what was released, asks the vendor when no callback comes, settles uncertain claims, ends renders at their deadline',
  },
  settle: {
    owner: 'revid-bridge',
    consumes: 'callback',
    publishes: ['rendered', 'failed'],
    attemptsMax: 10,
    attemptTimeoutMs: 10_000,
    ackWaitMs: 10_000,
    backoffMs: [500, 1_000, 5_000, 15_000],
    slots: 16,
    ackPendingMax: 1_000,
    waits: false,
    does: 'judges a stored callback and decides the outcome',
  },
  notify: {
    owner: 'notifier',
    consumes: 'outcome',
    publishes: ['attempted', 'notified', 'undeliverable'],
    attemptsMax: 2_000,
    attemptTimeoutMs: 25_000,
    ackWaitMs: 10_000,
    backoffMs: [1_000, 2_000, 3_000],
    slots: 16,
    ackPendingMax: 10_000,
    waits: true,
    does: 'tells the backend, signed, and records every attempt',
  },
  project: {
    owner: 'gateway',
    consumes: '>',
    publishes: [],
    attemptsMax: Number.POSITIVE_INFINITY,
    attemptTimeoutMs: 5_000,
    ackWaitMs: 10_000,
    backoffMs: [250, 1_000, 5_000],
    slots: 16,
    ackPendingMax: 1_000,
    waits: true,
    does: 'writes the job’s events into Redis, where status reads find them',
  },
  expire: {
    owner: 'gateway',
    consumes: 'received',
    publishes: ['failed'],
    attemptsMax: Number.POSITIVE_INFINITY,
    attemptTimeoutMs: 5_000,
    ackWaitMs: 10_000,
    backoffMs: [5_000],
    slots: 4,
    ackPendingMax: 50_000,
    waits: true,
    does: 'ends a job that has no outcome at its deadline',
  },
} as const satisfies Record<string, Step>;

export type StepName = keyof typeof steps;

export const subjectPrefix = 'jobs.v1';

/** The subject of one job's event, or of every job's with `*`. */
export function subjectOf(subject: Subject, jobId: string): string {
  return `${subjectPrefix}.${subject}.${jobId}`;
}

/** The durable consumer's name of a step. */
export function durableOf(name: StepName): string {
  return `${steps[name].owner}-${name}`;
}

function event<const Entry extends EventEntry>(entry: Entry): Entry {
  return entry;
}
