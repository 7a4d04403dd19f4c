/** The table at the end of a run. */
import type { Tally } from './faults.ts';
import type { Evidence, Violation, ViolationKind } from './verify.ts';

const violationNames: Record<ViolationKind, string> = {
  lost: 'lost',
  double_paid: 'double-paid',
  contradiction: 'contradictory answers',
  bad_signature: 'webhooks with a bad signature',
  untold: 'ended and untold',
  silent_failure: 'failed without a dead letter',
  wrong_answer: 'wrong answers',
};

export function report(evidence: readonly Evidence[], violations: readonly Violation[], tally: Tally): string {
  const views = evidence.map((one) => one.view);
  const withStatus = (status: string) => views.filter((view) => view?.status === status).length;
  const webhooks = evidence.flatMap((one) => one.webhooks);
  const ids = new Set(webhooks.map((webhook) => webhook.headers['webhook-id']));
  const causes = counted(views.flatMap((view) => (view?.status === 'failed' ? [view.error?.error ?? '?'] : [])));
  const recovery = tally.recoveryMs.toSorted((a, b) => a - b);
  const at = (share: number) => seconds(recovery[Math.min(recovery.length - 1, Math.floor(recovery.length * share))]);

  const rows: [string, string | number][] = [
    ['jobs sent', evidence.length],
    ['  accepted with 202', evidence.filter((one) => one.sent.answer === 202).length],
    ['  refused (400, 422)', evidence.filter((one) => [400, 422].includes(one.sent.answer ?? 0)).length],
    ['  refused otherwise', evidence.filter((one) => ![202, 400, 422, undefined].includes(one.sent.answer)).length],
    ['  given up by the client', evidence.filter((one) => one.sent.answer === undefined).length],
    [
      '  tries a client, on average',
      (evidence.reduce((sum, one) => sum + one.sent.tries, 0) / evidence.length).toFixed(2),
    ],
    ['completed', withStatus('completed')],
    ['cancelled', withStatus('cancelled')],
    ['failed', withStatus('failed')],
    ...causes.map(([cause, count]): [string, number] => [`  ${cause}`, count]),
    ['paid renders', evidence.reduce((sum, one) => sum + one.renders.length, 0)],
    ['webhooks', webhooks.length],
    ['  repeated, by id', webhooks.length - ids.size],
    ['dead letters', evidence.reduce((sum, one) => sum + one.letters.length, 0)],
    ['killed (SIGKILL)', tally.kills],
    ['stopped (SIGTERM)', tally.terms],
    ['frozen (SIGSTOP)', tally.freezes],
    ['NATS restarts', tally.brokerRestarts],
    ['Redis restarts, flushes', `${tally.redisRestarts}, ${tally.flushes}`],
    ['network faults', tally.cuts],
    ['vendor faults', tally.vendorFaults],
    ['backend outages', tally.backendOutages],
    ['recovery after a kill, median and longest', recovery.length === 0 ? '–' : `${at(0.5)}, ${at(1)}`],
    ['stops that were not clean', tally.badExits.length],
    ...(Object.entries(violationNames) as [ViolationKind, string][]).map(([kind, name]): [string, number] => [
      name.toUpperCase(),
      violations.filter((violation) => violation.kind === kind).length,
    ]),
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `  ${name.padEnd(width)}  ${value}`).join('\n');
}

function counted(values: readonly string[]): [string, number][] {
  const groups = Map.groupBy(values, (value) => value);
  return [...groups].map(([value, all]): [string, number] => [value, all.length]).toSorted((a, b) => b[1] - a[1]);
}

function seconds(ms: number | undefined): string {
  return ms === undefined ? '–' : `${(ms / 1_000).toFixed(1)} s`;
}
