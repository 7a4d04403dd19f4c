import { describe, expect, it } from 'vitest';
import { type EventKind, eventKinds, events, steps } from './journey.ts';

describe('the contract', () => {
  it('is one unbroken chain: every event but the first follows known ones, and all lead back to the first', () => {
    const reached = new Set<string>(['received']);
    for (let grew = true; grew; ) {
      const next = eventKinds.filter(
        (kind) => !reached.has(kind) && events[kind].after.some((kind) => reached.has(kind)),
      );
      for (const kind of next) reached.add(kind);
      grew = next.length > 0;
    }
    expect([...reached].sort()).toEqual([...eventKinds].sort());
    for (const kind of eventKinds) {
      for (const before of events[kind].after) expect(eventKinds).toContain(before);
    }
  });

  it('never lets an event rank below one that it must follow, except where a claim is given back and taken again', () => {
    const exceptions = new Set(['claimed<released', 'answered<detected']);
    for (const kind of eventKinds.filter((kind) => events[kind].subject !== 'callback')) {
      for (const before of events[kind].after as readonly EventKind[]) {
        if (exceptions.has(`${kind}<${before}`)) continue;
        expect(events[kind].rank, `${kind} after ${before}`).toBeGreaterThanOrEqual(events[before].rank);
      }
    }
  });

  it('has a consumer for every subject that moves a job, and a step for every event that is not the gateway’s answer', () => {
    const consumed = new Set(Object.values(steps).map((step) => step.consumes));
    for (const subject of ['received', 'verdict', 'translated', 'render', 'callback', 'outcome'] as const) {
      expect(consumed).toContain(subject);
    }
    const published = new Set<string>(Object.values(steps).flatMap((step) => [...step.publishes]));
    const outside = eventKinds.filter((kind) => !published.has(kind));
    expect(outside).toEqual(['received', 'answered', 'callback', 'cancelled', 'erased']);
  });

  it('bounds every step: attempts, time, silence, waits and messages out', () => {
    for (const [name, step] of Object.entries(steps)) {
      expect(step.attemptsMax, name).toBeGreaterThan(1);
      expect(step.ackWaitMs, name).toBeLessThanOrEqual(30_000);
      expect(step.attemptTimeoutMs, name).toBeLessThanOrEqual(60_000);
      expect(step.backoffMs.length, name).toBeGreaterThan(0);
      expect(step.ackPendingMax, name).toBeGreaterThanOrEqual(step.slots);
    }
  });
});
