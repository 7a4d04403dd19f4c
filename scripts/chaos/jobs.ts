/** The jobs of a run, and the clients that send them: steady, patient, each with an idempotency key of its own. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from './random.ts';

export type JobKind = 'pet' | 'hindi' | 'no_pet' | 'no_image' | 'cancelled';

export type Sent = {
  readonly index: number;
  readonly kind: JobKind;
  readonly key: string;
  /** The status of the answer that the client ended with; undefined where it gave up. */
  answer: number | undefined;
  code: string | undefined;
  jobId: string | undefined;
  tries: number;
  cancelAnswer: number | undefined;
  readonly sentAt: number;
};

const kinds = [
  [62, 'pet'],
  [18, 'hindi'],
  [10, 'no_pet'],
  [5, 'no_image'],
  [5, 'cancelled'],
] as const satisfies readonly (readonly [number, JobKind])[];

const giveUpAfterMs = 90_000;
const tryTimeoutMs = 20_000;

export type Addresses = {
  readonly gateway: string;
  readonly pet: string;
  readonly noPet: string;
  readonly missing: string;
};

/** Sends `count` jobs, one each `everyMs`, and returns when every client has an answer or gave up. */
export async function sendJobs(
  count: number,
  everyMs: number,
  to: Addresses,
  random: Random,
  onSent: (sent: Sent) => void,
): Promise<Sent[]> {
  const clients: Promise<Sent>[] = [];
  const started = Date.now();
  for (let index = 0; index < count; index++) {
    const sent: Sent = {
      index,
      kind: random.weighted(kinds),
      key: `chaos-${started}-${index}`,
      answer: undefined,
      code: undefined,
      jobId: undefined,
      tries: 0,
      cancelAnswer: undefined,
      sentAt: Date.now(),
    };
    const cancelAfterMs = random.between(0, 3_000);
    onSent(sent);
    clients.push(client(sent, to, cancelAfterMs));
    await sleep(Math.max(0, started + (index + 1) * everyMs - Date.now()));
  }
  return Promise.all(clients);
}

async function client(sent: Sent, to: Addresses, cancelAfterMs: number): Promise<Sent> {
  const text = sent.kind === 'hindi' ? 'मेरी बिल्ली दिन में बीस घंटे सोती है।' : `My dog is lazy, number ${sent.index}.`;
  const image_url = sent.kind === 'no_pet' ? to.noPet : sent.kind === 'no_image' ? to.missing : to.pet;
  const until = Date.now() + giveUpAfterMs;
  while (Date.now() < until) {
    sent.tries++;
    const answer = await call(`${to.gateway}/api/generate-video`, { text, image_url }, { 'idempotency-key': sent.key });
    // 502 is the answer to a photo that could not be checked; every other 5xx asks to try again.
    if (answer !== undefined && (answer.status < 500 || answer.status === 502)) {
      sent.answer = answer.status;
      sent.jobId = answer.body.job_id;
      sent.code = answer.body.detail?.error;
      break;
    }
    await sleep(Math.min(200 * 2 ** sent.tries, 2_000));
  }
  if (sent.kind === 'cancelled' && sent.jobId !== undefined) {
    await sleep(cancelAfterMs);
    while (sent.cancelAnswer === undefined && Date.now() < until) {
      const answer = await call(`${to.gateway}/api/jobs/${sent.jobId}/cancel`, undefined, {});
      if (answer !== undefined && answer.status < 500) sent.cancelAnswer = answer.status;
      else await sleep(500);
    }
  }
  return sent;
}

type Body = { job_id?: string; detail?: { error?: string } };

/** One try; undefined where there was no whole answer. */
async function call(url: string, body: unknown, headers: Record<string, string>) {
  try {
    const answer = await fetch(url, {
      method: 'POST',
      headers: { ...headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(tryTimeoutMs),
    });
    return { status: answer.status, body: (await answer.json()) as Body };
  } catch {
    return undefined;
  }
}
