/** Text as HTML. */

export function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

/** A sentence in which `backticks` are code. */
export function prose(text: string): string {
  return escaped(text).replace(/`([^`]+)`/g, '<code>$1</code>');
}

/** A block that is shown as it is. */
export function code(text: string): string {
  return `<pre tabindex="0"><code>${escaped(text)}</code></pre>`;
}
