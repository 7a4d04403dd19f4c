/**
 * `npm run test:integration -- --ai-service-url URL --backend-url URL`: tests a deployment from outside, and names what is
 * broken; `--help` has the rest. Exits with 0 when nothing failed, with 1 when something did, with 2 for a wrong command line.
 */
import { type Options, parseOptions, UsageError, usage } from './test-integration/options.ts';
import { toJson } from './test-integration/report/json.ts';
import { writeJunit } from './test-integration/report/junit.ts';
import { heading, tellProgress, verdict } from './test-integration/report/terminal.ts';
import { testDeployment } from './test-integration/run.ts';

process.exit(await main());

async function main(): Promise<number> {
  try {
    const options = parseOptions(process.argv.slice(2), process.env);
    if (options !== undefined) return await test(options);
    console.log(usage);
    return 0;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(`${error.message}\nnpm run test:integration -- --help shows what there is.`);
    return 2;
  }
}

async function test(options: Options): Promise<number> {
  const progress = options.json ? {} : tellProgress(process.stdout);
  if (!options.json) console.log(heading(options));
  const report = await testDeployment(options, { ...progress, signal: interruption() });
  console.log(options.json ? toJson(report) : verdict(report));
  if (options.junit !== undefined) {
    try {
      await writeJunit(options.junit, report);
    } catch (error) {
      console.error(`The JUnit file could not be written: ${(error as Error).message}`);
      return 1;
    }
  }
  return report.passed ? 0 : 1;
}

/** Fires at the first Ctrl-C, so that a job is cancelled rather than left; the second one ends the process. */
function interruption(): AbortSignal {
  const controller = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.once(name, () => controller.abort(new Error('when this tester was interrupted')));
  }
  return controller.signal;
}
