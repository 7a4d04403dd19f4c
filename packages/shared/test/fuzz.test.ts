/** Whatever bytes come along a subject: an event that fits the contract, or `UnreadableEvent`; nothing else, ever. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  encodeEvent,
  events,
  foldJob,
  isKind,
  type JobEvent,
  parseEvent,
  readLetter,
  type StoredEvent,
  UnreadableEvent,
} from '../src/index.ts';
import { examples } from './examples.ts';

/** Cases of each property; with those of the gateway's fuzzing more than 20,000 in all. */
const casesOfKind = 300;
const casesOfBytes = 2_000;
const all: readonly JobEvent[] = Object.values(examples);
const utf8 = new TextEncoder();

/** A key that has a meaning to JavaScript, or any other. */
const key = fc.oneof(
  { weight: 4, arbitrary: fc.string({ maxLength: 20 }) },
  { weight: 1, arbitrary: fc.constantFrom('__proto__', 'constructor', 'toString', 'data', 'kind', 'run') },
);
const json = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.string({ unit: 'binary', maxLength: 60 }),
    fc.double(),
    fc.maxSafeInteger(),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie('value'), { maxLength: 5 }),
    fc.dictionary(key, tie('value'), { maxKeys: 6 }),
  ),
})).value;

describe('an event’s bytes', () => {
  it('are an event or unreadable, whatever they are', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array({ maxLength: 300 }),
          json.map((value) => utf8.encode(JSON.stringify(value) ?? 'null')),
        ),
        readsOrRefuses,
      ),
      { numRuns: casesOfBytes },
    );
  });

  it.each(Object.keys(events).map((kind) => [kind] as const))(
    'are, for %s with one field changed, an event or unreadable',
    (kind) => {
      const example = all.find((event) => event.kind === kind);
      expect(example, `an example of ${kind}`).toBeDefined();
      const paths = pathsOf(example);
      fc.assert(
        fc.property(fc.constantFrom(...paths), json, (path, value) =>
          readsOrRefuses(utf8.encode(JSON.stringify(changed(example, path, value)) ?? '')),
        ),
        { numRuns: casesOfKind },
      );
    },
  );

  it('fold into a view in whatever order and number they come', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(...all), { maxLength: 20 }),
        fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 20, maxLength: 20 }),
        (chosen, runs) => {
          const stored = chosen.map((event, index) => ({
            ...event,
            run: runs[index] ?? 1,
            seq: index + 1,
          })) as StoredEvent[];
          const view = foldJob(stored);
          // Without the request, or with its tombstone, there is no job.
          if (view === undefined) return;
          expect(stored.some((event) => isKind(event, 'received'))).toBe(true);
          expect(['queued', 'processing', 'completed', 'failed', 'cancelled']).toContain(view.status);
        },
      ),
      { numRuns: casesOfBytes },
    );
  });

  it('of a dead letter are a letter, or none', () => {
    fc.assert(
      fc.property(json, fc.nat(), (value, seq) => {
        const letter = readLetter(utf8.encode(JSON.stringify(value) ?? ''), seq);
        if (letter !== undefined) expect(letter.seq).toBe(seq);
      }),
      { numRuns: casesOfBytes },
    );
  });
});

function readsOrRefuses(bytes: Uint8Array): void {
  const before = Object.getOwnPropertyNames(Object.prototype).length;
  try {
    const event = parseEvent(bytes);
    expect(Object.keys(events)).toContain(event.kind);
    expect(parseEvent(encodeEvent(event))).toEqual(event);
  } catch (error) {
    expect(error).toBeInstanceOf(UnreadableEvent);
  }
  expect(Object.getOwnPropertyNames(Object.prototype)).toHaveLength(before);
}

type Path = readonly (string | number)[];

function pathsOf(value: unknown, path: Path = []): Path[] {
  if (typeof value !== 'object' || value === null) return [path];
  return [path, ...Object.entries(value).flatMap(([name, inner]) => pathsOf(inner, [...path, name]))];
}

function changed(value: unknown, path: Path, to: unknown): unknown {
  const [name, ...rest] = path;
  if (name === undefined) return to;
  if (Array.isArray(value))
    return value.map((inner, index) => (String(index) === name ? changed(inner, rest, to) : inner));
  return { ...(value as object), [name]: changed((value as Record<string, unknown>)[name], rest, to) };
}
