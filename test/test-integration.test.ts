/** The integration tester against a system that works, and against the same one with each of its parts broken in turn. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '@pet-roast/sandbox';
import { startTestSystem, type TestSystem, until } from '@pet-roast/testing';
import sharp from 'sharp';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Context } from '../scripts/test-integration/check.ts';
import { noPet, pet } from '../scripts/test-integration/checks/detection.ts';
import { video } from '../scripts/test-integration/checks/generation.ts';
import { parseOptions } from '../scripts/test-integration/options.ts';
import { toJunit } from '../scripts/test-integration/report/junit.ts';
import { type CheckResult, type Report, testDeployment } from '../scripts/test-integration/run.ts';
import { apiOf } from './helpers/api.ts';
import {
  root,
  script,
  start,
  startBufferingProxy,
  startKeyedService,
  startStrictBackend,
} from './helpers/integration-tester.ts';
import { parseXml } from './helpers/xml.ts';

/** Longer than any stage of a healthy job takes on a busy machine. */
const standS = '5';

let t: TestSystem;
let api: ReturnType<typeof apiOf>;
let folder: string;
/** An address where nothing listens. */
let nowhere: string;

beforeAll(async () => {
  nowhere = `http://127.0.0.1:${await freePort()}`;
  folder = await mkdtemp(join(tmpdir(), 'pet-roast-tester-'));
  t = await startTestSystem({
    env: { DETECT_WAIT_MS: '700', SUBMIT_TIMEOUT_MS: '2000', WEBHOOK_TIMEOUT_MS: '1000' },
    world: { imagesDir: join(root, 'packages/sandbox/assets') },
  });
  api = apiOf(t);
});
afterAll(async () => {
  await t?.[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});
afterEach(() => {
  t.world.revid.clearFaults();
  t.world.bhashini.clearFaults();
  t.world.backend.clearAnswers();
  t.world.backend.setBehaviour({ status: 200, delayMs: 0 });
});

describe('a system that works', () => {
  it('passes as a whole, for people and in a JUnit file, and is paid for one video', async () => {
    const paid = t.world.revid.renders().length;
    const junit = join(folder, 'junit.xml');
    const { code, stdout, stderr } = await run('--api-key', 'sk-do-not-print-me', '--junit', junit);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/PASSED: 9 ok in [\d.]+ s\n$/);
    expect(stdout).toMatch(/completed: .*translated [\d.]+ m?s, .*rendered [\d.]+ m?s after the request/);
    expect(stdout).not.toContain('\x1b');
    expect(stdout).not.toContain('sk-do-not-print-me');
    expect(t.world.revid.renders()).toHaveLength(paid + 1);

    const [suite] = parseXml(await readFile(junit, 'utf8')).children;
    expect(suite?.attributes).toMatchObject({ tests: '9', failures: '0', errors: '0', skipped: '0' });
    expect(suite?.children.map(({ attributes }) => attributes['classname'])).toContain('pet-roast.integration.webhook');
    expect(suite?.children.every(({ attributes }) => Number(attributes['time']) >= 0)).toBe(true);
    expect(await readdir(folder)).toEqual(['junit.xml']);
  });

  it('passes as one JSON document, with the times of all checks and stages', async () => {
    const { code, stdout, stderr } = await run('--json', '--bridge-url', t.system.bridgeUrl);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const report = JSON.parse(stdout);
    expect(report).toMatchObject({ passed: true, ai_service_url: t.system.gatewayUrl });
    expect(report.checks.map(({ id, status }: CheckResult) => `${id} ${status}`)).toEqual([
      ...['gateway_alive ok', 'gateway_ready ok', 'bridge_ready ok', 'backend_address ok', 'test_webhook ok'],
      ...['no_pet ok', 'pet ok', 'generation ok', 'webhook ok', 'video ok'],
    ]);
    expect(report.checks.every((check: { duration_ms: unknown }) => typeof check.duration_ms === 'number')).toBe(true);
    const { stages, translation } = report.checks[7].details;
    expect(translation).toMatchObject({ source_language: 'hi', translated: true });
    // The news of the delivery may come with the one of the video.
    expect(stages.at(-1)).toEqual({ stage: expect.stringMatching(/^(rendered|notified)$/), at_ms: expect.any(Number) });
    expect(report.checks[8].details).toMatchObject({ told: 'completed', delivered_after_ms: expect.any(Number) });
  });

  it('is paid nothing with --no-generation, which the report says', async () => {
    const paid = t.world.revid.renders().length;
    const report = await test(['--no-generation']);
    expect(report).toMatchObject({ passed: true });
    expect(of(report, 'pet')).toMatchObject({ status: 'ok', message: expect.stringContaining('accepted: cat') });
    expect(of(report, 'generation')).toMatchObject({
      status: 'skipped',
      message: expect.stringContaining('nothing paid'),
    });
    expect(of(report, 'video')).toMatchObject({ status: 'skipped', message: of(report, 'generation').message });
    await t.settled();
    expect(t.world.revid.renders()).toHaveLength(paid);
    expect(await statusOf(of(report, 'pet'))).not.toBe('completed');
  });

  it('whose verdict is late passes, with a warning', async () => {
    const { pid } = t.system.service('detector');
    process.kill(pid, 'SIGSTOP');
    const onStage = (stage: string) => void (stage === 'received' && process.kill(pid, 'SIGCONT'));
    const report = await test(['--no-generation'], { onStage }).finally(() => process.kill(pid, 'SIGCONT'));
    expect(report).toMatchObject({ passed: true });
    expect(of(report, 'no_pet').warnings).toEqual([expect.stringContaining('the detector is slow')]);
  });

  it('behind a proxy that holds events back passes: no job is given up on old news', async () => {
    await using proxy = await startBufferingProxy(t.system.gatewayUrl);
    // So that what is seen before the events are waited for is no news of the render.
    t.world.bhashini.pushFaults({ at: 'compute', kind: 'hang', ms: 1_500 });
    const report = await test(['--ai-service-url', proxy.url]);
    expect(broken(report)).toEqual({});
    expect(of(report, 'webhook').status).toBe('ok');
  });

  it('without Redis passes, and is called degraded', async () => {
    await t.redis.kill();
    const report = await test(['--no-generation']).finally(() => t.redis.restart());
    expect(report).toMatchObject({ passed: true });
    expect(of(report, 'gateway_ready')).toMatchObject({
      message: expect.stringContaining('redis no answer'),
      warnings: [expect.stringMatching(/^Redis does not answer: degraded/)],
    });
  });
});

describe('the tester', () => {
  it.each([
    ['no address', []],
    ['an address that is none', ['--ai-service-url', 'pet-roast.example.com']],
    ['a password in an address', ['--ai-service-url', 'https://me:hush@example.com']],
    ['a password alone', ['--ai-service-url', 'https://example.com', '--backend-url', 'https://:hush@example.com']],
    ['a flag that is none', ['--ai-service-url', 'https://example.com', '--verbose']],
    ['a value without a flag', ['--ai-service-url', 'https://example.com', 'hush']],
    ['a time that is none', ['--ai-service-url', 'https://example.com', '--timeout-s', 'soon']],
    ['a file that cannot be', ['--ai-service-url', 'https://example.com', '--junit', '/no/such/folder/junit.xml']],
    ['a key with a line break', ['--ai-service-url', 'https://example.com', '--api-key', 'hush\n']],
  ])('refuses %s, without repeating a secret', (_what, args) => {
    expect(() => parseOptions(args)).toThrow(expect.objectContaining({ name: 'UsageError' }));
    expect(() => parseOptions(args)).toThrow(expect.not.stringContaining('hush'));
  });

  it('ends with 2 and says why where the command line is wrong, and with 0 for --help', async () => {
    const wrong = await start(['--backend-url', t.world.urls.backend]);
    expect(wrong).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringContaining('--ai-service-url is missing'),
    });
    expect(await start(['--help'])).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('--no-generation'),
      stderr: '',
    });
  });

  it('ends with 1 where something failed, and hides a key that the service quotes', async () => {
    await using service = await startKeyedService();
    const args = ['--ai-service-url', service.url, '--api-key', 'sk-do-not-print-me', '--no-generation'];
    const { code, stdout, stderr } = await start([...args, '--json']);
    expect({ code, stderr }).toEqual({ code: 1, stderr: '' });
    expect(stdout).not.toContain('sk-do-not-print-me');
    const { checks } = JSON.parse(stdout);
    expect(checks[3]).toMatchObject({
      id: 'test_webhook',
      broken: 'the API key',
      message: expect.stringContaining('***'),
    });
    expect(checks[4]).toMatchObject({ status: 'skipped', message: 'because the API key is refused' });
  });

  it('has colours where they are wanted, and nowhere else', async () => {
    const args = ['--ai-service-url', nowhere, '--no-generation'] as const;
    expect((await start(args, { FORCE_COLOR: '1' })).stdout).toContain('\x1b[31m');
    expect((await start(args, { NO_COLOR: '1' })).stdout).not.toContain('\x1b');
  });

  it('fails at a service far away without the address of a photo, skips the picture without a pet, and names the flags', async () => {
    const far = { photos: { whyNone: 'far away' }, facts: {}, options: {} } as Context;
    await expect(pet.run(far)).rejects.toMatchObject({
      message: 'No photo could be sent: far away.',
      next: [expect.stringMatching(/^Give --image-url/)],
    });
    await expect(noPet.run(far)).rejects.toThrow(/^far away: give --no-pet-image-url/);
  });

  it('writes any text into valid XML', () => {
    const message = `<b> & "quotes" 'too' ]]> \u0000 \ud800 😼`;
    const blame = { part: 'a & b', next: ['<look>'] };
    const check = {
      id: 'x',
      title: 'x',
      status: 'failed',
      tookMs: 1,
      message,
      blame,
      warnings: [],
      details: {},
    } as const;
    const report = {
      passed: false,
      aiServiceUrl: '',
      backendUrl: undefined,
      startedAt: '',
      tookMs: 1,
      checks: [check],
    };
    const failure = parseXml(toJunit(report)).children[0]?.children[0]?.children[0];
    const read = message.replace('\u0000', '\ufffd').replace('\ud800', '\ufffd');
    expect(failure).toMatchObject({ name: 'failure', attributes: { message: read, type: 'a & b' } });
    expect(failure?.text).toBe(`${read}\nBroken: a & b\nNext: <look>`);
  });

  it('that is interrupted while a request is on its way still learns of the job, and cancels it', async () => {
    const { pid } = t.system.service('detector');
    const before = await t.lastSeqOf('jobs.v1.received.*');
    const interruption = new AbortController();
    process.kill(pid, 'SIGSTOP');
    const running = test([], { signal: interruption.signal });
    await until(async () => (await t.lastSeqOf('jobs.v1.received.*')) !== before, { what: 'a job' });
    interruption.abort(new Error('when this tester was interrupted'));
    const report = await running.finally(() => process.kill(pid, 'SIGCONT'));
    expect(of(report, 'no_pet').message).toMatch(/stood at “received” when .* interrupted\. Job \S+ was cancelled/);
    expect(await statusOf(of(report, 'no_pet'))).toBe('cancelled');
    expect(of(report, 'pet').status).toBe('skipped');
  });

  it('that is interrupted cancels its job before it ends', async () => {
    t.world.revid.pushFaults({ at: 'render', kind: 'behave', behaviour: { result: 'never' } });
    const paid = t.world.revid.renders().length;
    const child = spawn(process.execPath, [script, ...deployment(), '--json'], { cwd: root });
    let stdout = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      stdout += chunk;
    });
    const render = await until(() => t.world.revid.renders()[paid], { what: 'a render', timeoutMs: 30_000 });
    child.kill('SIGINT');
    expect(await once(child, 'close')).toEqual([1, null]);
    // The render may begin before the tester has read its 202, so that the acceptance is what is interrupted.
    const failed = (JSON.parse(stdout) as Report).checks.filter(({ status }) => status === 'failed');
    expect(failed.map(({ message }) => message)).toEqual([expect.stringContaining('when this tester was interrupted')]);
    expect((await api.get(`/api/video-status/${render.jobId}`)).body.status).toBe('cancelled');
  });
});

describe('a broken system is told by the part that is broken:', () => {
  it('the gateway, when nothing listens; what needs it is skipped', async () => {
    const report = await test(['--ai-service-url', nowhere]);
    expect(broken(report)).toEqual({ gateway_alive: 'the gateway, or the address --ai-service-url' });
    expect(of(report, 'gateway_alive').message).toContain('nothing listens at this address (ECONNREFUSED)');
    const reasons = ['gateway_ready', 'test_webhook', 'no_pet', 'pet', 'generation', 'video'].map((id) =>
      of(report, id),
    );
    expect(new Set(reasons.map(({ message }) => message))).toEqual(new Set(['because “The gateway is alive” failed']));
  });

  it('the address, when something else answers there', async () => {
    const report = await test(['--ai-service-url', t.world.urls.images]);
    expect(broken(report)).toEqual({ gateway_alive: expect.stringContaining('the address --ai-service-url') });
    expect(of(report, 'gateway_alive').message).toContain('HTTP 404');
  });

  it('the detector, when it is stopped: its job is cancelled, and no second one is sent', async () => {
    const report = await without('detector', () => test([]));
    expect(broken(report)).toEqual({ no_pet: 'the detector' });
    expect(of(report, 'no_pet').message).toMatch(/stood at “received” for 5\.0 s\. Job \S+ was cancelled/);
    expect(of(report, 'pet').message).toBe('because the detector gave no verdict on the first photo');
    expect(await statusOf(of(report, 'no_pet'))).toBe('cancelled');
  });

  it('the translator, when it is stopped', async () => {
    const paid = t.world.revid.renders().length;
    const report = await without('translator', () => test([]));
    expect(broken(report)).toEqual({ generation: 'the translator, or AI4Bharat behind it' });
    expect(of(report, 'generation').message).toMatch(
      /stood at “detected” .* was cancelled, so that nothing is rendered/,
    );
    expect(of(report, 'webhook').message).toBe('because no job came to its end');
    expect(await statusOf(of(report, 'generation'))).toBe('cancelled');
    expect(t.world.revid.renders()).toHaveLength(paid);
  });

  it('AI4Bharat, when it refuses its key; the failure’s webhook still arrives', async () => {
    t.world.bhashini.pushFaults({ at: 'compute', kind: 'http', status: 401, times: 100 });
    const report = await test([]);
    expect(broken(report)).toEqual({ generation: 'the translator, or AI4Bharat behind it' });
    expect(of(report, 'generation').message).toContain('failed after detected: translation_failed');
    expect(of(report, 'webhook')).toMatchObject({ status: 'ok', details: { told: 'failed' } });
  });

  it('AI4Bharat, when it fails and fails', async () => {
    t.world.bhashini.pushFaults({ at: 'compute', kind: 'http', status: 503, times: 100 });
    expect(broken(await test([]))).toEqual({ generation: 'the translator, or AI4Bharat behind it' });
  });

  it('the bridge, when it is stopped, and told from the vendor by its address', async () => {
    const report = await without('revid-bridge', () => test(['--bridge-url', t.system.bridgeUrl]));
    expect(broken(report)).toEqual({
      bridge_ready: 'the revid-bridge, or the address --bridge-url',
      generation: 'the revid-bridge',
    });
    expect(await statusOf(of(report, 'generation'))).toBe('cancelled');
  });

  it.each([
    ['key', { kind: 'http', status: 401 }],
    ['credits', { kind: 'refused_200' }],
  ] as const)('the account at Revid.ai, when its %s does not do', async (_what, fault) => {
    t.world.revid.pushFaults({ at: 'render', ...fault });
    const report = await test([]);
    expect(broken(report)).toEqual({ generation: 'the account at Revid.ai' });
    expect(of(report, 'webhook').status).toBe('ok');
  });

  it('Revid.ai, when it does not answer', async () => {
    t.world.revid.pushFaults({ at: 'render', kind: 'hang', times: 10 });
    const report = await test(['--bridge-url', t.system.bridgeUrl]);
    expect(broken(report)).toEqual({ generation: 'Revid.ai, as the revid-bridge reaches it' });
    expect(of(report, 'generation').message).toContain('stood at “translated”');
  });

  it('the bridge or the vendor behind it, where the bridge’s address is not given', async () => {
    const report = await without('revid-bridge', () => test([]));
    expect(broken(report)).toEqual({ generation: 'the revid-bridge, or Revid.ai behind it' });
  });

  it('Revid.ai or its callback, when a render never ends: cancelled in time, and said to be paid', async () => {
    t.world.revid.pushFaults({ at: 'render', kind: 'behave', behaviour: { result: 'never' } });
    const report = await test(['--timeout-s', '16']);
    expect(report.tookMs).toBeLessThan(16_000);
    expect(broken(report)).toEqual({ generation: 'Revid.ai, or the way of its callback' });
    expect(of(report, 'generation').message).toMatch(/“rendering” when the time .* was up\. .* cancelled; .* paid/);
    expect(await statusOf(of(report, 'generation'))).toBe('cancelled');
  });

  it('the notifier, when it is stopped; the video is made all the same', async () => {
    const report = await without('notifier', () => test([]));
    expect(broken(report)).toEqual({ test_webhook: 'the notifier, or the gateway’s way to it' });
    expect(of(report, 'generation').status).toBe('ok');
    expect(of(report, 'webhook').message).toBe('because the notifier does not answer');
  });

  it('the backend, when it is down', async () => {
    await t.world.backend.down();
    const report = await test([]).finally(() => t.world.backend.up());
    expect(broken(report)).toEqual({
      backend_address: 'the backend, or the address --backend-url',
      test_webhook: 'the backend, or BACKEND_WEBHOOK_URL of the notifier',
    });
    expect(of(report, 'webhook').message).toBe('because the backend does not take the test webhook');
  });

  it.each([
    ['refuses with 401', 401, 'the backend: it refuses the webhook’s signature, or its sender'],
    ['has no such route', 404, 'BACKEND_WEBHOOK_URL of the notifier, or the backend’s route'],
    ['fails', 500, 'the backend: it fails at the webhook'],
  ])('the backend, when it %s', async (_what, status, part) => {
    t.world.backend.setBehaviour({ status });
    const report = await test(['--no-generation']);
    expect(broken(report)).toEqual({ test_webhook: part });
    expect(of(report, 'test_webhook').message).toContain(`HTTP ${status}`);
  });

  it('the backend, when it has another secret', async () => {
    await t.world.backend.down();
    const strict = await startStrictBackend(t.world.backend.port);
    const report = await test(['--no-generation']).finally(async () => {
      await strict[Symbol.asyncDispose]();
      await t.world.backend.up();
    });
    expect(broken(report)).toEqual({ test_webhook: 'the backend: it refuses the webhook’s signature, or its sender' });
    expect(of(report, 'test_webhook')).toMatchObject({
      message: expect.stringContaining('No signature of the request is right'),
      blame: { next: expect.arrayContaining([expect.stringContaining('BACKEND_WEBHOOK_SECRET the same')]) },
    });
  });

  it('the address of the backend, when it is not the backend’s', async () => {
    const dead = await test(['--no-generation', '--backend-url', nowhere]);
    expect(broken(dead)).toEqual({ backend_address: 'the backend, or the address --backend-url' });
    const elsewhere = await test(['--no-generation', '--backend-url', t.world.urls.images]);
    expect(of(elsewhere, 'test_webhook').warnings).toEqual([expect.stringContaining('is that the same backend?')]);
  });

  it('the backend, when it takes the test and refuses the job', async () => {
    // Else the answer may go to the webhook of a job of an earlier test.
    await t.settled();
    t.world.backend.pushAnswers({ kind: 'http', status: 409, contains: '"completed"' });
    const report = await test([]);
    expect(broken(report)).toEqual({ webhook: 'the backend: it takes test webhooks, and refuses this one' });
    expect(of(report, 'webhook').message).toContain('“undeliverable”');
    expect(of(report, 'video').status).toBe('ok');
  });

  it('the notifier or the backend, when neither delivery nor its end is seen', async () => {
    await t.settled();
    t.world.backend.pushAnswers({ kind: 'http', status: 503, retryAfter: 10, contains: '"completed"' });
    const report = await test([]);
    expect(broken(report)).toEqual({ webhook: 'the notifier, or the backend behind it' });
    expect(of(report, 'webhook').message).toContain('still “rendered”');
  });

  it('the photo, when its address leads nowhere', async () => {
    const report = await test([
      ...['--image-url', t.world.images.urlOf('/missing'), '--no-pet-image-url', t.world.images.urlOf('/html')],
    ]);
    expect(broken(report)).toEqual({ no_pet: 'the photo’s address', pet: 'the photo’s address' });
    expect(of(report, 'pet').message).toMatch(/image_unreachable.*From here it answers HTTP 404/);
    expect(of(report, 'no_pet').message).toContain('image_not_an_image');
    expect(of(report, 'generation').message).toBe('because “A photo with a pet is accepted” failed');
  });

  it('the photo or the detector, when no pet is seen in it', async () => {
    const grey = sharp({ create: { width: 320, height: 240, channels: 3, background: '#888' } });
    const url = t.world.images.add('grey.png', await grey.png().toBuffer());
    const report = await test(['--image-url', url, '--no-pet-image-url', url]);
    expect(broken(report)).toEqual({ pet: 'the photo, or the detector' });
  });

  it('the detector, when it accepts what has no pet: that job is cancelled, never rendered, and the rest goes on', async () => {
    const paid = t.world.revid.renders().length;
    const report = await test(['--no-pet-image-url', petUrl()]);
    expect(broken(report)).toEqual({ no_pet: 'the detector, or the picture' });
    expect(of(report, 'no_pet').message).toMatch(/was accepted: cat 0\.\d+\. Job \S+ was (cancelled|over already)/);
    expect(of(report, 'generation').status).toBe('ok');
    await t.settled();
    const rejected = String(of(report, 'no_pet').details['job_id']);
    expect(api.renders(rejected)).toEqual([]);
    expect(t.world.revid.renders()).toHaveLength(paid + 1);
  });

  it('the video’s address, when it has no video', async () => {
    const at = (video_url: string) =>
      video.run({ facts: { ended: { video_url } }, signal: AbortSignal.timeout(10_000) } as Context);
    await expect(at(t.world.images.urlOf('/missing'))).rejects.toThrow('answers HTTP 404');
    await expect(at(t.world.images.urlOf('/html'))).rejects.toThrow('which is no video');
    await expect(at(`${nowhere}/video.mp4`)).rejects.toThrow('cannot be reached');
  });

  // The last one: the test system's own connection to NATS does not come back.
  it('NATS, when it is down', async () => {
    await t.nats.kill();
    const report = await test([]);
    expect(broken(report)).toEqual({ gateway_ready: 'NATS, or the gateway’s way to it' });
    expect(of(report, 'pet').message).toBe('because “The gateway is ready” failed');
  });
});

/** The tester as its users start it, on the test system. */
function run(...args: readonly string[]) {
  return start([...deployment(), ...args]);
}

/** The same in this process, which saves its start. */
function test(args: readonly string[], progress: Parameters<typeof testDeployment>[1] = {}): Promise<Report> {
  const options = parseOptions([...deployment(), ...args]);
  if (options === undefined) throw new Error('there is no help here');
  return testDeployment(options, progress);
}

function deployment(): string[] {
  const urls = ['--ai-service-url', t.system.gatewayUrl, '--backend-url', t.world.urls.backend];
  return [...urls, '--stage-timeout-s', standS, '--timeout-s', '90'];
}

function of(report: Report, id: string): CheckResult {
  const check = report.checks.find((one) => one.id === id);
  if (check === undefined) throw new Error(`there is no check ${id}`);
  return check;
}

/** The broken part by failed check. */
function broken(report: Report): Record<string, string | undefined> {
  return Object.fromEntries(
    report.checks.filter(({ status }) => status === 'failed').map(({ id, blame }) => [id, blame?.part]),
  );
}

async function statusOf({ details }: CheckResult): Promise<string> {
  return (await api.get(`/api/video-status/${details['job_id']}`)).body.status;
}

/** Kills a service, does something without it, and starts it again. */
async function without<T>(
  name: 'detector' | 'translator' | 'revid-bridge' | 'notifier',
  act: () => Promise<T>,
): Promise<T> {
  await t.system.kill(name);
  try {
    return await act();
  } finally {
    await t.system.start(name);
    await t.settled();
  }
}

function petUrl(): string {
  return t.world.images.urlOf('pet.jpg');
}
