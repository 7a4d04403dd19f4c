/** The event stream format (WHATWG HTML, "Server-sent events", section "Parsing an event stream"). */

export type ServerEvent = { readonly name: string; readonly data: string; readonly id: string | undefined };

/** Far above any status; a stream that goes on without ending an event is no event stream. */
const eventCharsMax = 1_000_000;

/** A parser that is given text as it comes and gives the events that became whole. Throws on an endless event. */
export function createEventParser(): { push(text: string): ServerEvent[] } {
  let rest = '';
  let name = '';
  let data: string[] = [];
  let id: string | undefined;

  function take(line: string): ServerEvent | undefined {
    if (line === '') {
      const event = data.length === 0 ? undefined : { name: name || 'message', data: data.join('\n'), id };
      name = '';
      data = [];
      return event;
    }
    const [, field, value = ''] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? [];
    if (field === 'event') name = value;
    else if (field === 'data') data.push(value);
    else if (field === 'id' && !value.includes('\0')) id = value;
    return undefined;
  }

  return {
    push(text) {
      rest += text;
      // A carriage return at the very end may be the first half of a line's end.
      const end = rest.endsWith('\r') ? rest.length - 1 : rest.length;
      const lines = rest.slice(0, end).split(/\r\n|\n|\r/);
      rest = (lines.pop() ?? '') + rest.slice(end);
      if (rest.length + data.reduce((sum, line) => sum + line.length, 0) > eventCharsMax) {
        throw new Error('an event of the stream does not end');
      }
      return lines.flatMap((line) => take(line) ?? []);
    },
  };
}
