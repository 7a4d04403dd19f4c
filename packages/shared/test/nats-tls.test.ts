/** The connection to NATS, encrypted by configuration; each thing that can be wrong says whose fault it is. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LocalServer } from '@pet-roast/sandbox';
import { brokerForTest, natsForTest } from '@pet-roast/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { brokerOptions, commonConfig, readConfig } from '../src/index.ts';
import { selfSigned } from './guarded/self-signed.ts';

const servers: LocalServer[] = [];
let folder: string;
let file: Record<'ca' | 'key' | 'otherCa' | 'otherKey', string>;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'nats-tls-'));
  const [own, other] = [selfSigned('localhost'), selfSigned('elsewhere.example')];
  const store = async (name: string, pem: string) => {
    await writeFile(join(folder, name), pem);
    return join(folder, name);
  };
  file = {
    ca: await store('ca.pem', own.cert),
    key: await store('key.pem', own.key),
    otherCa: await store('other-ca.pem', other.cert),
    otherKey: await store('other-key.pem', other.key),
  };
});
afterAll(async () => {
  await Promise.all(servers.map((server) => server.close()));
  await rm(folder, { recursive: true, force: true });
});

/** A server with these files, by the name that its certificate has. */
async function natsAt(cert: string, key: string, more = ''): Promise<string> {
  const extraConfig = `tls { cert_file: ${JSON.stringify(cert)}, key_file: ${JSON.stringify(key)}, ${more} }`;
  const nats = await natsForTest({ extraConfig });
  servers.push(nats);
  return `tls://localhost:${new URL(nats.url).port}`;
}

/** Tries to open; gives the reason why it cannot be. */
async function reasonFor(url: string, tls: { caFile?: string; certFile?: string; keyFile?: string }): Promise<string> {
  const opening = brokerForTest(url, { tls, connectTimeoutMs: 0 });
  return opening.then(
    async (broker) => {
      await broker.close();
      return 'it opened';
    },
    (error: Error) => error.message,
  );
}

describe('NATS with TLS', () => {
  it('is connected to by the authority in NATS_TLS_CA_FILE, and by no other', async () => {
    const url = await natsAt(file.ca, file.key);
    const broker = await brokerForTest(url, { tls: { caFile: file.ca } });
    await broker.check();
    await broker.close();
    expect(await reasonFor(url, {})).toMatch(/nobody that is trusted here signed.*NATS_TLS_CA_FILE has to name/);
    expect(await reasonFor(url, { caFile: file.otherCa })).toMatch(/NATS_TLS_CA_FILE has to name/);
  });

  it('is not connected to where its certificate is another’s', async () => {
    const url = await natsAt(file.otherCa, file.otherKey);
    expect(await reasonFor(url, { caFile: file.otherCa })).toMatch(/for another name than NATS_URL has.*localhost/);
  });

  it('gets this side’s certificate where it wants one', async () => {
    const url = await natsAt(file.ca, file.key, `ca_file: ${JSON.stringify(file.otherCa)}, verify: true`);
    const tls = { caFile: file.ca, certFile: file.otherCa, keyFile: file.otherKey };
    const broker = await brokerForTest(url, { tls });
    await broker.check();
    await broker.close();
    const refused = /refuses this side’s certificate, or the lack of one.*NATS_TLS_CERT_FILE/;
    expect(await reasonFor(url, { caFile: file.ca })).toMatch(refused);
    expect(await reasonFor(url, { ...tls, certFile: file.ca, keyFile: file.key })).toMatch(refused);
  });

  it('is never traded for a connection without it', async () => {
    const nats = await natsForTest();
    servers.push(nats);
    const url = nats.url.replace('nats://127.0.0.1', 'tls://localhost');
    expect(await reasonFor(url, { caFile: file.ca })).toMatch(/speaks no TLS there, which NATS_URL asks for/);
  });
});

describe('a configuration', () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  /** What a process says of its variables before it ends. */
  function saidOf(env: Record<string, string>): string {
    let said = '';
    vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
      said += String(text);
      return true;
    });
    vi.spyOn(process, 'exit').mockImplementation(() => {
      throw new Error('exit');
    });
    expect(() => brokerOptions(readConfig(commonConfig, env))).toThrow('exit');
    return said;
  }

  it('has TLS by tls:// alone, with the files that are set', () => {
    const env = { NATS_URL: 'tls://nats.internal:4222', NATS_TLS_CA_FILE: file.ca };
    expect(brokerOptions(readConfig(commonConfig, env)).tls).toEqual({ caFile: file.ca });
    expect(brokerOptions(readConfig(commonConfig, { NATS_URL: 'tls://nats.internal' })).tls).toEqual({});
    expect(brokerOptions(readConfig(commonConfig, {})).tls).toBeUndefined();
  });

  it('names the variable whose file is not there, or holds something else', () => {
    const url = { NATS_URL: 'tls://nats.internal' };
    expect(saidOf({ ...url, NATS_TLS_CA_FILE: '/nowhere/ca.pem' })).toBe(
      'configuration: NATS_TLS_CA_FILE is not valid: /nowhere/ca.pem cannot be read (ENOENT)\n',
    );
    expect(saidOf({ ...url, NATS_TLS_CA_FILE: file.key })).toMatch(/NATS_TLS_CA_FILE .* holds no certificate in PEM/);
    expect(saidOf({ ...url, NATS_TLS_CERT_FILE: file.ca, NATS_TLS_KEY_FILE: file.ca })).toMatch(
      /NATS_TLS_KEY_FILE .* holds no private key in PEM form/,
    );
  });

  it.each([
    [{ NATS_URL: 'nats://nats.internal', NATS_TLS_CA_FILE: 'ca' }, /NATS_URL has to begin with tls:\/\//],
    [{ NATS_URL: 'tls://nats.internal', NATS_TLS_CERT_FILE: 'ca' }, /NATS_TLS_KEY_FILE is missing; both are needed/],
    [{ NATS_URL: 'tls://10.0.0.1:4222' }, /have a name behind tls:\/\/.*not an IP address/],
    [{ NATS_URL: 'tls://[fd00::1]:4222' }, /not an IP address/],
    [{ NATS_URL: 'http://nats.internal' }, /begin with nats:\/\/ or tls:\/\//],
    [{ NATS_USER: 'gateway' }, /NATS_PASSWORD is missing, since NATS_USER is gateway/],
  ])('that does not fit together stops the process: %j', (given, says) => {
    const env = Object.entries(given).map(([name, value]) => [name, value === 'ca' ? file.ca : value]);
    expect(saidOf(Object.fromEntries(env))).toMatch(says);
  });

  it('takes no password in an address, which is logged, and does not repeat it', () => {
    const said = saidOf({ NATS_URL: 'nats://a.internal,nats://gateway:canary-secret@b.internal' });
    expect(said).toMatch(/NATS_URL is not valid: an address has to carry no password/);
    expect(said).not.toContain('canary-secret');
  });
});
