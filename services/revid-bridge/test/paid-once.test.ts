/** A bridge that dies at any await between the message and the recorded pid: the job ends, and is paid at most once. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { freePort, startImageHost, startRevid } from '@pet-roast/sandbox';
import { createEvent, subjectOf } from '@pet-roast/shared';
import { brokerForTest, natsForTest, spawnService, until } from '@pet-roast/testing';
import sharp from 'sharp';
import { expect, it } from 'vitest';

/** The submit step's calls, in order; a call more is made by nobody. */
const calls = ['read the job', 'claim', 'look again', 'submit', 'record the pid'] as const;
const places = calls.flatMap((call, index) => (['before', 'after'] as const).map((side) => ({ call, index, side })));
const crashTimeoutMs = 20_000;

it.each([
  { callbacks: 'sent', none: false },
  { callbacks: 'lost', none: true },
])('with callbacks $callbacks, it is killed at each of its awaits', { timeout: 120_000 }, async ({ none }) => {
  await using nats = await natsForTest();
  await using revid = await startRevid({
    apiKey: 'key',
    behaviour: { renderMs: 300, video: 'sample', callback: { none } },
  });
  const photo = await sharp({ create: { width: 64, height: 64, channels: 3, background: '#808080' } })
    .png()
    .toBuffer();
  await using images = await startImageHost({ files: { 'pet.png': photo } });
  const port = await freePort();
  const env = {
    NATS_URL: nats.url,
    REVID_BASE_URL: revid.baseUrl,
    REVID_API_KEY: 'key',
    BRIDGE_PUBLIC_URL: `http://127.0.0.1:${port}`,
    CALLBACK_SECRET: 'a-callback-secret-for-tests',
    RENDER_DEADLINE_MS: '12000',
    SUBMIT_TIMEOUT_MS: '1000',
    POLL_AFTER_MS: '1000',
    POLL_EVERY_MS: '500',
  };
  const broker = await brokerForTest(nats.url);

  const jobs = [];
  for (const place of places) {
    const jobId = `${place.side}-${place.call.replaceAll(' ', '-')}`;
    await publishTranslated(jobId);
    const crash = { ...env, JOB_ID: jobId, CRASH_CALL: String(place.index + 1), CRASH_SIDE: place.side };
    expect(await endOf(crash), jobId).toBe('SIGKILL');
    jobs.push(jobId);
  }

  await using bridge = await spawnService({
    entry: 'services/revid-bridge/src/main.ts',
    env: { ...env, PORT: String(port) },
  });
  await bridge.ready();
  const ends: Record<string, string> = {};
  for (const jobId of jobs) {
    const outcome = await until(() => broker.readLast(subjectOf('outcome', jobId)), {
      what: `the outcome of ${jobId}`,
      timeoutMs: 60_000,
    });
    const paid = revid.renders().filter((render) => render.jobId === jobId).length;
    const end = outcome.kind === 'failed' ? (outcome.data as { code: string }).code : outcome.kind;
    ends[jobId] = `${end}, ${paid} paid`;
  }
  const dead = 'render_outcome_unknown, 0 paid';
  expect(ends).toEqual({
    'before-read-the-job': 'rendered, 1 paid',
    'after-read-the-job': 'rendered, 1 paid',
    'before-claim': 'rendered, 1 paid',
    // From here on nobody can know, so nobody submits again: the price of paying once.
    'after-claim': dead,
    'before-look-again': dead,
    'after-look-again': dead,
    'before-submit': dead,
    'after-submit': 'rendered, 1 paid',
    'before-record-the-pid': 'rendered, 1 paid',
    'after-record-the-pid': 'rendered, 1 paid',
  });
  await broker.close();

  async function publishTranslated(jobId: string): Promise<void> {
    const text = 'My dog is lazy.';
    const received = {
      ...{ text, image_url: images.urlOf('pet.png'), target_language: 'en', request_id: 'test', request_sha256: '' },
      deadline_at: new Date(Date.now() + 600_000).toISOString(),
    };
    await broker.publish(createEvent('received', jobId, received), 0);
    const translation = { text, source_language: 'en', target_language: 'en', translated: false, pieces: 0 };
    await broker.publish(createEvent('translated', jobId, translation), 0);
  }
});

/** How the crashing bridge ended: its signal, or its exit code. */
async function endOf(env: Record<string, string>): Promise<unknown> {
  const fixture = fileURLToPath(new URL('fixtures/crashing-bridge.ts', import.meta.url));
  const child = spawn(process.execPath, [fixture], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'inherit'],
    timeout: crashTimeoutMs,
    killSignal: 'SIGTERM',
  });
  const [code, signal] = await once(child, 'close');
  return signal ?? code;
}
