/** A steady load: one job each so many milliseconds, each followed by its client until the backend was told of it. */
import { setTimeout as sleep } from 'node:timers/promises';

export type Tally = {
  readonly sent: number;
  /** Completed, and the backend has acknowledged its webhook. */
  readonly completed: number;
  /** How the others ended. */
  readonly otherwise: readonly string[];
};

const texts = ['My dog is lazy.', 'मेरी बिल्ली दिन में बीस घंटे सोती है।'];
const pollEveryMs = 1_000;
const callTimeoutMs = 15_000;
const giveUpAfterMs = 120_000;

/** Sends until `stop`, which returns when every client knows how its job ended. */
export function startLoad(options: {
  readonly gatewayUrl: string;
  readonly imageUrl: string;
  readonly jobsPerSecond: number;
}): { tally(): Tally; stop(): Promise<Tally> } {
  let sent = 0;
  let completed = 0;
  const otherwise: string[] = [];
  const underWay = new Set<Promise<void>>();
  let stopping = false;
  const tally = (): Tally => ({ sent, completed, otherwise: [...otherwise] });

  async function client(index: number): Promise<void> {
    const ending = await runJob(index, options).catch((error: unknown) => String(error));
    if (ending === 'completed') completed++;
    else otherwise.push(`job ${index}: ${ending}`);
  }

  const sending = (async () => {
    for (const started = Date.now(); !stopping; ) {
      const client_ = client(sent++);
      underWay.add(client_);
      void client_.finally(() => underWay.delete(client_));
      await sleep(Math.max(0, started + (sent * 1_000) / options.jobsPerSecond - Date.now()));
    }
  })();

  return {
    tally,
    async stop() {
      stopping = true;
      await sending;
      await Promise.all(underWay);
      return tally();
    },
  };
}

async function runJob(
  index: number,
  { gatewayUrl, imageUrl }: { readonly gatewayUrl: string; readonly imageUrl: string },
): Promise<string> {
  const until = Date.now() + giveUpAfterMs;
  const accepted = await call(`${gatewayUrl}/api/generate-video`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'idempotency-key': crypto.randomUUID() },
    body: JSON.stringify({ text: texts[index % texts.length], image_url: imageUrl }),
  });
  if (accepted.status !== 202) return `answered with ${accepted.status} ${accepted.body.detail?.error ?? ''}`;
  let stage = accepted.body.stage;
  while (Date.now() < until) {
    await sleep(pollEveryMs);
    const { body } = await call(`${gatewayUrl}/api/video-status/${accepted.body.job_id}`);
    stage = body.stage;
    if (stage === 'notified') return body.status ?? 'without a status';
    if (stage === 'rejected' || stage === 'undeliverable') break;
  }
  return `${accepted.body.job_id} is ${stage} after ${giveUpAfterMs / 1_000} s`;
}

type Body = { job_id?: string; stage?: string; status?: string; detail?: { error?: string } };

async function call(url: string, init: RequestInit = {}): Promise<{ status: number; body: Body }> {
  const answer = await fetch(url, { ...init, signal: AbortSignal.timeout(callTimeoutMs) });
  return { status: answer.status, body: (await answer.json()) as Body };
}
