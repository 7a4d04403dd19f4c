/** `npm run setup` as a person meets it: in a pseudo-terminal, against the sandbox's vendors. */
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startWorld, type World } from '@pet-roast/sandbox';
import { natsForTest, redisForTest, until } from '@pet-roast/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { keys } from './helpers/pseudo-terminal.ts';
import { bridgeUrl, expectNoSecretIn, openSetup, type Setup } from './helpers/setup-wizard.ts';

const { enter, down } = keys;

let world: World;
let setup: Setup;

beforeAll(async () => {
  world = await startWorld({
    keys: { revidApiKey: 'rvd_a-key-of-this-test', bhashiniApiKey: 'ulca-key-of-this-test' },
  });
});
afterAll(() => world.close());
beforeEach(async () => {
  setup = await openSetup(world);
});
afterEach(() => setup.close());

describe('the set-up wizard, in a terminal', () => {
  it('takes all that is needed, checks it at the vendors for nothing, and writes it for all five services', async () => {
    await using nats = await natsForTest();
    await using redis = await redisForTest();
    await using terminal = setup.start();
    await terminal.answer('What is it for?', down + enter);
    await terminal.answer('REVID_API_KEY: Revid.ai API key', world.env.REVID_API_KEY + enter);
    await terminal.see('Revid.ai accepts the key; it estimates 4 credits');
    await terminal.answer('TRANSLATOR_PROVIDER:', enter);
    await terminal.answer('BHASHINI_USER_ID:', world.env.BHASHINI_USER_ID + enter);
    await terminal.answer('BHASHINI_API_KEY:', world.env.BHASHINI_API_KEY + enter);
    await terminal.see('Bhashini accepts the account');
    await terminal.answer('BACKEND_WEBHOOK_URL:', world.env.BACKEND_WEBHOOK_URL + enter);
    await terminal.see('the address is http');
    await terminal.answer('BACKEND_WEBHOOK_SECRET:', enter);
    await terminal.answer('BRIDGE_PUBLIC_URL:', bridgeUrl + enter);
    await terminal.answer('NATS_URL:', nats.url + enter);
    await terminal.answer('NATS_USER:', enter);
    await terminal.see('answers, with JetStream');
    await terminal.answer('REDIS_URL:', redis.url + enter);
    await terminal.see('Redis answers');
    await terminal.see('Done.');
    expect(await terminal.exitCode()).toBe(0);

    const written = await setup.written();
    expect(written).toEqual({
      SANDBOX: 'false',
      ...setup.vendors,
      REVID_API_KEY: world.env.REVID_API_KEY,
      TRANSLATOR_PROVIDER: 'bhashini',
      BHASHINI_USER_ID: world.env.BHASHINI_USER_ID,
      BHASHINI_API_KEY: world.env.BHASHINI_API_KEY,
      BACKEND_WEBHOOK_URL: world.env.BACKEND_WEBHOOK_URL,
      BACKEND_WEBHOOK_SECRET: expect.stringMatching(/^whsec_[A-Za-z0-9+/]{43}=$/),
      BRIDGE_PUBLIC_URL: bridgeUrl,
      NATS_URL: nats.url,
      REDIS_URL: redis.url,
      CALLBACK_SECRET: expect.stringMatching(/^[\w-]{43}$/),
      ADMIN_TOKEN: expect.stringMatching(/^[\w-]{43}$/),
      API_KEYS: expect.stringMatching(/^backend:pr_[\w-]{43}$/),
    });
    expect(await readFile(setup.file, 'utf8')).toMatch(/# Revid\.ai API key\nREVID_API_KEY=/);
    await setup.expectAccepted();
    expectNoSecretIn(terminal.screen(), written);
    expect(terminal.screen()).toContain('the whole value of BACKEND_WEBHOOK_SECRET');
    expect(world.revid.renders()).toEqual([]);
    expect(world.backend.deliveries()).toEqual([]);
  });

  it('refuses a wrong Revid.ai key, says whose matter it is, and takes the right one then', async () => {
    await using terminal = setup.start();
    await terminal.answer('What is it for?', down + enter);
    await terminal.answer('REVID_API_KEY:', `rvd_a-wrong-key${enter}`);
    await terminal.see('Revid.ai refuses the key (401');
    await terminal.see('Whose: the key');
    await terminal.answer('What now?', enter);
    await terminal.answer('REVID_API_KEY:', world.env.REVID_API_KEY + enter);
    await terminal.see('Revid.ai accepts the key');
    await terminal.answer('TRANSLATOR_PROVIDER:', keys.ctrlC);
    await setup.expectNothingWritten(terminal, 130);
    expectNoSecretIn(terminal.screen(), { REVID_API_KEY: world.env.REVID_API_KEY, wrong: 'rvd_a-wrong-key' });
  });

  it('tells a vendor that is away from one that refuses, and keeps a value all the same when told to', async () => {
    await using terminal = setup.start({ REVID_BASE_URL: 'http://127.0.0.1:9/api' });
    await terminal.answer('What is it for?', down + enter);
    await terminal.answer('REVID_API_KEY:', `rvd_not-to-be-checked${enter}`);
    await terminal.see('Revid.ai is not reached: nothing listens at 127.0.0.1:9');
    await terminal.answer('What now?', down + enter);
    await setup.answerTheRest(terminal);
    await terminal.see('Kept although the check failed: Revid.ai');
    expect(await terminal.exitCode()).toBe(0);
    expect(await setup.written()).toMatchObject({ REVID_API_KEY: 'rvd_not-to-be-checked' });
  });

  it('takes a server of one’s own for the translation, and the webhook secret that the backend has already', async () => {
    await using terminal = setup.start();
    await terminal.answer('What is it for?', down + enter);
    await terminal.answer('REVID_API_KEY:', world.env.REVID_API_KEY + enter);
    await terminal.answer('TRANSLATOR_PROVIDER:', down + enter);
    await terminal.answer('INDICTRANS_URL:', world.env.INDICTRANS_URL + enter);
    await terminal.answer('INDICTRANS_API_KEY:', world.env.INDICTRANS_API_KEY + enter);
    await terminal.see('the IndicTrans2 server translates');
    await terminal.answer('BACKEND_WEBHOOK_URL:', world.env.BACKEND_WEBHOOK_URL + enter);
    await terminal.answer('BACKEND_WEBHOOK_SECRET:', down + enter);
    await terminal.answer('BACKEND_WEBHOOK_SECRET:', `whsec_short${enter}`);
    await terminal.see('at least 24 bytes');
    terminal.write(world.env.BACKEND_WEBHOOK_SECRET + enter);
    await terminal.answer('BRIDGE_PUBLIC_URL:', `https://localhost:8001${enter}`);
    await terminal.see('only this machine or network knows');
    terminal.write(`${keys.clearLine}${bridgeUrl}${enter}`);
    await terminal.answer('NATS_URL:', enter);
    await terminal.answer('REDIS_URL:', enter);
    expect(await terminal.exitCode()).toBe(0);

    const written = await setup.written();
    expect(written).toMatchObject({
      BACKEND_WEBHOOK_SECRET: world.env.BACKEND_WEBHOOK_SECRET,
      BRIDGE_PUBLIC_URL: bridgeUrl,
    });
    expect(Object.keys(written)).not.toContain('BHASHINI_CONFIG_URL');
    await setup.expectAccepted();
    expectNoSecretIn(terminal.screen(), written);
  });

  it('asks nothing more for a sandbox', async () => {
    await using terminal = setup.start();
    await terminal.answer('What is it for?', enter);
    expect(await terminal.exitCode()).toBe(0);
    expect(await setup.written()).toEqual({ SANDBOX: 'true' });
    await setup.expectAccepted({
      ...world.env,
      BRIDGE_PUBLIC_URL: 'http://127.0.0.1:1',
      CALLBACK_SECRET: 'c'.repeat(32),
    });
  });

  it.each([
    ['Ctrl-C at the first question', ['What is it for?'], keys.ctrlC],
    ['Escape at a choice', ['What is it for?'], keys.escape],
    ['Ctrl-C at a secret half typed', ['What is it for?', down + enter, 'REVID_API_KEY:', 'half', '▪▪▪▪'], keys.ctrlC],
    ['Ctrl-D at a secret', ['What is it for?', down + enter, 'REVID_API_KEY:'], keys.ctrlD],
  ])('writes nothing and says so at %s', async (_name, steps, key) => {
    await using terminal = setup.start();
    for (const [index, step] of steps.entries()) {
      if (index % 2 === 0) await terminal.see(step);
      else terminal.write(step);
    }
    terminal.write(key);
    await setup.expectNothingWritten(terminal, 130);
  });

  it('writes nothing and says so at Ctrl-C during a check', async () => {
    world.revid.pushFaults({ at: 'projects', kind: 'hang' });
    await using terminal = setup.start();
    await terminal.answer('What is it for?', down + enter);
    await terminal.answer('REVID_API_KEY:', world.env.REVID_API_KEY + enter);
    await until(() => world.revid.calls.all().some(({ fault }) => fault === 'hang'), { what: 'the check to hang' });
    terminal.write(keys.ctrlC);
    await setup.expectNothingWritten(terminal, 130);
  });

  it('neither shows nor takes what is typed during a check: it may be half of a secret', async () => {
    const calls = () => world.revid.calls.all().length;
    const before = calls();
    world.revid.pushFaults({ at: 'projects', kind: 'hang', ms: 500 });
    await using terminal = setup.start();
    await terminal.answer('What is it for?', down + enter);
    await terminal.answer('REVID_API_KEY:', world.env.REVID_API_KEY + enter);
    await until(() => calls() === before + 2, { what: 'both calls of the check' });
    terminal.write('typed-ahead');
    await terminal.see('Revid.ai accepts the key');
    await terminal.answer('TRANSLATOR_PROVIDER:', enter);
    await terminal.answer('BHASHINI_USER_ID:', `someone${enter}`);
    await terminal.see('BHASHINI_API_KEY:');
    expect(terminal.screen()).toContain('someone');
    expect(terminal.screen()).not.toContain('typed-ahead');
  });

  it('writes nothing when it is terminated from outside', async () => {
    await using terminal = setup.start();
    await terminal.see('What is it for?');
    terminal.signal('SIGTERM');
    await setup.expectNothingWritten(terminal, 143);
  });

  it('leaves a file that is there as it is on "Quit"', async () => {
    await writeFile(setup.file, 'REVID_API_KEY=mine', { mode: 0o640 });
    await using terminal = setup.start();
    await terminal.answer('is there already', down + down + enter);
    expect(await terminal.exitCode()).toBe(1);
    expect(await readFile(setup.file, 'utf8')).toBe('REVID_API_KEY=mine');
    expect((await stat(setup.file)).mode & 0o777).toBe(0o640);
    expect(await readdir(setup.folder)).toEqual(['.env']);
  });

  it('changes only what it asks for in a file that is there, and makes no new secrets of the ones in it', async () => {
    const own = {
      CALLBACK_SECRET: 'the-callback-secret-that-was-there',
      BACKEND_WEBHOOK_SECRET: world.env.BACKEND_WEBHOOK_SECRET,
      API_KEYS: `app:${'k'.repeat(40)}`,
    };
    const before = `# ours\nLOG_LEVEL=warn\nREVID_API_KEY='${world.env.REVID_API_KEY}'\nSANDBOX=true\n`;
    await writeFile(setup.file, before + linesOf(own));
    await using terminal = setup.start();
    await terminal.answer('is there already', enter);
    await terminal.answer('What is it for?', down + enter);
    await terminal.answer(
      'REVID_API_KEY: Revid.ai API key (Enter: the present one stays, rvd_… (22 characters))',
      enter,
    );
    await terminal.see('Revid.ai accepts the key');
    await setup.answerTheRest(terminal);
    expect(await terminal.exitCode()).toBe(0);

    expect(await setup.written()).toMatchObject({ ...own, LOG_LEVEL: 'warn', SANDBOX: 'false' });
    const text = await readFile(setup.file, 'utf8');
    expect(text).toContain(`# ours\nLOG_LEVEL=warn\nREVID_API_KEY=${world.env.REVID_API_KEY}\nSANDBOX=false\n`);
    expectNoSecretIn(terminal.screen(), own);
  });

  it('takes what is left empty out of a file that is there, an address’s login too, and nothing that was not asked for', async () => {
    const stale = { NATS_URL: 'nats://nats.example:4222', NATS_USER: 'backend', NATS_PASSWORD: 'a-nats-password' };
    const own = {
      ...stale,
      REDIS_URL: 'redis://:a-redis-password@redis.example',
      INDICTRANS_URL: 'https://own.example',
    };
    await writeFile(setup.file, linesOf(own));
    await using terminal = setup.start();
    await terminal.answer('is there already', enter);
    await terminal.answer('What is it for?', down + enter);
    await terminal.answer('REVID_API_KEY:', world.env.REVID_API_KEY + enter);
    await setup.answerTheRest(terminal, { NATS_URL: keys.clearLine + enter, REDIS_URL: `-${enter}` });
    await terminal.see('Removed from it: NATS_URL, NATS_USER, NATS_PASSWORD, REDIS_URL');
    expect(await terminal.exitCode()).toBe(0);

    expect(terminal.screen()).toContain('(empty: `npm start` brings NATS)');
    expect(terminal.screen()).toContain('-: `npm start` brings Redis)');
    const written = await setup.written();
    expect(written).toMatchObject({ SANDBOX: 'false', INDICTRANS_URL: own.INDICTRANS_URL });
    for (const name of [...Object.keys(stale), 'REDIS_URL']) expect(written).not.toHaveProperty(name);
    expectNoSecretIn(terminal.screen(), { NATS_PASSWORD: own.NATS_PASSWORD, REDIS_URL: own.REDIS_URL });
  });

  it('writes a new file, and keeps the old one, where a quote that is never closed makes changing it unsafe', async () => {
    await writeFile(setup.file, 'OPEN=`oops\n');
    await using terminal = setup.start();
    await terminal.answer('is there already', enter);
    await terminal.answer('What is it for?', down + enter);
    await terminal.answer('REVID_API_KEY:', world.env.REVID_API_KEY + enter);
    await setup.answerTheRest(terminal);
    await terminal.see('cannot be changed safely: OPEN would read differently');
    await terminal.answer('What now?', enter);
    expect(await terminal.exitCode()).toBe(0);
    expect(await setup.written()).toMatchObject({ REVID_API_KEY: world.env.REVID_API_KEY });
    const [backup = ''] = (await readdir(setup.folder)).filter((name) => name !== '.env');
    expect(await readFile(join(setup.folder, backup), 'utf8')).toBe('OPEN=`oops\n');
  });

  it('keeps the old file beside a new one, as private', async () => {
    await writeFile(setup.file, 'CALLBACK_SECRET=old', { mode: 0o644 });
    await using terminal = setup.start();
    await terminal.answer('is there already', down + enter);
    await terminal.answer('What is it for?', enter);
    expect(await terminal.exitCode()).toBe(0);
    expect(await setup.written()).toEqual({ SANDBOX: 'true' });
    const [backup = ''] = (await readdir(setup.folder)).filter((name) => name !== '.env');
    expect(backup).toMatch(/^\.env\.backup-\d{8}T\d{9}Z$/);
    expect(await readFile(join(setup.folder, backup), 'utf8')).toBe('CALLBACK_SECRET=old');
    expect((await stat(join(setup.folder, backup))).mode & 0o777).toBe(0o600);
  });
});

function linesOf(values: Readonly<Record<string, string>>): string {
  return Object.entries(values)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('');
}
