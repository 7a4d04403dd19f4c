import { expect, test } from 'vitest';
import { fillIncludes, hasIncludes } from './include.ts';

const source = `import { a } from 'a';
// docs:start outer
export function f(): void {
  // docs:start inner
  if (a) {
    go();
  }
  // docs:end inner
}
// docs:end
`;
const files: Readonly<Record<string, string>> = {
  'src/a.ts': source,
  'b.yml': '# docs:start one\nkey: 1\n# docs:end\n',
  'fence.md': '```\n',
  'twice.ts': '// docs:start x\n1;\n// docs:end\n// docs:start x\n2;\n// docs:end\n',
  'open.ts': '// docs:start x\n1;\n',
  'empty.ts': '// docs:start x\n\n// docs:end\n',
};
const read = async (path: string) => files[path] ?? Promise.reject(new Error(`no ${path}`));
const fill = (page: string) => fillIncludes(page, read);
const include = (what: string, inside = '') => `Before\n<!-- include ${what} -->\n${inside}<!-- /include -->\nAfter\n`;

test('a region is put between the marks as a code block, without its indentation and without markers', async () => {
  expect(await fill(include('src/a.ts#inner'))).toBe(include('src/a.ts#inner', '```ts\nif (a) {\n  go();\n}\n```\n'));
  expect(await fill(include('src/a.ts#outer'))).toContain(
    '```ts\nexport function f(): void {\n  if (a) {\n    go();\n  }\n}\n```',
  );
  expect(await fill(include('b.yml#one'))).toContain('```yaml\nkey: 1\n```');
});

test('a file without a region is quoted whole', async () => {
  expect(await fill(include('src/a.ts'))).toContain("```ts\nimport { a } from 'a';\nexport function f(): void {\n");
});

test('what stood there before is replaced, and filling in twice changes nothing', async () => {
  const once = await fill(include('src/a.ts#inner', 'old\n') + include('b.yml'));
  expect(once).not.toContain('old');
  expect(await fill(once)).toBe(once);
});

test('a page without marks stays as it is, also where it speaks of them', async () => {
  const page = 'Write `<!-- include x -->`.\n';
  expect(await fill(page)).toBe(page);
  expect(hasIncludes(page)).toBe(false);
  expect(hasIncludes(include('b.yml'))).toBe(true);
});

test.each([
  ['a file that is not there', include('none.ts'), 'no none.ts'],
  ['a region that is not there', include('src/a.ts#none'), 'src/a.ts has 0 comments "docs:start none", not one'],
  ['a region that is there twice', include('twice.ts#x'), 'twice.ts has 2 comments'],
  ['a region without an end', include('open.ts#x'), 'has no "docs:end" after it'],
  ['a region with nothing in it', include('empty.ts#x'), 'empty.ts#x is empty'],
  ['code that would end the block', include('fence.md'), 'cannot be quoted'],
  [
    'a mark without an end',
    `<!-- include b.yml -->\ntext\n${include('b.yml')}`,
    'line 1: no <!-- /include --> follows',
  ],
  ['an end without a mark', 'text\n<!-- /include -->\n', 'line 2: <!-- /include --> without a start'],
  ['a mark of another form', '<!-- include a b -->\n<!-- /include -->\n', 'line 1: not of the form'],
])('%s is an error that names it, and never a page with a hole', async (_what, page, message) => {
  await expect(fill(page)).rejects.toThrow(message);
});
