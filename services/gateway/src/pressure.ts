/**
 * When to say no: a look at the queues every second, so that a request costs none. Jobs are refused while the photos
 * that wait would take longer than callers do, and before the stream is full, since jobs that are accepted need room too.
 */
import type { Broker, Log } from '@pet-roast/shared';

export type Pressure = {
  /** Why no job can be accepted now; undefined when one can. */
  refusal(): string | undefined;
  stop(): void;
};

const lookEveryMs = 1_000;
const fillMax = 0.8;

export function watchPressure(deps: {
  readonly broker: Pick<Broker, 'backlogOf' | 'fill'>;
  readonly log: Log;
  /** Photos that may wait for the detector. */
  readonly waitingMax: number;
}): Pressure {
  let refusal: string | undefined;

  async function look(): Promise<void> {
    // Before the detector has ever started there is no consumer to look at; the stream's fill counts all the same.
    const fill = await deps.broker.fill();
    const { waiting } = await deps.broker.backlogOf('detect').catch(() => ({ waiting: 0 }));
    const before = refusal;
    refusal = why(waiting, fill, deps.waitingMax);
    if (refusal !== before)
      deps.log.warn({ waiting, fill, refusal }, refusal ? 'refusing jobs' : 'accepting jobs again');
  }

  // While the broker is away nothing is known, and publishing will say so itself.
  const timer = setInterval(() => void look().catch(() => undefined), lookEveryMs);
  return { refusal: () => refusal, stop: () => clearInterval(timer) };
}

/** The reason to refuse, if there is one. */
export function why(waiting: number, fill: number, waitingMax: number): string | undefined {
  if (waiting > waitingMax) return `${waiting} photos wait for the detector`;
  if (fill > fillMax) return `the job stream is ${Math.round(fill * 100)} % full`;
  return undefined;
}
