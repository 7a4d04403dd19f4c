import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, cp, mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findBinary, thisMachine } from '@pet-roast/sandbox/infrastructure';
import { until } from '@pet-roast/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));
const oldNode = await nodeOlderThan24();
if (oldNode === undefined) process.stdout.write('Only Node 24 is here: fetching it for an older Node is not tried.\n');

/** A newcomer's shell: the machine's own Node first, and nothing of the runtime that this test runs on. */
const shell: Record<string, string> = {
  HOME: process.env['HOME'] ?? '/',
  PATH: [dirname(oldNode ?? process.execPath), ...searchPath()].join(delimiter),
  ...certificates(),
};

let parent: string;
/** A copy of the repository as a clone has it, with one small command; it is set up by the first test. */
let clone: string;

beforeAll(async () => {
  parent = await mkdtemp(join(tmpdir(), 'pet-roast-bootstrap-'));
  clone = await cloneInto(join(parent, 'a folder with spaces'));
});

afterAll(() => rm(parent, { recursive: true, force: true, maxRetries: 5 }));

describe('on a clean clone', () => {
  test('npm run sets everything up, says so, and runs the command with its arguments on Node 24', async () => {
    const first = await finish(npmRun('a', 'b c'));
    expect(first).toMatchObject({ code: 0, stdout: expect.stringMatching(/^hello a\|b c on v(2[4-9]|[3-9]\d)\./m) });
    if (oldNode !== undefined) expect(first.stderr).toMatch(/^Setting up: Node 24\.\d+\.\d+ and pnpm 12/m);
    expect(first.stderr).toMatch(/^Setting up: the packages/m);
  });

  test('the second time nothing is set up and nothing is said', async () => {
    expect(await finish(npmRun('again'))).toMatchObject({ code: 0, stderr: '' });
  });

  test('what is there already costs less than 50 ms beyond the start of Node', async () => {
    const empty = await bestCpuMs(['-e', '0']);
    const whole = await bestCpuMs([join(clone, 'scripts/bootstrap.mjs'), 'hello']);
    expect(whole - empty).toBeLessThan(50);
  });

  test('the exit code of the command is the exit code of the whole', async () => {
    expect(await finish(bootstrap(clone, ['hello', '--exit=7']))).toMatchObject({ code: 7 });
  });

  test.for(['SIGTERM', 'SIGINT'] as const)('%s reaches the command, which ends in its own way', async (signal) => {
    const running = bootstrap(clone, ['hello', '--wait']);
    const end = finish(running);
    await until(() => output(running).includes('waiting'), { what: 'the command to run' });
    running.kill(signal);
    expect(await end).toMatchObject({ code: 5, stdout: expect.stringContaining(`got ${signal}`) });
  });

  test('a package.json that the lockfile does not know is refused with what to do', async () => {
    const manifest = join(clone, 'packages/shared/package.json');
    const before = await readFile(manifest, 'utf8');
    await writeFile(manifest, before.replace('"dependencies": {', '"dependencies": { "is-number": "7.0.0",'));
    const refused = await finish(bootstrap(clone, ['hello']));
    expect(refused).toMatchObject({ code: 1, stdout: '' });
    expect(refused.stderr).toMatch(
      /could not be installed[\s\S]*Whose: this repository[\s\S]*pnpm install, and commit/,
    );
    await writeFile(manifest, before);
    // How far the refused install came is not known: what was there before is made sure of.
    const again = await finish(bootstrap(clone, ['hello']));
    expect(again).toMatchObject({ code: 0, stderr: expect.stringContaining('the packages that pnpm-lock.yaml names') });
    expect(await finish(bootstrap(clone, ['hello']))).toMatchObject({ code: 0, stderr: '' });
  });

  test('two at once, under an npm that is told to install elsewhere: one sets up, the other waits, both run', async () => {
    await rm(join(clone, '.cache'), { recursive: true });
    await rm(join(clone, 'node_modules'), { recursive: true });
    const misled = {
      npm_config_prefix: '/nowhere',
      npm_config_global: 'true',
      npm_config_omit: 'dev',
      NODE_ENV: 'production',
    };
    const both = await Promise.all([
      finish(bootstrap(clone, ['hello', 'one'], misled)),
      finish(bootstrap(clone, ['hello', 'two'], misled)),
    ]);
    expect(both.map(({ code }) => code)).toEqual([0, 0]);
    const said = both.map(({ stderr }) => stderr);
    expect(said.filter((text) => text.includes('Setting up: the packages'))).toHaveLength(1);
    expect(said.filter((text) => text.includes('waiting for another set-up'))).toHaveLength(1);
    await access(join(clone, 'node_modules/vitest')); // a development package, in spite of NODE_ENV
    expect(await readdir(join(clone, '.cache'))).not.toContain('setup.lock');
  });
});

describe('when the set-up cannot go on', () => {
  let bare: string;
  beforeAll(async () => {
    bare = await cloneInto(join(parent, 'bare'));
  });

  test('a registry that cannot be reached is the network’s matter', async () => {
    const offline = {
      npm_config_registry: 'http://127.0.0.1:9',
      npm_config_fetch_retries: '0',
      npm_config_cache: join(parent, 'npm'),
    };
    const failed = await finish(bootstrap(bare, ['hello'], offline));
    expect(failed).toMatchObject({ code: 1, stdout: '' });
    expect(failed.stderr).toMatch(
      /could not be set up\.\n {2}Why: .*ECONNREFUSED.*\n {2}Whose: the network.*\n {2}To do: check/,
    );
    expect(failed.stderr).toContain(join(bare, '.cache', 'setup.log'));
  });

  test.for([
    ['npm error code ENOSPC\nnpm error nospc ENOSPC: no space left on device, write', 'its disk is full'],
    ['npm error code EACCES\nnpm error path /home/me/.npm', 'cannot be written to by you'],
    ['npm error code SELF_SIGNED_CERT_IN_CHAIN', 'a certificate that this machine does not trust'],
    ['npm error code E403\nnpm error 403 Forbidden', 'it wants other credentials'],
    ['npm error code ETARGET\nnpm error notarget No matching version', 'it does not have that package'],
    ['npm error code EINTEGRITY', 'a package arrived changed or broken'],
    ['npm error code E503', 'trouble of its own'],
    ['npm error something new', 'not clear from what was said'],
  ] as const)('"%s" is explained: %s', async ([said, meaning]) => {
    const failed = await finish(
      bootstrap(bare, ['hello'], {
        npm_execpath: await fakeNpm(`console.error(${JSON.stringify(said)}); process.exit(1)`),
      }),
    );
    expect(failed).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining(meaning) });
  });

  test('an npm that succeeds without installing anything is not believed', async () => {
    const failed = await finish(bootstrap(bare, ['hello'], { npm_execpath: await fakeNpm('') }));
    expect(failed).toMatchObject({ code: 1, stderr: expect.stringContaining('could not be set up') });
  });

  test('SIGTERM during the set-up ends it, and frees the way for the next', async () => {
    const slow = bootstrap(bare, ['hello'], { npm_execpath: await fakeNpm('setTimeout(() => {}, 60_000)') });
    const end = finish(slow);
    await until(() => access(join(bare, '.cache/setup.lock')).then(() => true), {
      what: 'the set-up to hold its lock',
    });
    await until(() => output(slow, 'stderr').includes('Setting up'), { what: 'the set-up to begin' });
    slow.kill('SIGTERM');
    expect(await end).toMatchObject({ code: 143 });
    expect(await readdir(join(bare, '.cache'))).not.toContain('setup.lock');
  });

  test.for(['that is dead', 'that has shown no life for a minute'])(
    'the lock of a set-up %s is taken over',
    async (how) => {
      const lock = join(bare, '.cache/setup.lock');
      await mkdir(lock, { recursive: true });
      const owner = join(lock, 'owner.json');
      const { hostname } = await import('node:os');
      const dead = how === 'that is dead';
      await writeFile(
        owner,
        JSON.stringify(dead ? { pid: await deadPid(), host: hostname() } : { pid: 1, host: 'elsewhere' }),
      );
      if (!dead) await utimes(owner, Date.now() / 1000 - 60, Date.now() / 1000 - 60);
      const after = await finish(bootstrap(bare, ['hello'], { npm_execpath: await fakeNpm('process.exit(1)') }));
      expect(after.stderr).toContain('Setting up: ');
      expect(after.stderr).not.toContain('waiting for another');
    },
  );

  test('a command that does not exist is told with those that do', async () => {
    const failed = await finish(bootstrap(bare, ['hallo']));
    expect(failed).toMatchObject({ code: 1, stderr: expect.stringMatching(/no command "hallo"[\s\S]*"hello"/) });
  });
});

type Ended = { code: number | null; signal: NodeJS.Signals | null; stdout: string; stderr: string };

const outputs = new WeakMap<ChildProcess, { stdout: string; stderr: string }>();

function npmRun(...args: string[]): ChildProcess {
  return start('npm', ['run', '--silent', 'hello', '--', ...args], clone, {});
}

function bootstrap(folder: string, args: string[], env: Record<string, string> = {}): ChildProcess {
  return start('node', [join(folder, 'scripts/bootstrap.mjs'), ...args], parent, env);
}

function start(command: string, args: string[], cwd: string, env: Record<string, string>): ChildProcess {
  const child = spawn(command, args, { cwd, env: { ...shell, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  const said = { stdout: '', stderr: '' };
  outputs.set(child, said);
  child.stdout.on('data', (chunk) => {
    said.stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    said.stderr += chunk;
  });
  return child;
}

function output(child: ChildProcess, stream: 'stdout' | 'stderr' = 'stdout'): string {
  return outputs.get(child)?.[stream] ?? '';
}

async function finish(child: ChildProcess): Promise<Ended> {
  const [code, signal] = await once(child, 'close');
  return { code, signal, stdout: output(child), stderr: output(child, 'stderr') };
}

/** Processor time of that process alone, the best of five runs: a busy machine changes it little. */
async function bestCpuMs(args: string[]): Promise<number> {
  const probe = `process.on('exit', () => {
    const { user, system } = process.cpuUsage();
    process.stderr.write(\`cpu \${user + system}\`);
  });`;
  const loader = `data:text/javascript,${encodeURIComponent(probe)}`;
  let best = Number.POSITIVE_INFINITY;
  for (let time = 0; time < 5; time += 1) {
    const { stderr } = await finish(start('node', ['--import', loader, ...args], parent, {}));
    const [, microseconds] = /cpu (\d+)/.exec(stderr) ?? [];
    best = Math.min(best, Number(microseconds) / 1000);
  }
  expect(best).toBeGreaterThan(0);
  return best;
}

async function cloneInto(folder: string): Promise<string> {
  await mkdir(join(folder, 'scripts/setup'), { recursive: true });
  const files = ['pnpm-lock.yaml', 'pnpm-workspace.yaml', 'scripts/bootstrap.mjs'];
  for (const kind of ['packages', 'services']) {
    for (const name of await readdir(join(root, kind))) files.push(`${kind}/${name}/package.json`);
  }
  for (const name of await readdir(join(root, 'scripts/setup')))
    if (name.endsWith('.mjs')) files.push(`scripts/setup/${name}`);
  for (const file of files) await cp(join(root, file), join(folder, file));
  const manifest = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
  manifest.scripts = { hello: 'node scripts/bootstrap.mjs hello' };
  await writeFile(join(folder, 'package.json'), JSON.stringify(manifest));
  await writeFile(join(folder, 'scripts/hello.ts'), helloSource);
  return folder;
}

const helloSource = `
const args: readonly string[] = process.argv.slice(2);
console.log(\`hello \${args.join('|')} on \${process.version}\`);
const exit: string | undefined = args.find((arg) => arg.startsWith('--exit='));
if (exit !== undefined) process.exitCode = Number(exit.slice(7));
if (args.includes('--wait')) {
  for (const signal of ['SIGTERM', 'SIGINT']) {
    process.on(signal, () => {
      console.log(\`got \${signal}\`);
      process.exit(5);
    });
  }
  setTimeout(() => {}, 60_000);
  console.log('waiting');
}
`;

async function fakeNpm(body: string): Promise<string> {
  const folder = await mkdtemp(join(parent, 'fake-'));
  const file = join(folder, 'npm-cli.js');
  await writeFile(file, body);
  return file;
}

async function deadPid(): Promise<number> {
  const child = spawn(process.execPath, ['--version'], { stdio: 'ignore' });
  await once(child, 'exit');
  return child.pid ?? 0;
}

async function nodeOlderThan24(): Promise<string | undefined> {
  for (const folder of searchPath()) {
    const node = await findBinary('node', { env: {}, folders: [folder] });
    if (node === undefined) continue;
    const child = spawn(node, ['--version'], { stdio: ['ignore', 'pipe', 'ignore'] });
    const [version] = await once(child.stdout, 'data');
    if (Number(/^v(\d+)/.exec(String(version))?.[1]) < 24) return node;
  }
  return undefined;
}

function searchPath(): string[] {
  const own = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => !folder.includes('node_modules'));
  return [...own, ...thisMachine().folders];
}

function certificates(): Record<string, string> {
  const names = ['NODE_EXTRA_CA_CERTS', 'SSL_CERT_FILE', 'HTTPS_PROXY', 'https_proxy'];
  return Object.fromEntries(
    names.flatMap((name) => (process.env[name] === undefined ? [] : [[name, String(process.env[name])]])),
  );
}
