/** Every job, looked at from outside: what its client was told, the API, the vendor's bill, the backend's webhooks, the dead letters. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Delivery, RenderRecord, World } from '@pet-roast/sandbox';
import type { JobView, StoredLetter } from '@pet-roast/shared';
import { jobIdOf } from '../../services/gateway/src/request-to-received.ts';
import type { Sent } from './jobs.ts';

export type Evidence = {
  readonly sent: Sent;
  readonly jobId: string;
  /** Undefined where there is no such job. */
  readonly view: JobView | undefined;
  readonly renders: readonly RenderRecord[];
  readonly webhooks: readonly Delivery[];
  readonly letters: readonly StoredLetter[];
};

export type ViolationKind =
  | 'lost'
  | 'double_paid'
  | 'contradiction'
  | 'bad_signature'
  | 'untold'
  | 'silent_failure'
  | 'wrong_answer';
export type Violation = { readonly kind: ViolationKind; readonly job: string; readonly why: string };

/** Failures that are the photo's or the caller's: they need no operator. */
const callersOwn = [
  'no_pets_detected',
  'image_unreachable',
  'image_not_an_image',
  'image_too_large',
  'image_address_refused',
];

export async function gather(
  sent: readonly Sent[],
  gatewayUrl: string,
  world: World,
  letters: readonly StoredLetter[],
): Promise<Evidence[]> {
  const by = <T>(records: readonly T[], idOf: (record: T) => string | undefined) => Map.groupBy(records, idOf);
  const renders = by(world.revid.renders(), (render) => render.jobId);
  const webhooks = by(world.backend.deliveries(), (delivery) => delivery.job_id);
  const ofJob = by(letters, (letter) => letter.job_id);
  return Promise.all(
    sent.map(async (one) => {
      const jobId = jobIdOf(one.key);
      return {
        sent: one,
        jobId,
        view: await readView(gatewayUrl, jobId),
        renders: renders.get(jobId) ?? [],
        webhooks: webhooks.get(jobId) ?? [],
        letters: ofJob.get(jobId) ?? [],
      };
    }),
  );
}

/** Whether nothing can happen to the job any more. */
export function isSettled(evidence: Pick<Evidence, 'view'>): boolean {
  return evidence.view === undefined || ['notified', 'undeliverable', 'rejected'].includes(evidence.view.stage);
}

/** Every way in which one job's evidence breaks a promise. */
export function judge({ sent, jobId, view, renders, webhooks, letters }: Evidence): Violation[] {
  const found: Violation[] = [];
  const violate = (kind: ViolationKind, why: string) => found.push({ kind, job: `${sent.index} ${jobId}`, why });
  const accepted = sent.answer === 202;

  if (accepted && view === undefined) violate('lost', 'was answered with 202, and there is no such job');
  if (!isSettled({ view })) violate('lost', `is still ${view?.status} at ${view?.stage}`);
  if (sent.jobId !== undefined && sent.jobId !== jobId) violate('contradiction', 'its answer named another job');

  if (renders.length > 1) violate('double_paid', `${renders.length} renders`);
  if (webhooks.some((webhook) => webhook.signature_valid === false))
    violate('bad_signature', 'a webhook’s signature is wrong');

  const ids = new Set(webhooks.map((webhook) => webhook.headers['webhook-id']));
  const told = new Set(webhooks.map((webhook) => (webhook.body as { status?: string }).status));
  if (ids.size > 1) violate('contradiction', `webhooks under ${ids.size} ids`);
  if (told.size > 1) violate('contradiction', `the backend was told ${[...told].join(' and ')}`);
  if (view && told.size === 1 && !told.has(view.status))
    violate('contradiction', `told ${[...told]}, reads ${view.status}`);
  if (sent.answer !== undefined && !accepted) {
    if (webhooks.length > 0) violate('contradiction', `answered with ${sent.answer}, and a webhook`);
    if (renders.length > 0) violate('contradiction', `answered with ${sent.answer}, and a render`);
  }
  if (view?.status === 'completed' && renders.length === 0) violate('contradiction', 'completed without a render');
  if (view?.status === 'completed' && !renders.some((render) => render.status.videoUrl === view.video_url)) {
    violate('contradiction', 'completed with a video that is not its own');
  }
  if (sent.cancelAnswer === 202 && view?.status !== 'cancelled')
    violate('contradiction', `cancelled, and ${view?.status}`);
  if (sent.cancelAnswer === 409 && view?.status === 'cancelled')
    violate('contradiction', 'cancel was refused, and it is');

  if (accepted && view?.stage === 'rejected') violate('untold', 'answered with 202, rejected, and nobody was told');
  if (view?.stage === 'notified' && !webhooks.some((webhook) => Number(webhook.answered) < 300)) {
    violate('untold', 'is notified, and the backend has acknowledged nothing');
  }
  if (view?.stage === 'undeliverable' && letters.every((letter) => letter.step !== 'notify')) {
    violate('silent_failure', 'is undeliverable, and there is no dead letter');
  }
  const code = view?.error?.error;
  if (view?.status === 'failed' && code !== undefined && !callersOwn.includes(code) && letters.length === 0) {
    violate('silent_failure', `failed as ${code}, and there is no dead letter`);
  }

  const rejectable = { no_pet: ['no_pets_detected', 400], no_image: ['image_unreachable', 422] } as const;
  const expected = sent.kind === 'no_pet' || sent.kind === 'no_image' ? rejectable[sent.kind] : undefined;
  if (sent.answer !== undefined && !accepted && sent.answer !== expected?.[1] && sent.code !== 'detection_failed') {
    violate('wrong_answer', `a ${sent.kind} was answered with ${sent.answer} ${sent.code}`);
  }
  if (expected === undefined && code !== undefined && callersOwn.includes(code)) {
    violate('wrong_answer', `a good photo was called ${code}`);
  }
  if (expected !== undefined && view?.status === 'completed') violate('wrong_answer', `a ${sent.kind} became a video`);
  return found;
}

async function readView(gatewayUrl: string, jobId: string): Promise<JobView | undefined> {
  for (let tries = 1; ; tries++) {
    try {
      const answer = await fetch(`${gatewayUrl}/api/video-status/${jobId}`, { signal: AbortSignal.timeout(10_000) });
      if (answer.status === 404) return undefined;
      if (answer.ok) return (await answer.json()) as JobView;
      throw new Error(`status answers ${answer.status}`);
    } catch (error) {
      if (tries === 10) throw error;
      await sleep(500);
    }
  }
}

/** All dead letters, as the operator reads them. */
export async function readLetters(gatewayUrl: string, adminToken: string): Promise<StoredLetter[]> {
  const letters: StoredLetter[] = [];
  for (let after = 0; ; ) {
    const answer = await fetch(`${gatewayUrl}/admin/dead-letters?limit=500&after=${after}`, {
      headers: { authorization: `Bearer ${adminToken}` },
    });
    const page = (await answer.json()) as { letters: (StoredLetter & { id: number })[]; next?: number };
    letters.push(...page.letters.map((letter) => ({ ...letter, seq: letter.id })));
    if (page.next === undefined) return letters;
    after = page.next;
  }
}
