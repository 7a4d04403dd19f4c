/** The set-up wizard with a folder of its own, and what every run of it must keep. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseEnv, promisify } from 'node:util';
import type { World } from '@pet-roast/sandbox';
import { serviceNames } from '@pet-roast/testing';
import { expect } from 'vitest';
import { keys, openPseudoTerminal, type PseudoTerminal } from './pseudo-terminal.ts';

/** An address literal: looked up without any network. Nothing is sent to it. */
export const bridgeUrl = 'https://93.184.215.14';

export type Setup = Awaited<ReturnType<typeof openSetup>>;

const root = fileURLToPath(new URL('../../', import.meta.url));
const script = 'scripts/setup-wizard.ts';
const machine = { PATH: process.env['PATH'] ?? '', HOME: tmpdir() };
const runTimeoutMs = 60_000;
const { enter } = keys;

/** `file` is not there yet; the world's vendors are what is checked against. */
export async function openSetup(world: World) {
  const folder = await mkdtemp(join(tmpdir(), 'pet-roast-setup-'));
  const file = join(folder, '.env');
  const { REVID_BASE_URL, BHASHINI_CONFIG_URL } = world.env;
  const vendors: Record<string, string> = { REVID_BASE_URL, BHASHINI_CONFIG_URL };

  return {
    folder,
    file,
    vendors,

    /** The wizard in a pseudo-terminal. */
    start(env: Readonly<Record<string, string>> = {}): PseudoTerminal {
      const inherited = { ...machine, ...vendors, ...env };
      return openPseudoTerminal(process.execPath, [script, '--file', file], { cwd: root, env: inherited });
    },

    /** Answers everything behind the Revid.ai key; for the servers, Enter unless told. */
    async answerTheRest(
      terminal: PseudoTerminal,
      servers: { NATS_URL: string; REDIS_URL: string } = { NATS_URL: enter, REDIS_URL: enter },
    ): Promise<void> {
      await terminal.answer('TRANSLATOR_PROVIDER:', enter);
      await terminal.answer('BHASHINI_USER_ID:', world.env.BHASHINI_USER_ID + enter);
      await terminal.answer('BHASHINI_API_KEY:', world.env.BHASHINI_API_KEY + enter);
      await terminal.answer('BACKEND_WEBHOOK_URL:', world.env.BACKEND_WEBHOOK_URL + enter);
      await terminal.answer('BACKEND_WEBHOOK_SECRET:', enter);
      await terminal.answer('BRIDGE_PUBLIC_URL:', bridgeUrl + enter);
      await terminal.answer('NATS_URL:', servers.NATS_URL);
      await terminal.answer('REDIS_URL:', servers.REDIS_URL);
    },

    async expectNothingWritten(terminal: PseudoTerminal, exitCode: number): Promise<void> {
      await terminal.see('Nothing was written.');
      expect(await terminal.exitCode()).toBe(exitCode);
      expect(await readdir(folder)).toEqual([]);
    },

    /** The wizard without a terminal. */
    async run(args: readonly string[], env: Readonly<Record<string, string>>) {
      const child = spawn(process.execPath, [script, '--file', file, ...args], {
        cwd: root,
        env: { ...machine, ...env },
        stdio: ['ignore', 'pipe', 'pipe'],
        timeout: runTimeoutMs,
      });
      let output = '';
      for (const stream of [child.stdout, child.stderr]) {
        stream.setEncoding('utf8').on('data', (chunk: string) => {
          output += chunk;
        });
      }
      const [code] = await once(child, 'close');
      return { code, output };
    },

    /** The file's variables, once it is sure that nobody else can read it. */
    async written(): Promise<NodeJS.Dict<string>> {
      expect((await stat(file)).mode & 0o777).toBe(0o600);
      return parseEnv(await readFile(file, 'utf8'));
    },

    /** Every service reads its configuration out of the file, as Node's own reader gives it to them. */
    async expectAccepted(env: Readonly<Record<string, string>> = {}): Promise<void> {
      const options = { cwd: root, env: { ...machine, ...env }, timeout: runTimeoutMs };
      const args = [`--env-file=${file}`, '--input-type=module', '--eval'];
      const read = (service: string) => promisify(execFile)(process.execPath, [...args, reader(service)], options);
      await Promise.all(serviceNames.map(read));
    },

    close: () => rm(folder, { recursive: true, force: true }),
  };
}

/** A program that reads a service's configuration as its `main.ts` does, the translator's choice of provider included. */
function reader(service: string): string {
  return `
    import { readConfig } from '@pet-roast/shared';
    const { configSchema } = await import('${root}services/${service}/src/config.ts');
    const config = readConfig(configSchema);
    if ('TRANSLATOR_PROVIDER' in config) {
      const { openTranslator } = await import('${root}services/translator/src/open-translator.ts');
      await openTranslator(config).close();
    }`;
}

const openNames = ['SANDBOX', 'TRANSLATOR_PROVIDER', 'BHASHINI_USER_ID', 'LOG_LEVEL'];

/** None of the secrets stands anywhere in a text, wrapped or cut off. */
export function expectNoSecretIn(text: string, values: NodeJS.Dict<string>): void {
  const flat = text.replaceAll(/[\s│]/g, '');
  const secrets = Object.entries(values).filter(
    ([name]) => name === 'REDIS_URL' || !(openNames.includes(name) || name.endsWith('_URL')),
  );
  expect(secrets.length).toBeGreaterThan(0);
  for (const [name, value = ''] of secrets) {
    // A caller's name stands before its key; eight characters of a secret are not there by chance, "redis://" is.
    const start = name === 'REDIS_URL' ? value : value.replace(/^[a-z]+:/, '').slice(0, 8);
    expect(flat.includes(start), `${name} is on the screen`).toBe(false);
  }
}
