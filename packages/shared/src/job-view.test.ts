import { describe, expect, it } from 'vitest';
import { examples } from '../test/examples.ts';
import type { StoredEvent } from './envelope.ts';
import { foldJob, isOver } from './job-view.ts';
import type { EventKind } from './journey.ts';

const at = (kind: EventKind, seq: number) => ({ ...examples[kind], seq }) as StoredEvent;
const way = (...kinds: EventKind[]) => kinds.map((kind, index) => at(kind, index + 1));

describe('the fold of a job’s events', () => {
  it('says nothing of a job whose request it has not seen', () => {
    expect(foldJob(way('detected', 'rendered'))).toBeUndefined();
  });

  it.each([
    [['received'], 'queued', 'received'],
    [['received', 'answered'], 'queued', 'received'],
    [['received', 'detected'], 'queued', 'detected'],
    [['received', 'detected', 'translated', 'claimed'], 'queued', 'translated'],
    [['received', 'detected', 'translated', 'claimed', 'rendering'], 'processing', 'rendering'],
    [['received', 'detected', 'translated', 'claimed', 'rendering', 'callback', 'rendered'], 'completed', 'rendered'],
    [['received', 'detected', 'translated', 'rendering', 'rendered', 'attempted'], 'completed', 'rendered'],
    [['received', 'detected', 'translated', 'rendering', 'rendered', 'notified'], 'completed', 'notified'],
    [['received', 'rejected'], 'failed', 'rejected'],
    [['received', 'answered', 'rejected', 'failed', 'undeliverable'], 'failed', 'undeliverable'],
    [['received', 'cancelled'], 'cancelled', 'cancelled'],
  ] as const)('reads %j as %s at %s', (kinds, status, stage) => {
    expect(foldJob(way(...kinds))).toMatchObject({ status, stage });
  });

  it('is the same in whatever order the events arrive', () => {
    const all = way(
      'received',
      'answered',
      'detected',
      'translated',
      'claimed',
      'rendering',
      'callback',
      'rendered',
      'notified',
    );
    const expected = foldJob(all);
    for (let turn = 1; turn < all.length; turn++) {
      const turned = [...all.slice(turn), ...all.slice(0, turn)];
      expect(foldJob(turned)).toEqual(expected);
      expect(foldJob(turned.toReversed())).toEqual(expected);
    }
  });

  it('never goes back: an outcome absorbs a later event of an earlier stage', () => {
    const early = [...way('received', 'detected', 'translated', 'claimed', 'rendered'), at('rendering', 99)];
    expect(foldJob(early)).toMatchObject({ status: 'completed', stage: 'rendered' });
  });

  it('shows a failure in the one error shape, and the video of a success', () => {
    expect(foldJob(way('received', 'failed'))?.error).toEqual({
      error: 'render_failed',
      message: expect.any(String),
      suggestion: expect.any(String),
    });
    expect(foldJob(way('received', 'rendered'))).toMatchObject({
      error: null,
      video_url: 'https://videos.example/p_1.mp4',
    });
  });

  it('never shows a failure without its error, not even before the outcome is there', () => {
    expect(foldJob(way('received', 'rejected'))).toMatchObject({
      status: 'failed',
      error: { error: 'no_pets_detected' },
    });
  });

  it('shows no error of a job that was cancelled before its photo was refused', () => {
    expect(foldJob(way('received', 'answered', 'cancelled', 'rejected'))).toMatchObject({
      status: 'cancelled',
      error: null,
    });
  });

  it('reads an in-time rejection as rejected, though its end is an outcome like any other', () => {
    const told = { ...at('failed', 3), data: { code: 'no_pets_detected', at: 'detect', notify: false } } as StoredEvent;
    const view = foldJob([...way('received', 'rejected'), told]);
    expect(view).toMatchObject({ status: 'failed', stage: 'rejected', error: { error: 'no_pets_detected' } });
    expect(view && isOver(view)).toBe(true);
  });

  it('says nothing of a job that is erased, whatever else is seen of it', () => {
    expect(foldJob(way('erased'))).toBeUndefined();
    expect(foldJob(way('received', 'detected', 'rendered', 'notified', 'erased', 'callback'))).toBeUndefined();
  });

  it('counts only the newest run of a replayed job', () => {
    const again = { ...at('rendering', 9), run: 2 } as StoredEvent;
    expect(foldJob([...way('received', 'detected', 'failed'), again])).toMatchObject({
      status: 'processing',
      error: null,
    });
  });
});
