/** The quick start, done as it says: its app, its commands, its addresses; only the ports are others where those are taken. */
import { execFile, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { freePort, startProcess } from '@pet-roast/sandbox/infrastructure';
import { testMachine, until } from '@pet-roast/testing';
import { expect, it } from 'vitest';
import { codeBlocks } from './helpers/code-blocks.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const testTimeoutMs = 240_000;
const stepTimeoutMs = 120_000;

it('leads from an empty folder to a signed webhook in an app of one’s own', { timeout: testTimeoutMs }, async () => {
  await using stack = new AsyncDisposableStack();
  const [appPort, gatewayPort] = [await freePort(), await freePort()];
  const page = (await readFile(join(root, 'docs/quick-start.md'), 'utf8'))
    .replaceAll('localhost:8000', `localhost:${gatewayPort}`)
    .replaceAll('127.0.0.1:3000', `127.0.0.1:${appPort}`)
    .replaceAll('listen(3000', `listen(${appPort}`);
  const [app] = codeBlocks(page, 'js');
  const [install = '', startApp = '', startUp = '', test = '', generate = '', status = ''] = codeBlocks(page, 'sh').map(
    ({ code }) => code,
  );
  const folder = await mkdtemp(join(tmpdir(), 'pet-roast-quick-start-'));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  const shell = (code: string, env: Record<string, string> = {}) =>
    promisify(execFile)('bash', ['-euc', code], { cwd: folder, timeout: stepTimeoutMs, env: { ...process.env, ...env } });

  await writeFile(join(folder, app?.title ?? ''), app?.code ?? '');
  await shell(install, { npm_config_audit: 'false', npm_config_fund: 'false', npm_config_prefer_offline: 'true' });
  expect(startApp).toBe(`node ${app?.title}`);
  const waiting = stack.use(await background([join(folder, app?.title ?? '')], {}));
  await waiting.says('Waiting for webhooks');

  const [exports = '', npmStart] = startUp.split(/\n(?=npm)/);
  expect(npmStart).toBe('npm start');
  const given = Object.fromEntries([...exports.matchAll(/^export (\w+)=(.*)$/gm)].map(([, name, value]) => [name, value]));
  const system = stack.use(
    await background(['scripts/start.ts'], { ...given, PORT: String(gatewayPort), DATA_DIR: join(folder, 'data') }),
  );
  await system.says('Ctrl-C stops everything');
  expect((await shell(test)).stdout).toContain('"status":"success"');

  const photo = /"image_url": "([^"]+)"/.exec(system.output())?.[1] ?? '';
  const answer = JSON.parse((await shell(generate.replace('PHOTO_URL', photo))).stdout) as { job_id: string };
  expect(JSON.parse((await shell(status.replace('JOB_ID', answer.job_id))).stdout)).toMatchObject({ status: 'completed' });
  await waiting.says(`${answer.job_id}: completed http`);
});

async function background(args: readonly string[], env: Record<string, string | undefined>) {
  const started = await startProcess(process.execPath, args, {
    cwd: root,
    env: { ...testMachine().env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [started.child.stdout, started.child.stderr]) {
    stream?.setEncoding('utf8').on('data', (chunk: string) => {
      output += chunk;
    });
  }
  return {
    output: () => output,
    says: (text: string) =>
      until(() => output.includes(text) || (started.child.exitCode !== null && Promise.reject(new Error(output))), {
        what: `"${text}" in: ${output}`,
        timeoutMs: stepTimeoutMs,
      }),
    async [Symbol.asyncDispose]() {
      started.child.kill('SIGTERM');
      await started.exited;
    },
  };
}
