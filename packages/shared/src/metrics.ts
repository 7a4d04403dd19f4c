/** The numbers in `GET /metrics`, for Prometheus: those of the process, and what its services count. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, register } from 'prom-client';

/** Who may read `/metrics`: everybody, nobody (404), or who has this bearer token. */
export type MetricsAccess = 'everybody' | 'nobody' | { readonly token: string };

/** Begins to count what the process itself does: memory, processor time, the event loop's lag. */
export function collectProcessMetrics(): void {
  if (register.getSingleMetric('process_cpu_seconds_total') === undefined) collectDefaultMetrics();
}

/** All of them in Prometheus' text format, and that format's content type. */
export async function readMetrics(): Promise<{ readonly type: string; readonly text: string }> {
  return { type: register.contentType, text: await register.metrics() };
}

/** A number that is looked up when it is asked for. */
export function createGauge(name: string, help: string, read: () => number): void {
  new Gauge({
    name,
    help,
    collect() {
      this.set(read());
    },
  });
}

/** What happened how often since the process began, by its kind; the kinds have to be few. */
export function createCounter<Kind extends string>(name: string, help: string, label: string): (kind: Kind) => void {
  const counter = new Counter({ name, help, labelNames: [label] });
  return (kind) => counter.inc({ [label]: kind });
}

/**
 * How long something took, in seconds, by its kind; the kinds have to be few. `boundsSeconds` are what durations are sorted
 * by, ascending.
 */
export function createHistogram<Kind extends string>(
  name: string,
  help: string,
  label: string,
  boundsSeconds: readonly number[],
): (kind: Kind, seconds: number) => void {
  const histogram = new Histogram({ name, help, labelNames: [label], buckets: [...boundsSeconds] });
  return (kind, seconds) => histogram.observe({ [label]: kind }, Math.max(0, seconds));
}
