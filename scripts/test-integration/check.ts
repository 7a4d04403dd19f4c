/** What a check is, what it finds, and what the checks of one run share. */
import type { Client, JobStatus } from '../../packages/client/src/index.ts';
import type { Job } from './job.ts';
import type { Options } from './options.ts';
import type { Photos } from './photos.ts';

export type Check = {
  readonly id: string;
  /** The promise that is checked, as a sentence. */
  readonly title: string;
  /** Checks that must have passed, or this one is skipped. */
  readonly needs: readonly string[];
  /** Throws `Broken` with what is broken, or `Skipped`. */
  run(context: Context): Promise<Found>;
};

export type Found = {
  readonly message: string;
  /** Works, but not as it should. */
  readonly warnings?: readonly string[];
  /** Figures, for programs. */
  readonly details?: Readonly<Record<string, unknown>>;
};

/** Who is to blame, and what to look at next. */
export type Blame = {
  /** The part of the deployment that is broken, as far as can be told from outside. */
  readonly part: string;
  readonly next: readonly string[];
};

export type Context = {
  readonly options: Options;
  readonly client: Client;
  readonly photos: Photos;
  /** Fires when the time of the run is up, or somebody interrupts it; its reason is an Error that says so. */
  readonly signal: AbortSignal;
  /** How long each thing that must be done even then may take: learning a job's id, cancelling it. */
  readonly cleanUpMs: number;
  readonly facts: Facts;
  /** Told of each stage that the job is seen at. */
  readonly onStage: (stage: string) => void;
};

/** What earlier checks have found out for later ones. */
export type Facts = {
  /** Why no further job is worth sending. */
  jobsCannotStart?: string;
  bridgeAnswers?: boolean;
  backendAnswersHere?: boolean;
  /** Why a webhook cannot arrive. */
  webhooksCannotArrive?: string;
  /** The one job that becomes a video. */
  job?: Job;
  /** How that job ended. */
  ended?: JobStatus;
};

/** A check has found what is broken. */
export class Broken extends Error implements Blame {
  override readonly name = 'Broken';
  readonly part: string;
  readonly next: readonly string[];
  readonly details: Readonly<Record<string, unknown>>;
  constructor(message: string, blame: Blame, details: Readonly<Record<string, unknown>> = {}) {
    super(message);
    this.part = blame.part;
    this.next = blame.next;
    this.details = details;
  }
}

/** A check cannot be made; the message says why. */
export class Skipped extends Error {
  override readonly name = 'Skipped';
}

/** Milliseconds as a person reads them. */
export function readable(ms: number): string {
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`;
}
