export type Tally = { readonly passed: number; readonly failed: number; readonly skipped: number };

type Results = {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numTotalTests: number;
  readonly testResults: readonly {
    readonly status: string;
    readonly assertionResults: readonly { readonly status: string }[];
  }[];
};

/**
 * Counts what vitest's JSON report holds. Failures that are no test's count too, so that a failed run never reads as
 * a good one: each file that failed without a failed test (it could not be loaded, or what should prepare its tests
 * failed and they were skipped) is one, and so is an exit code for which the report has no reason.
 */
export function countTests(report: string | undefined, exitCode: number | null): Tally {
  if (report === undefined) return { passed: 0, failed: exitCode === 0 ? 0 : 1, skipped: 0 };
  const results: Results = JSON.parse(report);
  const brokenFiles = results.testResults.filter(
    (file) => file.status === 'failed' && !file.assertionResults.some((one) => one.status === 'failed'),
  );
  const failed = results.numFailedTests + brokenFiles.length;
  return {
    passed: results.numPassedTests,
    failed: failed === 0 && exitCode !== 0 ? 1 : failed,
    skipped: results.numTotalTests - results.numPassedTests - results.numFailedTests,
  };
}
