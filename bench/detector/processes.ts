/** What processes cost, as Linux counts it in /proc. */
import { readdirSync, readFileSync } from 'node:fs';

/** In ticks of 10 ms, as Linux shows them everywhere. */
const tickMs = 10;

/** A process and those it started that still run. */
export function familyOf(pid: number): number[] {
  const threads = attempt(() => readdirSync(`/proc/${pid}/task`)) ?? [];
  const children = threads.flatMap((thread) => numbersIn(attempt(() => read(`/proc/${pid}/task/${thread}/children`))));
  return [pid, ...children.flatMap(familyOf)];
}

/** Time that the process and what it started have had on a core; of a process that has ended, nothing. */
export function cpuMsOf(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => {
    // The name, in brackets, may hold anything; utime and stime are the 12th and 13th number behind it.
    const fields =
      attempt(() => read(`/proc/${pid}/stat`))
        ?.replace(/^.*\) /s, '')
        .split(' ') ?? [];
    return sum + (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) * tickMs;
  }, 0);
}

/** Resident memory in MB (1,000,000 bytes), and how much of it is Node's own program, of which a machine holds one copy. */
export function memoryMbOf(pids: readonly number[]): { readonly rss: number; readonly program: number } {
  let [rss, program] = [0, 0];
  for (const pid of pids) {
    let isProgram = false;
    for (const line of (attempt(() => read(`/proc/${pid}/smaps`)) ?? '').split('\n')) {
      const mapping = /^[0-9a-f]+-[0-9a-f]+ .{4} \S+ \S+ \d+ *(.*)$/.exec(line);
      if (mapping) isProgram = mapping[1] === process.execPath;
      const mb = (Number(/^Rss: +(\d+) kB$/.exec(line)?.[1] ?? 0) * 1_024) / 1e6;
      rss += mb;
      if (isProgram) program += mb;
    }
  }
  return { rss, program };
}

function numbersIn(text = ''): number[] {
  return text.split(/\s+/).filter(Boolean).map(Number);
}

function read(path: string): string {
  return readFileSync(path, 'utf8');
}

/** A process may end while it is looked at. */
function attempt<Result>(look: () => Result): Result | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}
