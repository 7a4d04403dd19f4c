/** A deadline for answers of native code, which may never come. */

const tickMs = 250;

/**
 * Calls `overdue` once after `timeoutMs`, unless cleared before. Time in which this process stood still does not count:
 * the answer may have come meanwhile, and is read first.
 */
export function startAwakeDeadline(timeoutMs: number, overdue: () => void): { readonly clear: () => void } {
  let ticksLeft = Math.ceil(timeoutMs / tickMs);
  const timer = setInterval(() => {
    ticksLeft -= 1;
    if (ticksLeft > 0) return;
    clearInterval(timer);
    overdue();
  }, tickMs);
  return { clear: () => clearInterval(timer) };
}
