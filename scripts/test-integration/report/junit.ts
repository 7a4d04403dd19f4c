/** The report for CI servers: JUnit's XML, in the form that Jenkins, GitLab and GitHub's reporters read. */
import { rename, rm, writeFile } from 'node:fs/promises';
import type { CheckResult, Report } from '../run.ts';

/** Writes the file whole or not at all. Throws the file system's error. */
export async function writeJunit(path: string, report: Report): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    await writeFile(temporary, toJunit(report));
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

export function toJunit({ checks, startedAt, tookMs }: Report): string {
  const count = (status: CheckResult['status']) => checks.filter((check) => check.status === status).length;
  const totals = { tests: checks.length, failures: count('failed'), errors: 0, skipped: count('skipped') };
  const summary = attributes({ name: 'pet-roast integration', ...totals, time: secondsOf(tookMs) });
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites${summary}>`,
    `  <testsuite${summary}${attributes({ timestamp: startedAt.slice(0, 19) })}>`,
    ...checks.map(testcase),
    '  </testsuite>',
    '</testsuites>',
    '',
  ].join('\n');
}

function testcase({ id, title, status, tookMs, message, blame, warnings }: CheckResult): string {
  const open = `    <testcase${attributes({ classname: `pet-roast.integration.${id}`, name: title, time: secondsOf(tookMs) })}>`;
  const body = {
    ok: () => element('system-out', {}, [message, ...warnings.map((warning) => `warning: ${warning}`)].join('\n')),
    failed: () => {
      const text = [message, `Broken: ${blame?.part}`, ...(blame?.next ?? []).map((one) => `Next: ${one}`)].join('\n');
      return element('failure', { message, type: blame?.part ?? '' }, text);
    },
    skipped: () => element('skipped', { message }, ''),
  };
  return `${open}\n      ${body[status]()}\n    </testcase>`;
}

function element(name: string, given: Readonly<Record<string, string>>, text: string): string {
  return `<${name}${attributes(given)}>${escaped(text)}</${name}>`;
}

function attributes(given: Readonly<Record<string, string | number>>): string {
  return Object.entries(given)
    .map(([name, value]) => ` ${name}="${escaped(String(value))}"`)
    .join('');
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
};

/** Text that is safe in content and in attributes. XML 1.0 section 2.2 has no place for most control characters, nor for lone surrogates. */
function escaped(text: string): string {
  return text
    .replace(/[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu, '\uFFFD')
    .replace(/[&<>"']/g, (character) => entities[character] ?? '');
}

function secondsOf(ms: number): string {
  return (ms / 1_000).toFixed(3);
}
