/** `npm run setup -- --yes`, as a machine runs it: without a terminal, against the sandbox's vendors. */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { startWorld, type World } from '@pet-roast/sandbox';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { bridgeUrl, expectNoSecretIn, openSetup, type Setup } from './helpers/setup-wizard.ts';

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

describe('the set-up wizard, without a terminal', () => {
  const values = (): Record<string, string> => ({
    ...setup.vendors,
    REVID_API_KEY: world.env.REVID_API_KEY,
    BHASHINI_USER_ID: world.env.BHASHINI_USER_ID,
    BHASHINI_API_KEY: world.env.BHASHINI_API_KEY,
    BACKEND_WEBHOOK_URL: world.env.BACKEND_WEBHOOK_URL,
    BRIDGE_PUBLIC_URL: bridgeUrl,
  });

  it('takes everything from the environment with --yes, and shows no secret', async () => {
    const run = await setup.run(['--yes'], { ...values(), REVID_API_KEY: `${world.env.REVID_API_KEY}\n` });
    expect(run).toMatchObject({ code: 0 });
    const written = await setup.written();
    expect(written).toMatchObject({ ...values(), SANDBOX: 'false', TRANSLATOR_PROVIDER: 'bhashini' });
    expectNoSecretIn(run.output, written);
    expect(run.output).toMatch(/REVID_API_KEY +rvd_… \(22 characters\)/);
    expect(run.output).toContain('Warning: BACKEND_WEBHOOK_URL: the address is http');
    await setup.expectAccepted();
  });

  it('names every variable that is missing, wrong or refused, and writes nothing', async () => {
    const some = { ...values(), BHASHINI_USER_ID: '' };
    const run = await setup.run(['--yes'], {
      ...some,
      REVID_API_KEY: 'rvd_wrong-key-here',
      BRIDGE_PUBLIC_URL: 'https://10.0.0.1',
    });
    expect(run.code).toBe(1);
    expect(run.output).toContain('- BHASHINI_USER_ID is missing: Bhashini user id');
    expect(run.output).toContain('- BRIDGE_PUBLIC_URL names 10.0.0.1 (private)');
    expect(run.output).toContain('- REVID_API_KEY: Revid.ai refuses the key (401');
    expect(run.output).not.toContain('rvd_wrong-key-here');
    expect(await readdir(setup.folder)).toEqual([]);
  });

  it('calls nobody with --skip-checks', async () => {
    const calls = world.revid.calls.all().length;
    const run = await setup.run(['--yes', '--skip-checks'], { ...values(), REVID_API_KEY: 'rvd_never-tried' });
    expect(run).toMatchObject({ code: 0 });
    expect(world.revid.calls.all().length).toBe(calls);
  });

  it('leaves a file that is there alone unless told what becomes of it', async () => {
    const before = 'LOG_LEVEL=warn\nREVID_API_KEY=real-key\nREVID_BASE_URL=https://revid.example\n';
    await writeFile(setup.file, before);
    const refused = await setup.run(['--yes'], { SANDBOX: 'true' });
    expect(refused.code).toBe(1);
    expect(refused.output).toContain('--existing merge');
    expect(await readFile(setup.file, 'utf8')).toBe(before);

    const merged = await setup.run(['--yes', '--existing', 'merge'], { SANDBOX: 'true' });
    expect(merged.output).toContain('The file still names REVID_BASE_URL:');
    const kept = { LOG_LEVEL: 'warn', REVID_API_KEY: 'real-key', REVID_BASE_URL: 'https://revid.example' };
    expect(await setup.written()).toEqual({ ...kept, SANDBOX: 'true' });

    expect(await setup.run(['--yes', '--existing', 'overwrite'], { SANDBOX: 'true' })).toMatchObject({ code: 0 });
    expect(await setup.written()).toEqual({ SANDBOX: 'true' });
    expect(await readdir(setup.folder)).toHaveLength(2);
  });

  it('leaves a file alone that cannot be changed safely, and says what to do', async () => {
    await writeFile(setup.file, 'OPEN=`oops\n');
    const run = await setup.run(['--yes', '--skip-checks', '--existing', 'merge'], values());
    expect(run.code).toBe(1);
    expect(run.output).toContain('say --existing overwrite');
    expect(await readFile(setup.file, 'utf8')).toBe('OPEN=`oops\n');
  });

  it('names what is wrong with its own command line', async () => {
    const run = await setup.run(['--yes', '--existing', 'append'], values());
    expect(run.code).toBe(1);
    expect(run.output).toContain('--existing is merge or overwrite, not append');
  });

  it('asks nobody who has no terminal: it points to --yes', async () => {
    const run = await setup.run([], values());
    expect(run.code).toBe(1);
    expect(run.output).toContain('Use --yes');
    expect(await readdir(setup.folder)).toEqual([]);
  });
});
