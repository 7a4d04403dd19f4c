/** The lines of a soak: each minute's figures, and the verdict at the end. */
import type { Tally } from './load.ts';
import type { ProcessFigures, Sample } from './probe.ts';
import { bytesPerJob, type Line } from './verdict.ts';

/** One line a process and one a store, of a minute's samples: the last figure, and the worst lag. */
export function minuteLines(minute: number, samples: readonly Sample[]): string {
  const last = samples.at(-1);
  if (last === undefined) return '';
  const { jobs, stores } = last;
  const lines = [
    `\nminute ${minute}: ${jobs.completed} jobs completed, ${jobs.sent - jobs.completed - jobs.otherwise.length} under way, ${jobs.otherwise.length} ended otherwise`,
  ];
  for (const [name, figures] of [...last.services, ...last.servers]) {
    const lags = samples.slice(1).map((sample) => sample.services.get(name)?.lagP99Ms ?? 0);
    lines.push(processLine(name, { ...figures, lagP99Ms: figures.lagP99Ms && Math.max(...lags) }));
  }
  lines.push(
    `  JOBS  ${stores.jobsMessages} messages, ${megabytes(stores.jobsBytes)} (${whole(bytesPerJob(samples, 'jobsBytes'))} B a job); DEAD  ${stores.deadMessages} messages, ${stores.deadBytes} B`,
    `  Redis ${stores.redisKeys} keys, ${megabytes(stores.redisBytes)} (${whole(bytesPerJob(samples, 'redisBytes'))} B a job)`,
  );
  return lines.join('\n');
}

export function verdictLines(verdict: readonly Line[], jobs: Tally): string {
  const width = Math.max(...verdict.map(({ what }) => what.length));
  const rows = verdict.map(
    (line) =>
      `  ${line.what.padEnd(width)}  ${figure(line.second, line.unit).padStart(11)} → ${figure(line.last, line.unit).padStart(11)}${line.unit === 'bytes a job' ? ' a job' : ''}  ${wordOf(line)}`,
  );
  const notFlat = verdict.filter((line) => !line.flat);
  const missing = jobs.sent - jobs.completed;
  return [
    '\nThe second third → the last third (medians)',
    ...rows,
    `\n${jobs.completed} of ${jobs.sent} jobs completed and told`,
    ...jobs.otherwise.slice(0, 20).map((one) => `  ${one}`),
    notFlat.length === 0 && missing === 0
      ? 'Flat'
      : `FAILED: ${[...notFlat.map((line) => line.what), ...(missing > 0 ? [`${missing} jobs`] : [])].join(', ')}`,
  ].join('\n');
}

function wordOf({ flat, unit }: Line): string {
  if (unit === 'bytes a job') return flat ? 'constant' : 'NOT CONSTANT';
  return flat ? 'flat' : 'NOT FLAT';
}

function processLine(name: string, figures: ProcessFigures): string {
  const { rssBytes, heapBytes, fds, handles, lagP99Ms, clients } = figures;
  const parts = [
    `  ${name.padEnd(13)} RSS ${megabytes(rssBytes).padStart(9)}`,
    heapBytes !== undefined && `heap ${megabytes(heapBytes).padStart(8)}`,
    fds !== undefined && `fds ${String(fds).padStart(3)}`,
    handles !== undefined && `handles ${String(handles).padStart(3)}`,
    lagP99Ms !== undefined && `loop lag p99 ${lagP99Ms.toFixed(0).padStart(4)} ms`,
    clients !== undefined && `clients ${String(clients).padStart(3)}`,
  ];
  return parts.filter((part) => part !== false).join('  ');
}

function figure(value: number, unit: Line['unit']): string {
  if (unit === 'bytes') return megabytes(value);
  return unit === 'count' ? String(value) : `${whole(value)} B`;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

function whole(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}
