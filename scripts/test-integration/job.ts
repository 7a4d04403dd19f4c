/** A job of the tester's own: started, followed from stage to stage with a limit for each, and cancelled rather than left. */
import { type JobStatus, PetRoastError } from '../../packages/client/src/index.ts';
import { blameOfCode, blameOfError, blameOfStage, isSilence, wordsOf } from './blame.ts';
import { type Blame, Broken, type Context, readable } from './check.ts';

export type Job = {
  readonly id: string;
  /** When its request was sent, on `performance`'s clock. */
  readonly startedAt: number;
  /** As they were seen: the times are the tester's, from the request on. */
  readonly stages: { readonly stage: string; readonly at_ms: number }[];
};

/** The operator's and the backend's sign that nobody waits for this video. */
const metadata = { test: 'integration' };

/**
 * Sends the request. When the run ends meanwhile, its answer is still waited for a little: a job whose id is not known
 * cannot be cancelled. Throws the client's errors: `NoPetsDetectedError`, …
 */
export async function startJob(
  context: Context,
  input: { readonly text: string; readonly image_url: string },
): Promise<Job> {
  context.signal.throwIfAborted();
  const startedAt = performance.now();
  const signal = laterThan(context.signal, context.cleanUpMs);
  const { job_id, stage } = await context.client.generateVideo({ ...input, metadata }, { signal });
  const job = { id: job_id, startedAt, stages: [] };
  see(context, job, stage);
  return job;
}

/**
 * Waits for a status that `isEnough`. A job that stands still too long, or is overtaken by the end of the run, is
 * cancelled: then, and when the gateway does not answer any more, it throws `Broken`.
 */
export async function follow(context: Context, job: Job, isEnough: (status: JobStatus) => boolean): Promise<JobStatus> {
  const { client, signal, options } = context;
  const found = Promise.withResolvers<JobStatus>();
  const end = new AbortController();
  const both = AbortSignal.any([signal, end.signal]);
  let timer: NodeJS.Timeout | undefined;
  const mayStand = () => {
    clearTimeout(timer);
    const stage = stageOf(job);
    if (stage === 'rendering' || end.signal.aborted) return;
    timer = setTimeout(() => void lookAgain(stage), options.stageTimeoutMs);
  };
  /** A proxy that holds events back must not have a job cancelled that goes well. */
  const lookAgain = async (stage: string) => {
    const inTime = AbortSignal.any([both, AbortSignal.timeout(context.cleanUpMs)]);
    const status = await client.getStatus(job.id, { signal: inTime }).catch(() => undefined);
    if (status !== undefined && status.stage !== stage) onStatus(status);
    else found.reject(new Error(`for ${readable(options.stageTimeoutMs)}`));
  };
  const onStatus = (status: JobStatus) => {
    see(context, job, status.stage);
    mayStand();
    if (isEnough(status)) found.resolve(status);
  };
  mayStand();
  client
    .waitForVideo(job.id, { timeoutMs: options.timeoutMs, signal: both, onStatus })
    .then(found.resolve, found.reject);
  try {
    return await found.promise;
  } catch (error) {
    throw await giveUp(context, job, error);
  } finally {
    end.abort();
    clearTimeout(timer);
  }
}

/** Cancels a job, whatever time it is, and tells in a sentence what came of it. */
export async function cancel(context: Context, job: Job): Promise<{ readonly told: string; readonly error?: unknown }> {
  const mayBePaid = ['translated', 'rendering'].includes(stageOf(job));
  try {
    await context.client.cancel(job.id, { signal: AbortSignal.timeout(context.cleanUpMs) });
    return {
      told: mayBePaid
        ? `Job ${job.id} was cancelled; if Revid.ai has it already, that render is paid.`
        : `Job ${job.id} was cancelled, so that nothing is rendered for it.`,
    };
  } catch (error) {
    if (error instanceof PetRoastError && error.code === 'job_already_over') {
      return { told: `Job ${job.id} was over already.` };
    }
    const told = `Job ${job.id} could not be cancelled (${wordsOf(error)}) and may be rendered, and paid, later: POST /api/jobs/${job.id}/cancel.`;
    return { told, error };
  }
}

/** The failure of a job that is over without a video. */
export function failureOf(context: Context, job: Job, status: JobStatus): Broken {
  const before = job.stages.findLast(({ stage }) => stage !== status.stage)?.stage;
  const { error, message } = status.error ?? { error: status.status, message: status.detail };
  const blame: Blame =
    status.status === 'cancelled'
      ? { part: 'somebody who cancelled the job', next: ['Who else uses this deployment’s jobs?'] }
      : blameOfCode(error, before, context.facts);
  const text = `The job failed after ${before ?? 'received'}: ${error}: ${message}`;
  return new Broken(text, blame, { job_id: job.id, error, stages: job.stages });
}

export function stageOf(job: Job): string {
  return job.stages.at(-1)?.stage ?? 'received';
}

/** Where a job that is not over stands, as one failure. */
async function giveUp(context: Context, job: Job, why: unknown): Promise<Broken> {
  const { told, error } = await cancel(context, job);
  const details = { job_id: job.id, stages: job.stages };
  const stage = stageOf(job);
  if (isSilence(error)) {
    const message = `The gateway stopped answering when the job was at “${stage}”. ${told}`;
    return new Broken(message, blameOfError(error as PetRoastError), details);
  }
  if (why instanceof PetRoastError && !isSilence(why)) {
    return new Broken(`The job cannot be followed: ${wordsOf(why)}. ${told}`, blameOfError(why), details);
  }
  const reason = why instanceof Error ? why.message : String(why);
  return new Broken(`The job stood at “${stage}” ${reason}. ${told}`, blameOfStage(stage, context.facts), details);
}

/** A signal that fires some time after another one, for the same reason. */
function laterThan(signal: AbortSignal, ms: number): AbortSignal {
  const later = new AbortController();
  signal.addEventListener('abort', () => setTimeout(() => later.abort(signal.reason), ms).unref(), { once: true });
  return later.signal;
}

function see(context: Context, job: Job, stage: string): void {
  if (stageOf(job) === stage && job.stages.length > 0) return;
  job.stages.push({ stage, at_ms: Math.round(performance.now() - job.startedAt) });
  context.onStage(stage);
}
