/** The report for people, line by line as it comes. Colours only where the stream shows them: see `util.styleText`. */
import { styleText } from 'node:util';
import { type Check, readable } from '../check.ts';
import type { Options } from '../options.ts';
import type { CheckResult, Progress, Report } from '../run.ts';

const titleWidth = 42;
const clearLine = '\r\x1b[K';
const marks = {
  ok: () => styleText('green', '✔ ok     '),
  failed: () => styleText(['red', 'bold'], '✖ FAILED '),
  skipped: () => styleText('yellow', '– skipped'),
};

export function heading({ aiServiceUrl, generation }: Options): string {
  const cost = generation
    ? 'One video is made, and paid where Revid.ai is the real one (--no-generation: none).'
    : 'No video is made.';
  return `Testing Pet Roast at ${styleText('bold', aiServiceUrl)}. ${cost}\n`;
}

/** Each result when it is there and, on a terminal, what is waited for until then. */
export function tellProgress(out: NodeJS.WriteStream): Progress {
  let title = '';
  const waiting = (text: string) => {
    if (out.isTTY) out.write(`${clearLine}  … ${text}`);
  };
  return {
    onStart: (check: Check) => {
      title = check.title;
      waiting(title);
    },
    onStage: (stage) => waiting(`${title}: ${stage}`),
    onResult: (result) => out.write(`${out.isTTY ? clearLine : ''}${resultLines(result)}\n`),
  };
}

export function verdict(report: Report): string {
  const { checks, tookMs } = report;
  const count = (status: CheckResult['status']) => checks.filter((check) => check.status === status).length;
  const warnings = checks.reduce((sum, check) => sum + check.warnings.length, 0);
  const counts = [
    `${count('ok')} ok`,
    count('failed') > 0 && `${count('failed')} failed`,
    count('skipped') > 0 && `${count('skipped')} skipped`,
    warnings > 0 && `${warnings} ${warnings === 1 ? 'warning' : 'warnings'}`,
  ].filter((part) => part !== false);
  const line = `${counts.join(', ')} in ${readable(tookMs)}`;
  const skipped = checks.filter(({ status }) => status === 'skipped').map(({ title }) => title);
  const untested = skipped.length === 0 ? '' : `. Not tested: ${skipped.join('; ')}`;
  if (report.passed) return `\n${styleText(['green', 'bold'], 'PASSED')}: ${line}${untested}`;
  const parts = new Set(checks.flatMap(({ blame }) => (blame === undefined ? [] : [blame.part])));
  return `\n${styleText(['red', 'bold'], 'FAILED')}: ${line}. Broken: ${[...parts].join('; ')}`;
}

function resultLines({ status, title, tookMs, message, blame, warnings }: CheckResult): string {
  const time = status === 'skipped' ? '' : readable(tookMs);
  const lines = [`${marks[status]()} ${title.padEnd(titleWidth)} ${time.padStart(8)}`];
  lines.push(indented('', status === 'failed' ? message : styleText('dim', message)));
  for (const warning of warnings) lines.push(indented(styleText('yellow', 'warning: '), warning));
  if (blame !== undefined) {
    lines.push(indented('Broken:  ', styleText('bold', blame.part)));
    blame.next.forEach((one, index) => {
      lines.push(indented(index === 0 ? 'Next:    ' : '         ', one));
    });
  }
  return lines.join('\n');
}

function indented(label: string, text: string): string {
  return `            ${label}${text}`;
}
