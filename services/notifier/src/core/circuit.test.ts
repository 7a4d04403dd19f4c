import { describe, expect, it } from 'vitest';
import { createCircuit } from './circuit.ts';

const open = () => {
  const circuit = createCircuit({ failuresToOpen: 3, openMs: 1_000 });
  for (let failure = 0; failure < 3; failure++) circuit.report('failed', 0);
  return circuit;
};

describe('the circuit', () => {
  it('stays closed while failures do not come in a row', () => {
    const circuit = createCircuit({ failuresToOpen: 3, openMs: 1_000 });
    for (const result of ['failed', 'failed', 'ok', 'failed', 'failed'] as const) circuit.report(result, 0);
    expect(circuit.state(0)).toBe('closed');
    expect(circuit.waitMs(0)).toBe(0);
  });

  it('opens after failures in a row, and says how long to wait', () => {
    const circuit = open();
    expect(circuit.state(400)).toBe('open');
    expect(circuit.waitMs(400)).toBe(600);
  });

  it('lets one attempt through when its time is over, and no second one beside it', () => {
    const circuit = open();
    expect(circuit.state(1_000)).toBe('half_open');
    expect(circuit.waitMs(1_000)).toBe(0);
    expect(circuit.waitMs(1_001)).toBe(999);
  });

  it('knows since when it has been open, over every probe that fails', () => {
    const circuit = open();
    circuit.waitMs(1_000);
    circuit.report('failed', 1_010);
    expect(circuit.downMs(1_500)).toBe(1_500);
    circuit.report('ok', 2_500);
    expect(circuit.downMs(2_600)).toBe(0);
  });

  it('closes when that attempt succeeds, and opens again when it fails', () => {
    const good = open();
    good.waitMs(1_000);
    good.report('ok', 1_010);
    expect(good.state(1_010)).toBe('closed');
    const bad = open();
    bad.waitMs(1_000);
    bad.report('failed', 1_010);
    expect(bad.waitMs(1_020)).toBe(990);
  });

  it('lets another attempt through when the first was never heard of again', () => {
    const circuit = open();
    circuit.waitMs(1_000);
    expect(circuit.waitMs(2_000)).toBe(0);
  });
});
