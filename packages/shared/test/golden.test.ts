/**
 * The wire format, kept. A change that fails here changes what services of two versions say to each other: an added
 * optional field is a new golden file beside the old one; anything else is a new version of the subject.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { encodeEvent, eventKinds, parseEvent } from '../src/index.ts';
import { examples } from './examples.ts';

const folder = new URL('./golden/', import.meta.url);
const goldenOf = (kind: string) => new URL(`${kind}.json`, folder);

// GOLDEN=write makes the files of kinds that have none; it never overwrites one.
if (process.env['GOLDEN'] === 'write') {
  const there = readdirSync(folder);
  for (const kind of eventKinds.filter((kind) => !there.includes(`${kind}.json`))) {
    writeFileSync(goldenOf(kind), `${JSON.stringify(JSON.parse(textOf(kind)), undefined, 2)}\n`);
  }
}

describe.each(eventKinds)('the event %s', (kind) => {
  it('is written as it always was', () => {
    expect(JSON.parse(textOf(kind))).toEqual(JSON.parse(readFileSync(goldenOf(kind), 'utf8')));
  });

  it('is read as it always was, with keys of a newer sender ignored', () => {
    const golden = JSON.parse(readFileSync(goldenOf(kind), 'utf8'));
    const newer = { ...golden, added: 1, data: { ...golden.data, added: { deeply: true } } };
    expect(parseEvent(Buffer.from(JSON.stringify(newer)))).toEqual(examples[kind]);
  });
});

function textOf(kind: (typeof eventKinds)[number]): string {
  return new TextDecoder().decode(encodeEvent(examples[kind]));
}
