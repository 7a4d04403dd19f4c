/** `docs/journey.md`, out of the contract. */
import { durableOf, type EventKind, eventKinds, events, type StepName, steps, subjectOf } from '@pet-roast/shared';
import { z } from 'zod';

export function journeyPage(): string {
  return `# A job's journey

<!-- Generated from packages/shared/src/journey.ts by \`npm run docs\`; a test fails when it is stale. -->

Every stage is one event in the JetStream stream \`JOBS\`. Events that exclude one another share a subject, so that the
server decides which one happened: each is published with the sequence of the event it follows (0 for none), and whoever
loses reads the winner and acts on it. An event's id is \`<jobId>:<kind>\`, with a part of its own where one kind can happen
several times; the server drops repeats by it.

\`\`\`mermaid
stateDiagram-v2
${diagram()}
\`\`\`

## Events

${table(['Event', 'Subject', 'Published by', 'Follows', '`stage`', '`status`', 'Means'], eventKinds.map(eventRow))}

## Steps

One durable pull consumer each. *Attempts* is how often a message is tried before it is given up (–: no number ends it); *waits* is the time
before attempt 2, 3, … (the last one repeats); *silence* is how long a process may say nothing of a message before the
server gives it to another.

${table(
  ['Step', 'Consumer', 'Takes', 'Publishes', 'Attempts', 'One may take', 'Waits', 'Silence', 'At once', 'Out at most'],
  (Object.keys(steps) as StepName[]).map(stepRow),
)}

${(Object.keys(steps) as StepName[]).map((name) => `- **${name}** ${steps[name].does}`).join('\n')}

## Payloads

The \`data\` of each event, as JSON Schema. Consumers ignore keys that they do not know.

${eventKinds.map(payload).join('\n\n')}
`;
}

function diagram(): string {
  const edges = eventKinds
    .filter((kind) => kind !== 'callback')
    .flatMap((kind) =>
      events[kind].after.length === 0
        ? [`  [*] --> ${kind}`]
        : events[kind].after.map((before) => `  ${before} --> ${kind}`),
    );
  return [...edges, '  notified --> [*]', '  undeliverable --> [*]'].join('\n');
}

function eventRow(kind: EventKind): string[] {
  const { subject, owner, after, means, ...view } = events[kind];
  const { stage, status } = view as { stage?: string; status?: string };
  return [
    `\`${kind}\``,
    `\`${subjectOf(subject, '*')}\``,
    owner,
    after.map((before) => `\`${before}\``).join(', ') || '–',
    stage ?? '',
    status ?? '',
    means,
  ];
}

function stepRow(name: StepName): string[] {
  const step = steps[name];
  return [
    name,
    `\`${durableOf(name)}\``,
    step.consumes === '>' ? 'every subject' : `\`${subjectOf(step.consumes, '*')}\``,
    step.publishes.map((kind) => `\`${kind}\``).join(', ') || '–',
    Number.isFinite(step.attemptsMax) ? String(step.attemptsMax) : '–',
    seconds(step.attemptTimeoutMs),
    step.backoffMs.map(seconds).join(', '),
    seconds(step.ackWaitMs),
    String(step.slots),
    String(step.ackPendingMax),
  ];
}

function payload(kind: EventKind): string {
  const { $schema: _dialect, ...schema } = z.toJSONSchema(events[kind].data, { io: 'input', unrepresentable: 'any' });
  return `<details><summary><code>${kind}</code></summary>\n\n\`\`\`json\n${JSON.stringify(schema, undefined, 2)}\n\`\`\`\n\n</details>`;
}

function seconds(ms: number): string {
  return `${ms / 1_000} s`;
}

/** A Markdown table. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}
