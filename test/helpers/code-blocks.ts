/** The code blocks of a Markdown page. */
export type CodeBlock = {
  readonly code: string;
  /** The rest of the fence's line: `app.mjs` in "```js app.mjs". */
  readonly title: string;
  /** Where it begins, from 1. */
  readonly line: number;
  /** The reason in a `<!-- not run: … -->` on the line above or the one before. */
  readonly notRun: string | undefined;
};

export function codeBlocks(markdown: string, language: string): CodeBlock[] {
  const lines = markdown.split('\n');
  const blocks: CodeBlock[] = [];
  for (let at = 0; at < lines.length; at++) {
    const [, found, title = ''] = /^```(\S+)(?: (.*))?$/.exec(lines[at] ?? '') ?? [];
    if (found === undefined) continue;
    const end = lines.indexOf('```', at);
    const above = lines.slice(Math.max(0, at - 2), at).join('\n');
    const notRun = /<!-- not run: (.*?) -->/.exec(above)?.[1];
    if (found === language) blocks.push({ code: lines.slice(at + 1, end).join('\n'), title, line: at + 1, notRun });
    at = end;
  }
  return blocks;
}
