/**
 * A circuit breaker for the backend. Closed: attempts are made. After `failuresToOpen` failures in a row it is open, and
 * nobody tries for `openMs`; then one attempt is let through (half-open), and its result closes or opens it again. So a
 * backend that is down for days costs one attempt each `openMs`, however many webhooks wait.
 */
export type CircuitState = 'closed' | 'open' | 'half_open';

export type Circuit = {
  /** 0 when an attempt may be made now (half-open: by this caller alone), else how long to wait. */
  waitMs(now?: number): number;
  /** Tells what an attempt that was let through came to. */
  report(result: 'ok' | 'failed', now?: number): void;
  state(now?: number): CircuitState;
  /** For how long it has not been closed, in ms; 0 while it is. */
  downMs(now?: number): number;
};

export type CircuitOptions = { readonly failuresToOpen: number; readonly openMs: number };

export function createCircuit({ failuresToOpen, openMs }: CircuitOptions): Circuit {
  let failures = 0;
  let openUntil = 0;
  let probeUntil = 0;
  let downSince: number | undefined;

  function state(now: number): CircuitState {
    if (failures < failuresToOpen) return 'closed';
    return now < openUntil ? 'open' : 'half_open';
  }

  return {
    state: (now = Date.now()) => state(now),
    downMs: (now = Date.now()) => now - (downSince ?? now),
    waitMs(now = Date.now()) {
      switch (state(now)) {
        case 'closed':
          return 0;
        case 'open':
          return openUntil - now;
        case 'half_open':
          // One at a time; a probe that never reports is given up after as long as the circuit stays open.
          if (now < probeUntil) return probeUntil - now;
          probeUntil = now + openMs;
          return 0;
      }
    },
    report(result, now = Date.now()) {
      probeUntil = 0;
      if (result === 'ok') {
        failures = 0;
        downSince = undefined;
      } else failures++;
      if (failures < failuresToOpen) return;
      openUntil = now + openMs;
      downSince ??= now;
    },
  };
}
