import { parseEnv } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Entry, encodeValue, freshEnvFile, mergeEnvFile, UnreadableEnvFile } from './env-file.ts';

const awkward = [
  'plain',
  '',
  'with spaces inside',
  ' spaces around ',
  'a#b',
  'a # b',
  '#first',
  'a"b',
  "it's",
  `both ' and "`,
  `price: $100 for \${USER}`,
  'k=v==',
  'back\\slash',
  'back\\nslash-n',
  '`tick`',
  '"quoted"',
  "'quoted'",
  'ünïcödé मेरा',
  'whsec_AbC+/==',
];

describe('a value in a .env file', () => {
  it.each(awkward)('is read back as it was by Node and by docker compose: %j', (value) => {
    expect(readers(encoded(value))).toEqual({ node: value, compose: value });
  });

  it('is read back as it was by both, whatever it is, or refused', () => {
    const characters = fc.constantFrom(...`ab1 '"$#=\\\`{}né\u00a0`);
    const value = fc.oneof(fc.string(), fc.string({ unit: 'grapheme' }), fc.string({ unit: characters }));
    fc.assert(
      fc.property(value, (it) => {
        const text = encodeValue(it);
        if (text !== undefined) expect(readers(text)).toEqual({ node: it, compose: it });
      }),
      { numRuns: 2_000 },
    );
  });

  it.each([`'"$`, `'"#`, "'\\", 'two\nlines', 'tab\t', '\u0007'])(
    'is refused where no spelling means the same to both: %j',
    (value) => {
      expect(encodeValue(value)).toBeUndefined();
    },
  );
});

describe('a new file', () => {
  it('has one line of comment for each variable', () => {
    const text = freshEnvFile([entry('A', 'x y'), entry('B', '2')], new Date('2026-11-24T10:00:00Z'));
    expect(text).toBe(`# Pet Roast's configuration, written by \`npm run setup\` on 2026-11-24.
# It holds secrets: keep it out of version control and readable by you alone (chmod 600).

# about A
A='x y'

# about B
B=2
`);
  });
});

describe('a file that is changed', () => {
  it('keeps every line that is not about a variable asked for, in its place', () => {
    const before = `# mine\nOTHER="my own"\nexport A=old # why\n\nKEY='two\nlines'\nlast=1`;
    expect(mergeEnvFile(before, [entry('A', 'new'), entry('B', 'b')])).toBe(
      `# mine\nOTHER="my own"\nA=new\n\nKEY='two\nlines'\nlast=1\n\n# about B\nB=b\n`,
    );
  });

  it('has each variable once afterwards, though it stood there twice, over several lines', () => {
    const before = `A="1\n2"\nX=x\nA=3\n`;
    expect(mergeEnvFile(before, [entry('A', '4')])).toBe('A=4\nX=x\n');
  });

  it('loses what is removed, and the comment above it where that is ours', () => {
    const before = `# about A\nA=1\n# mine\nB="2\n3"\nexport A=4\nC=5\n`;
    const removed = [entry('A', ''), entry('B', '')];
    expect(mergeEnvFile(before, [entry('C', '6')], removed)).toBe('# mine\nC=6\n');
  });

  it('does not change when the same values are put in again', () => {
    const entries = [entry('A', "it's"), entry('B', '$x')];
    const once = mergeEnvFile('X=1', entries);
    expect(mergeEnvFile(once, entries)).toBe(once);
  });

  it('is refused where a quote that is never closed would swallow what comes behind it', () => {
    expect(() => mergeEnvFile("OPEN='oops\n", [entry('A', 'x y')])).toThrow(UnreadableEnvFile);
  });

  it('reads as before in all other variables, whatever stood in it, or is refused', () => {
    const line = fc.constantFrom(
      'A=1',
      'B=2',
      "C='q'",
      'A="x',
      '"',
      "D='",
      "'",
      '# c',
      '',
      'export E=5',
      'F=`g',
      '`',
      'junk',
    );
    const text = fc.array(line, { maxLength: 8 }).map((lines) => lines.join('\n'));
    fc.assert(
      fc.property(text, fc.constantFrom('v', 'v w', "it's"), (before, value) => {
        let after: string;
        try {
          after = mergeEnvFile(before, [entry('A', value), entry('Z', value)]);
        } catch (error) {
          expect(error).toBeInstanceOf(UnreadableEnvFile);
          return;
        }
        expect(parseEnv(after)).toEqual({ ...parseEnv(before), A: value, Z: value });
      }),
      { numRuns: 2_000 },
    );
  });
});

function entry(name: string, value: string): Entry {
  return { name, value, comment: `about ${name}` };
}

function encoded(value: string): string {
  const text = encodeValue(value);
  if (text === undefined) throw new Error(`${value} was refused`);
  return text;
}

/** What both make of `NAME=text`, with lines around it. */
function readers(text: string) {
  const { NAME: node } = parseEnv(`BEFORE=1\nNAME=${text}\n\n# next\nAFTER='2'\n`);
  return { node, compose: composeReads(text) };
}

/**
 * Docker's "env-file syntax": single quotes hold text as it is, but `\'` does not end them; double quotes know `\n`, `\r`,
 * `\t` and `\\`; in them and outside quotes `$NAME` is replaced; outside quotes ` #` begins a comment. Stricter here: any
 * `#`, `$` or backslash that could mean something throws.
 */
function composeReads(text: string): string {
  const [, single] = /^'((?:[^'\\]|\\[^'])*)'$/.exec(text) ?? [];
  if (single !== undefined) return single;
  const [, double] = /^"([^"$\\]*)"$/.exec(text) ?? [];
  if (double !== undefined) return double;
  if (/^["']|[#$]/.test(text)) throw new Error(`docker compose may read ${text} otherwise`);
  return text.trim();
}
