/**
 * Does the webhook of the job arrive? Nobody outside sees a webhook, but the job's stage tells of it: `notified` when the
 * backend has acknowledged it with 2xx, `undeliverable` when it refused it or could not be reached in all attempts.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { JobStatus } from '../../../packages/client/src/index.ts';
import { notifier } from '../blame.ts';
import { Broken, type Check, type Context, readable, Skipped } from '../check.ts';
import { askNotifier, blameOf, sentenceOf } from './backend.ts';

const lookEveryMs = 500;

export const delivery: Check = {
  id: 'webhook',
  title: 'The job’s webhook arrives',
  needs: [],
  async run(context) {
    const { ended, webhooksCannotArrive } = context.facts;
    if (ended === undefined) throw new Skipped('because no job came to its end');
    if (webhooksCannotArrive !== undefined) throw new Skipped(`because ${webhooksCannotArrive}`);
    const status = await untilTold(context, ended);
    if (status.stage === 'notified') {
      const tookMs = Date.parse(status.updated_at) - Date.parse(ended.updated_at);
      return {
        message: `“${ended.status}” was acknowledged with 2xx ${readable(tookMs)} after the job’s end (its stage is “notified”); what the backend made of it, its own log tells`,
        details: { delivered_after_ms: tookMs, told: ended.status },
      };
    }
    throw await undelivered(context, status);
  },
};

/** The last status: told, given up, or still neither when the time is up. */
async function untilTold(context: Context, ended: JobStatus): Promise<JobStatus> {
  const { client, signal, options } = context;
  const until = performance.now() + options.stageTimeoutMs;
  for (let status = ended; ; ) {
    if (['notified', 'undeliverable'].includes(status.stage) || performance.now() > until || signal.aborted)
      return status;
    await sleep(lookEveryMs, undefined, { signal }).catch(() => undefined);
    status = await client.getStatus(ended.job_id, { signal }).catch((error: unknown) => {
      if (signal.aborted) return status;
      throw error;
    });
    context.onStage(status.stage);
  }
}

async function undelivered(context: Context, status: JobStatus): Promise<Broken> {
  const givenUp = status.stage === 'undeliverable';
  const what = givenUp
    ? 'Its stage is “undeliverable”: the backend refused the webhook, or could not be reached in all attempts.'
    : `Its stage is still “${status.stage}”: the notifier is not at it, or is trying again.`;
  const details = { job_id: status.job_id, stage: status.stage };
  const now = await askNotifier({ ...context, signal: AbortSignal.timeout(context.cleanUpMs) }).catch(() => undefined);
  if (now === undefined) {
    return new Broken(`${what} The notifier does not answer now.`, { ...notifier, part: 'the notifier' }, details);
  }
  const blame = blameOf(now, context);
  if (blame !== undefined) return new Broken(`${what} Now: ${sentenceOf(now)}`, blame, details);
  const part = givenUp ? 'the backend: it takes test webhooks, and refuses this one' : notifier.part;
  const next = [
    ...(givenUp
      ? ['A backend that refuses jobs which it does not know, as it does not know this one, fails here.']
      : []),
    ...notifier.next,
    'The video can be polled all the same; dead letters are replayed (docs/operations.md).',
  ];
  return new Broken(`${what} The test webhook is taken now.`, { part, next }, details);
}
