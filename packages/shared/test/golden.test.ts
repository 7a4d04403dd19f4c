/**
 * The wire format, kept. A change that fails here changes what services of two versions say to each other: an added
 * optional field is a new golden file beside the old one; anything else is a new version of the subject.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { createEvent, encodeEvent, eventKinds, type JobEvent, parseEvent, videoUrlLengthMax } from '../src/index.ts';
import { examples, laterExamples } from './examples.ts';

const folder = new URL('./golden/', import.meta.url);
const goldenOf = (name: string) => new URL(`${name}.json`, folder);
const all = Object.entries({ ...examples, ...laterExamples });

// GOLDEN=write makes the files of events that have none; it never overwrites one.
if (process.env['GOLDEN'] === 'write') {
  const there = readdirSync(folder);
  for (const [name, event] of all.filter(([name]) => !there.includes(`${name}.json`))) {
    writeFileSync(goldenOf(name), `${JSON.stringify(JSON.parse(textOf(event)), undefined, 2)}\n`);
  }
}

it('every kind of event has its golden file', () => {
  expect(readdirSync(folder)).toEqual(expect.arrayContaining(eventKinds.map((kind) => `${kind}.json`)));
});

describe.each(all)('the event %s', (name, event) => {
  it('is written as it always was', () => {
    expect(JSON.parse(textOf(event))).toEqual(JSON.parse(readFileSync(goldenOf(name), 'utf8')));
  });

  it('is read as it always was, with keys of a newer sender ignored', () => {
    const golden = JSON.parse(readFileSync(goldenOf(name), 'utf8'));
    const newer = { ...golden, added: 1, data: { ...golden.data, added: { deeply: true } } };
    expect(parseEvent(Buffer.from(JSON.stringify(newer)))).toEqual(event);
  });
});

it('an event that nobody could read is not written', () => {
  const rendered = (video_url: string) => createEvent('rendered', 'a-job', { video_url, told_by: 'poll' });
  expect(() => encodeEvent(rendered('x'.repeat(videoUrlLengthMax + 1)))).toThrow('a-job:rendered cannot be written');
  expect(parseEvent(encodeEvent(rendered('x'.repeat(videoUrlLengthMax))))).toMatchObject({ kind: 'rendered' });
});

it.each(['rejected', 'released', 'failed'])(
  'the event %s of a newer sender is read though its code is unknown',
  (name) => {
    const golden = JSON.parse(readFileSync(goldenOf(name), 'utf8'));
    const newer = { ...golden, data: { ...golden.data, code: 'code_of_tomorrow' } };
    expect(parseEvent(Buffer.from(JSON.stringify(newer))).data).toEqual({ ...golden.data, code: 'internal' });
  },
);

function textOf(event: JobEvent): string {
  return new TextDecoder().decode(encodeEvent(event));
}
