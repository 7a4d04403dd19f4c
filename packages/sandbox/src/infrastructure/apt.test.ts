import { expect, test } from 'vitest';
import { type AptHost, aptInstaller } from './apt.ts';

const debian = 'PRETTY_NAME="Debian GNU/Linux 12"\nID=debian\n';
const ubuntuLike = 'ID=linuxmint\nID_LIKE="ubuntu debian"\n';

test('root on Debian installs the packages with one shell run, and says so', async () => {
  const { host, ran } = fakeHost({});
  const lines: string[] = [];
  const install = await aptInstaller((line) => lines.push(line), host);
  await install?.(['nats-server', 'redis-server']);
  expect(ran.at(-1)).toMatch(/^sh -c [\s\S]*apt-get[\s\S]* install nats-server redis-server$/);
  expect(lines).toEqual([expect.stringContaining('nats-server and redis-server with apt-get')]);
});

test('a user who may become root without a password does so', async () => {
  const { host, ran } = fakeHost({ isRoot: false, osRelease: ubuntuLike });
  await (await aptInstaller(() => {}, host))?.(['redis-server']);
  expect(ran).toContain('sudo -n true');
  expect(ran.at(-1)).toMatch(/^sudo -n sh -c /);
});

test('there is no installer for a user who would need a password', async () => {
  const { host } = fakeHost({ isRoot: false, codes: { sudo: 1 } });
  expect(await aptInstaller(() => {}, host)).toBeUndefined();
});

test('there is no installer off Debian, nor where apt-get is missing', async () => {
  expect(await aptInstaller(() => {}, fakeHost({ osRelease: 'ID=fedora\n' }).host)).toBeUndefined();
  expect(await aptInstaller(() => {}, fakeHost({ osRelease: '' }).host)).toBeUndefined();
  expect(await aptInstaller(() => {}, fakeHost({ codes: { 'apt-get': 127 } }).host)).toBeUndefined();
});

test('two who want the same packages at the same moment share one run', async () => {
  const { host, ran } = fakeHost({});
  const first = await aptInstaller(() => {}, host);
  const second = await aptInstaller(() => {}, host);
  await Promise.all([first?.(['redis-server']), second?.(['redis-server'])]);
  expect(ran.filter((line) => line.startsWith('sh '))).toHaveLength(1);
});

test('a failed installation is told in the words of apt-get', async () => {
  const { host } = fakeHost({ codes: { sh: 100 } });
  const install = await aptInstaller(() => {}, host);
  await expect(install?.(['redis-server'])).rejects.toThrow('exit code 100\nE: said sh');
});

function fakeHost({
  isRoot = true,
  osRelease = debian,
  codes = {},
}: Partial<AptHost> & { codes?: Record<string, number> }) {
  const ran: string[] = [];
  const run: AptHost['run'] = async (command, args) => {
    ran.push([command, ...args].join(' '));
    return { code: codes[command] ?? 0, output: `E: said ${command}\n` };
  };
  return { host: { run, isRoot, osRelease }, ran };
}
