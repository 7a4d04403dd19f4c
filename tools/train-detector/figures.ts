/** Recall, intervals, tables and lines of output of the evaluation. */
export type Judged = {
  readonly file: string;
  readonly species: string;
  readonly pet: boolean;
  /** Largest animal score. */
  readonly score: number;
  /** The species of that score. */
  readonly label: string;
};

/** The score that a photo must exceed so that at most `falseShare` of those without an animal do. */
export function thresholdFor(judged: readonly Judged[], falseShare: number): number {
  const negatives = judged
    .filter((photo) => !photo.pet)
    .map((photo) => photo.score)
    .toSorted((a, b) => b - a);
  return negatives[Math.floor(falseShare * negatives.length)] ?? 0;
}

/** `18 of 20, 90 % (70–97)`: with the 95 % interval by Wilson, which stays within 0 and 100 for small samples. */
export function share(hits: number, total: number): string {
  if (total === 0) return '–';
  const percent = (value: number) => (100 * value).toFixed(0);
  const z = 1.96;
  const p = hits / total;
  const middle = p + z ** 2 / (2 * total);
  const half = z * Math.sqrt((p * (1 - p)) / total + z ** 2 / (4 * total ** 2));
  const scale = 1 + z ** 2 / total;
  const low = percent(Math.max(0, middle - half) / scale);
  const high = percent((middle + half) / scale);
  return `${hits} of ${total}, ${(100 * p).toFixed(1)} % (${low}–${high})`;
}

export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

export function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

export function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

export function complain(line: string): void {
  process.stderr.write(`${line}\n`);
}
