import { describe, expect, it } from 'vitest';
import { createEventParser } from './sse.ts';

const text = ': hello\n\nid: 7\nevent: status\ndata: {"a":1}\n\ndata:x\r\ndata: y\r\n\r\nretry: 3\rdata\r\r';
const events = [
  { name: 'status', data: '{"a":1}', id: '7' },
  { name: 'message', data: 'x\ny', id: '7' },
  { name: 'message', data: '', id: '7' },
];

describe('the event stream parser', () => {
  it('reads the three kinds of line ends, comments, several data lines and ids that last', () => {
    // The last event ends with what follows its second carriage return.
    expect(createEventParser().push(`${text}:`)).toEqual(events);
  });

  it('reads the same wherever the text is cut', () => {
    for (let at = 0; at <= text.length; at++) {
      const parser = createEventParser();
      const parts = [text.slice(0, at), text.slice(at), ':'];
      expect(
        parts.flatMap((part) => parser.push(part)),
        `cut at ${at}`,
      ).toEqual(events);
    }
  });

  it('gives nothing of an event that is not whole', () => {
    expect(createEventParser().push('event: status\ndata: {"a":1}\n')).toEqual([]);
  });

  it('gives up on an event that does not end', () => {
    const parser = createEventParser();
    expect(() => {
      for (let line = 0; line < 20; line++) parser.push(`data: ${'x'.repeat(100_000)}\n`);
    }).toThrow('does not end');
  });
});
