/** Finds an ffmpeg that runs and can make H.264, and runs it under a deadline. */
import { spawn } from 'node:child_process';
import { access, chmod, constants } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { z } from 'zod';

const stderrCharactersKept = 4_000;
const stdoutCharactersMax = 1024 * 1024;
const versionMsMax = 15_000;

/** Thrown where ffmpeg ended with an error or not in time; the message carries the end of its stderr. */
export class FfmpegFailed extends Error {
  override readonly name = 'FfmpegFailed';
}

export type FfmpegOutput = { readonly stdout: string; readonly stderr: string };

let found: Promise<string | undefined> | undefined;

/**
 * The path of an ffmpeg with libx264: what `FFMPEG_PATH` names (`none` for none at all), else the binary that the
 * package `@ffmpeg-installer/ffmpeg` ships for this platform, else the one on the PATH. Undefined where none runs.
 * Throws where `FFMPEG_PATH` names one that does not run. The answer is looked for once per process.
 */
export function findFfmpeg(): Promise<string | undefined> {
  found ??= search(process.env['FFMPEG_PATH']);
  return found;
}

/**
 * Runs ffmpeg to its end. Throws `FfmpegFailed` when it exits with an error; it is killed, and this throws, when it is
 * still busy after `timeoutMs` or `signal` aborts. stdout is kept to its first 1 Mi characters, stderr to its last 4,000 characters.
 */
export function runFfmpeg(
  path: string,
  args: readonly string[],
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<FfmpegOutput> {
  const { promise, resolve, reject } = Promise.withResolvers<FfmpegOutput>();
  const child = spawn(path, ['-hide_banner', '-nostdin', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
    ...(signal === undefined ? {} : { signal }),
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    if (stdout.length < stdoutCharactersMax) stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-stderrCharactersKept);
  });
  child.on('error', (cause) => {
    // A child that was told to stop is reported here too, before it has gone: `close` follows.
    if (child.pid === undefined) reject(new FfmpegFailed(`ffmpeg could not be started: ${cause.message}`, { cause }));
  });
  child.on('close', (code, killedBy) => {
    if (code === 0) return resolve({ stdout, stderr });
    const how = killedBy === 'SIGKILL' ? `was killed (it may take ${timeoutMs} ms)` : `ended with ${code ?? killedBy}`;
    reject(new FfmpegFailed(`ffmpeg ${how}: ${stderr.trim() || 'no output'}`));
  });
  return promise;
}

async function search(named: string | undefined): Promise<string | undefined> {
  if (named === 'none') return undefined;
  if (named !== undefined && named !== '') {
    if (await canEncode(named)) return named;
    throw new Error(`FFMPEG_PATH names ${named}, which does not run or has no libx264 (use "none" for no ffmpeg)`);
  }
  const packaged = await packagedFfmpeg();
  for (const path of [...(packaged === undefined ? [] : [packaged]), 'ffmpeg']) {
    if (await canEncode(path)) return path;
  }
  return undefined;
}

async function canEncode(path: string): Promise<boolean> {
  try {
    return (await runFfmpeg(path, ['-encoders'], versionMsMax)).stdout.includes('libx264');
  } catch {
    return false;
  }
}

/** The package throws a string while loading where its binary for this platform is not installed. */
async function packagedFfmpeg(): Promise<string | undefined> {
  try {
    const require = createRequire(import.meta.url);
    const { path } = z.object({ path: z.string() }).parse(require('@ffmpeg-installer/ffmpeg'));
    // Some package managers drop the executable bit.
    await access(path, constants.X_OK).catch(() => chmod(path, 0o755));
    return path;
  } catch {
    return undefined;
  }
}
