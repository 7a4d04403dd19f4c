/** Guides whose steps need the ones before, done as they say; only the ports are others. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { freePort, startProcess } from '@pet-roast/sandbox/infrastructure';
import { until } from '@pet-roast/testing';
import { expect, it } from 'vitest';
import { codeBlocks } from './helpers/code-blocks.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const testTimeoutMs = 240_000;
const stepTimeoutMs = 120_000;

it('the quick start leads from an empty folder to a signed webhook in an app of one’s own', {
  timeout: testTimeoutMs,
}, async () => {
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
    promisify(execFile)('bash', ['-euc', code], {
      cwd: folder,
      timeout: stepTimeoutMs,
      env: { ...process.env, ...env },
    });

  await writeFile(join(folder, app?.title ?? ''), app?.code ?? '');
  await shell(install, { npm_config_audit: 'false', npm_config_fund: 'false', npm_config_prefer_offline: 'true' });
  expect(startApp).toBe(`node ${app?.title}`);
  const waiting = stack.use(await background(`exec ${startApp}`, {}, folder));
  await waiting.says('Waiting for webhooks');

  // `npm start` fetches what it needs first; that way has tests of its own.
  const start = startUp.replace('npm start', 'exec node scripts/start.ts');
  const system = stack.use(await background(start, { PORT: String(gatewayPort), DATA_DIR: join(folder, 'data') }));
  await system.says('Ctrl-C stops everything');
  expect((await shell(test)).stdout).toContain('"status":"success"');

  const photo = /"image_url": "([^"]+)"/.exec(system.output())?.[1] ?? '';
  const answer = JSON.parse((await shell(generate.replace('PHOTO_URL', photo))).stdout) as { job_id: string };
  expect(JSON.parse((await shell(status.replace('JOB_ID', answer.job_id))).stdout)).toMatchObject({
    status: 'completed',
  });
  await waiting.says(`${answer.job_id}: completed http`);
});

it('the backend guide leads to a roast through the GraphQL example on one’s own machine', {
  timeout: testTimeoutMs,
}, async () => {
  await using stack = new AsyncDisposableStack();
  const [appPort, gatewayPort] = [String(await freePort()), String(await freePort())];
  const page = (await readFile(join(root, 'docs/backend-integration.md'), 'utf8'))
    .replaceAll('localhost:8000', `localhost:${gatewayPort}`)
    .replaceAll('localhost:4000', `127.0.0.1:${appPort}`);
  const [startUp = '', startExample = '', tryIt = ''] = codeBlocks(page, 'sh').map(({ code }) => code);
  const dataDir = await mkdtemp(join(tmpdir(), 'pet-roast-guide-'));
  stack.defer(() => rm(dataDir, { recursive: true, force: true }));

  // `npm start` fetches what it needs first; that way has tests of its own.
  const start = startUp.replace('npm start', 'exec node scripts/start.ts');
  const system = stack.use(await background(start, { PORT: gatewayPort, DATA_DIR: dataDir }));
  await system.says('Ctrl-C stops everything');
  const example = stack.use(await background(startExample, { PORT: appPort }));
  await example.says('listening');

  const photo = /"image_url": "([^"]+)"/.exec(system.output())?.[1] ?? '';
  const { stdout } = await promisify(execFile)('bash', ['-euc', tryIt.replace('IMAGE_URL', photo)], {
    timeout: stepTimeoutMs,
  });
  expect(stdout).toContain('"status":"success"');
  expect(stdout).toMatch(/"generatePetRoast":\{"id":"[^"]+","status":"[A-Za-z]+"\}/);
});

it('with SANDBOX=false `npm start` puts nothing in the place of what is real: neither a vendor, nor a secret or address', {
  timeout: testTimeoutMs,
}, async () => {
  await using stack = new AsyncDisposableStack();
  const gatewayPort = String(await freePort());
  const dataDir = await mkdtemp(join(tmpdir(), 'pet-roast-real-'));
  stack.defer(() => rm(dataDir, { recursive: true, force: true }));
  // What `npm run setup` writes. Nobody is called: no job is begun.
  const real = {
    SANDBOX: 'false',
    PORT: gatewayPort,
    DATA_DIR: dataDir,
    REVID_API_KEY: 'rvd_nobody-has-it',
    TRANSLATOR_PROVIDER: 'bhashini',
    BHASHINI_USER_ID: 'nobody',
    BHASHINI_API_KEY: 'nobody-has-it-either',
    BACKEND_WEBHOOK_URL: 'https://backend.example',
    BACKEND_WEBHOOK_SECRET: 'whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=',
    BRIDGE_PUBLIC_URL: 'https://bridge.example',
    CALLBACK_SECRET: 'of-one-s-own-0123456789',
    API_KEYS: 'backend:of-one-s-own-0123456789-0123456789',
  };
  const { CALLBACK_SECRET: _, ...without } = real;
  {
    await using refused = await background('exec node scripts/start.ts', without);
    await refused.says('CALLBACK_SECRET');
  }

  const system = stack.use(await background('exec node scripts/start.ts', real));
  await system.says('Ctrl-C stops everything');
  expect(system.output()).toContain('everything around it is real');
  expect(system.output()).toMatch(/BRIDGE_PUBLIC_URL has to lead to http:\/\/127\.0\.0\.1:\d+/);
  {
    await using second = await background('exec node scripts/start.ts', { ...real, PORT: String(await freePort()) });
    await second.says('is in use by another npm start');
  }
  expect(system.output()).not.toMatch(/sandbox/i);
  const send = (body: FormData) =>
    fetch(`http://127.0.0.1:${gatewayPort}/api/generate-video`, {
      method: 'POST',
      body,
      headers: { authorization: 'Bearer of-one-s-own-0123456789-0123456789' },
    });
  const form = new FormData();
  form.set('text', 'My cat is lazy.');
  form.set('image', new Blob([await readFile(join(root, 'packages/sandbox/assets/pet.jpg'))]), 'pet.jpg');
  const answer = await send(form);
  expect([answer.status, await answer.json()]).toMatchObject([501, { detail: { error: 'uploads_not_configured' } }]);
});

/** Runs commands as a terminal of their own, and ends them as Ctrl-C would. */
async function background(commands: string, env: Record<string, string | undefined>, cwd = root) {
  // What these name is somebody’s.
  const { NATS_URL: _nats, REDIS_URL: _redis, ...own } = process.env;
  const started = await startProcess('bash', ['-euc', commands], {
    cwd,
    env: { ...own, ...env },
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
      await started.stop({ graceMs: 40_000 });
    },
  };
}
