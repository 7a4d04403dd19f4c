export type Tally = {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** A line for each failure: its file, its name, and the first line of why. */
  readonly failures: readonly string[];
};

type Results = {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numTotalTests: number;
  readonly testResults: readonly FileResult[];
};
type FileResult = {
  readonly name: string;
  readonly status: string;
  readonly message?: string;
  readonly assertionResults: readonly {
    readonly status: string;
    readonly fullName?: string;
    readonly failureMessages?: readonly string[];
  }[];
};

const reasonCharsMax = 300;

/**
 * Counts what vitest's JSON report holds. Failures that are no test's count too, so that a failed run never reads as
 * a good one: each file that failed without a failed test (it could not be loaded, or what should prepare its tests
 * failed and they were skipped) is one, and so is an exit code for which the report has no reason.
 */
export function countTests(report: string | undefined, exitCode: number | null): Tally {
  if (report === undefined) {
    const failures = exitCode === 0 ? [] : [`vitest ended with exit code ${exitCode} and wrote no report`];
    return { passed: 0, failed: failures.length, skipped: 0, failures };
  }
  const results: Results = JSON.parse(report);
  const failures = results.testResults.flatMap(failuresOf);
  if (failures.length === 0 && exitCode !== 0) {
    failures.push(`vitest ended with exit code ${exitCode}, though its report names no failure: an unhandled error?`);
  }
  return {
    passed: results.numPassedTests,
    failed: failures.length,
    skipped: results.numTotalTests - results.numPassedTests - results.numFailedTests,
    failures,
  };
}

function failuresOf(file: FileResult): string[] {
  const failed = file.assertionResults.filter((one) => one.status === 'failed');
  if (failed.length > 0) {
    return failed.map((one) => line(file.name, one.fullName ?? 'a test', one.failureMessages?.[0]));
  }
  return file.status === 'failed' ? [line(file.name, 'could not be loaded or prepared', file.message)] : [];
}

function line(file: string, name: string, reason = 'no reason given'): string {
  const firstLine = reason.trim().split('\n', 1)[0] ?? '';
  return `${file}: ${name}: ${firstLine.slice(0, reasonCharsMax)}`;
}
