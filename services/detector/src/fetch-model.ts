/**
 * Gets the detection models before anything needs them: `node services/detector/src/fetch-model.ts`.
 *
 * Reads the MODEL_ variables. Progress goes to stderr, the first model's path, and nothing else, to stdout: it can be
 * given to a detector as MODEL_PATH, which finds the second in the cache, the mirror or beside it.
 * Exit 0: there is a model; when the second is missing, or the embedded one takes the first's place, stderr says why.
 * 3: the model that MODEL_NAME names cannot be had, with the reason.
 * 1: anything else, such as a wrong setting.
 */
import { redact } from '@pet-roast/shared/redact';
import type { DownloadProgress } from './model-download.ts';
import { ModelUnavailable } from './model-file.ts';
import { resolveModels } from './models.ts';

const exitUnavailable = 3;
const linePercentStep = 25;

const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => stop.abort(new Error(`stopped by ${signal}`)));
}
process.exitCode = await main();

async function main(): Promise<number> {
  try {
    const models = await resolveModels(process.env, { onProgress: progressWriter(), signal: stop.signal });
    const troubles = [...models.failedBefore, ...(models.second?.failedBefore ?? [])];
    for (const { where, why } of troubles) tell(`model: ${where}: ${why}`);
    for (const why of [models.embeddedBecause, models.secondMissing]) if (why !== undefined) tell(why);
    process.stdout.write(`${models.path}\n`);
    return 0;
  } catch (error) {
    tell(error instanceof Error ? error.message : String(error));
    return error instanceof ModelUnavailable ? exitUnavailable : 1;
  }
}

/** A mirror's address may have a password in it. */
function tell(line: string): void {
  process.stderr.write(`${redact(line)}\n`);
}

/** One line that updates itself on a terminal; elsewhere a line each 25 %, per address. */
function progressWriter(): (progress: DownloadProgress) => void {
  const onTerminal = process.stderr.isTTY;
  const step = onTerminal ? 1 : linePercentStep;
  let url = '';
  let nextPercent = step;
  return (progress) => {
    if (progress.url !== url) [url, nextPercent] = [progress.url, step];
    const percent = Math.min(100, Math.round((progress.receivedBytes / progress.totalBytes) * 100));
    if (percent < nextPercent) return;
    nextPercent = percent - (percent % step) + step;
    const line = `model: ${percent} % of ${(progress.totalBytes / 1e6).toFixed(1)} MB from ${new URL(url).host}`;
    process.stderr.write(onTerminal ? `\r${line}${percent === 100 ? '\n' : ''}` : `${line}\n`);
  };
}
