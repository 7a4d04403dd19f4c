import { spawn } from 'node:child_process';
import { appendFileSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { Failure, failureFrom } from './failure.mjs';

const heartbeatMs = 10_000;
const killGraceMs = 5_000;
const outputCharsMax = 200_000;

/** One line of progress for people; stderr, so that a command's own output stays clean. */
export function say(line) {
  process.stderr.write(`${line}\n`);
}

/**
 * Runs one program of the set-up: quiet but for a sign of life every 10 s, its output in the log file.
 * Throws a `Failure` that explains itself when it fails or takes longer than `timeoutMs`.
 *
 * @param {{ what: string, command: string, args: string[], cwd: string, env?: NodeJS.ProcessEnv, timeoutMs: number, log: string }} step
 * @returns {Promise<string>} its output
 */
export function run({ what, command, args, cwd, env = innerEnvironment(), timeoutMs, log }) {
  mkdirSync(dirname(log), { recursive: true });
  appendFileSync(log, `\n$ ${command} ${args.join(' ')}\n`);
  const started = Date.now();
  return new Promise((resolve, reject) => {
    let output = '';
    const child = spawn(command, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
    const keep = (chunk) => {
      output = (output + chunk).slice(-outputCharsMax);
      try {
        appendFileSync(log, chunk);
      } catch {
        // The disk is full, most likely: what is run says so better.
      }
    };
    child.stdout.setEncoding('utf8').on('data', keep);
    child.stderr.setEncoding('utf8').on('data', keep);

    const heartbeat = setInterval(() => {
      const last = output.trimEnd().split('\n').at(-1)?.slice(0, 100) ?? '';
      say(`  … ${Math.round((Date.now() - started) / 1000)} s${last === '' ? '' : `: ${last}`}`);
    }, heartbeatMs);
    const deadline = setTimeout(() => finish(tooSlow()), timeoutMs);
    const endChild = () => child.kill('SIGTERM'); // whoever ends us in the middle ends it too
    process.once('exit', endChild);

    child.once('error', (error) => finish(failureFrom(what, error.message, error.message, log)));
    child.once('close', (code, signal) => {
      if (code === 0) finish();
      else finish(failureFrom(what, output, `it ended with ${signal ?? `exit code ${code}`}`, log));
    });

    function finish(failure) {
      clearInterval(heartbeat);
      clearTimeout(deadline);
      process.off('exit', endChild);
      if (failure === undefined) return resolve(output);
      if (child.exitCode === null) {
        child.kill('SIGTERM');
        setTimeout(() => child.kill('SIGKILL'), killGraceMs).unref();
      }
      reject(failure);
    }
    function tooSlow() {
      return new Failure(what, {
        why: `it was not done after ${Math.round(timeoutMs / 1000)} s`,
        whose: 'most likely a slow network or machine',
        todo: 'run the same command again; what was downloaded is kept',
        log,
      });
    }
  });
}

/** Settings of npm that say how to reach a registry, and so must reach the inner npm and pnpm. */
const kept =
  /^npm_config_(registry|cafile|ca|proxy|https?_proxy|noproxy|strict_ssl|userconfig|globalconfig|cache|offline|prefer_offline|maxsockets|fetch_\w+|\/\/.*|@.*)$/i;

/**
 * The environment without what the outer `npm run` adds for itself (its prefix, its lifecycle, its flags would
 * redirect the inner npm), and without NODE_ENV, which would leave the development packages out.
 */
export function innerEnvironment(env = process.env) {
  const inner = {};
  for (const [name, value] of Object.entries(env)) {
    const foreign = /^(npm_|pnpm_config_|NODE_ENV$|INIT_CWD$)/i.test(name) && !kept.test(name);
    if (!foreign) inner[name] = value;
  }
  return inner;
}
