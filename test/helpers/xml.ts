/** A strict reader for the little XML that reports are made of: elements, attributes, text and the five entities. */

export type Element = {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: readonly Element[];
  readonly text: string;
};

type Open = { name: string; attributes: Record<string, string>; children: Element[]; text: string };

const entities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };
const piece = /<\/([\w-]+)>|<([\w-]+)((?: [\w-]+="[^"<]*")*)(\/?)>|([^<]+)/gy;

/** The document's one element. Throws where a character of it is not in its place. */
export function parseXml(xml: string): Element {
  const declaration = '<?xml version="1.0" encoding="UTF-8"?>\n';
  if (!xml.startsWith(declaration)) throw new Error('there is no declaration');
  const document: Open = { name: '', attributes: {}, children: [], text: '' };
  const open = [document];
  piece.lastIndex = declaration.length;
  while (piece.lastIndex < xml.length) {
    const at = piece.lastIndex;
    const [whole, closing, opening, attributes = '', empty, text] = piece.exec(xml) ?? [];
    const inner = open.at(-1);
    if (whole === undefined || inner === undefined) throw new Error(`not XML from here on: ${xml.slice(at, at + 100)}`);
    if (text !== undefined) inner.text += decode(text);
    if (opening !== undefined) {
      const pairs = [...attributes.matchAll(/([\w-]+)="([^"]*)"/g)];
      const read = Object.fromEntries(pairs.map(([, name = '', value = '']) => [name, decode(value)]));
      const element: Open = { name: opening, attributes: read, children: [], text: '' };
      inner.children.push(element);
      if (empty === '') open.push(element);
    }
    if (closing !== undefined && open.pop()?.name !== closing) throw new Error(`</${closing}> closes something else`);
  }
  const [root, ...more] = document.children;
  if (open.length !== 1 || root === undefined || more.length > 0) throw new Error('there is not one whole element');
  return root;
}

function decode(text: string): string {
  const read = text.replace(/&(\w+);/g, (_whole, name: string) => entities[name] ?? '\0');
  if (/\0|&(?!\w*)/.test(read)) throw new Error(`an entity that is none: ${text}`);
  return read;
}
