/** JSON for reading: what fits stays on one line. A text is shown as it is. */

const widthMax = 72;

export function pretty(value: unknown, indent = ''): string {
  if (typeof value === 'string' && indent === '') return value;
  const flat = JSON.stringify(value, undefined, 1).replace(/\n\s*/g, ' ');
  if (typeof value !== 'object' || value === null) return flat;
  // The whole is opened all the same, so that a body always looks like one.
  if (indent !== '' && indent.length + flat.length <= widthMax) return flat;
  const inner = `${indent}  `;
  const lines = Array.isArray(value)
    ? value.map((item) => `${inner}${pretty(item, inner)}`)
    : Object.entries(value).map(([key, item]) => `${inner}${JSON.stringify(key)}: ${pretty(item, inner)}`);
  const [open, close] = Array.isArray(value) ? ['[', ']'] : ['{', '}'];
  return lines.length === 0 ? `${open}${close}` : `${open}\n${lines.join(',\n')}\n${indent}${close}`;
}
