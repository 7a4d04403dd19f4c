/**
 * The package as a backend gets it: built, packed, installed into an empty project by npm (which asks the registry for
 * the dependencies), and used there. NODE18 may name another `node`, which then has to run it too.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { build } from '../build.ts';
import * as source from '../src/index.ts';
import { accepted, failure, json, type StandIn, startStandIn, status } from './helpers/stand-in.ts';

const run = promisify(execFile);
const installTimeoutMs = 120_000;
const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc');
const nodes = [process.execPath, ...(process.env['NODE18'] ? [process.env['NODE18']] : [])];
const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const names = Object.keys(source);

let folder: string;
let project: string;
let server: StandIn;
let packed: { readonly files: readonly { readonly path: string }[]; readonly filename: string };

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pet-roast-client-'));
  server = await startStandIn();
  const dist = join(folder, 'dist');
  project = await mkdtemp(join(folder, 'project-'));
  await build(dist);
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', folder, dist], { cwd: folder });
  // npm 12 gives the packages by their names, npm 11 and older a list.
  const result = JSON.parse(stdout) as object;
  packed = Object.values(result)[0] as typeof packed;
  await writeFile(join(project, 'package.json'), '{ "name": "backend", "private": true }');
  const types = ['@types/node@18.19.130', '@types/express@5.0.3'];
  const install = ['install', '--prefer-offline', '--no-audit', '--no-fund', join(folder, packed.filename), ...types];
  await run('npm', install, { cwd: project, timeout: installTimeoutMs });
}, installTimeoutMs);
afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
  if (folder) await rm(folder, { recursive: true, force: true });
});

/** What a backend does, in the words of both module systems; it prints what came of it. */
const use = `
async function main() {
  const { createClient, NoPetsDetectedError, PetRoastError, verifyWebhook, isCompleted } = client;
  const petRoast = createClient({ baseUrl: process.env.PET_ROAST_URL });
  const input = { text: 'My dog is lazy.', image_url: 'https://photos.example/1.jpg' };
  const job = await petRoast.generateVideo(input);
  const refused = await petRoast.generateVideo(input).catch((error) => error);
  const video = await petRoast.waitForVideo(job.job_id);
  const event = verifyWebhook(process.env.BODY, JSON.parse(process.env.HEADERS), process.env.SECRET);
  const controller = new AbortController();
  const waiting = petRoast.getStatus('silent', { signal: controller.signal });
  setTimeout(() => controller.abort(new Error('enough')), 20);
  const aborted = await waiting.catch((error) => error.message);
  const refusedRight = refused instanceof NoPetsDetectedError && refused instanceof PetRoastError;
  const same = other.NoPetsDetectedError === NoPetsDetectedError;
  const exported = Object.keys(client).filter((name) => name !== 'default').sort();
  const url = isCompleted(event) && event.video_url;
  console.log(JSON.stringify({ job, refusedRight, video: video.video_url, url, aborted, same, exported }));
}
`;
const programs = {
  'index.cjs': `const client = require('@pet-roast/client');\nlet other;\n${use}
import('@pet-roast/client').then((esm) => { other = esm; return main(); });`,
  'index.mjs': `import * as client from '@pet-roast/client';
import { createRequire } from 'node:module';
const other = createRequire(import.meta.url)('@pet-roast/client');\n${use}\nawait main();`,
};

describe('the package', () => {
  it('holds the code, its types, a manifest and a README, and nothing of the workspace', async () => {
    const paths = packed.files.map(({ path }) => path);
    expect(
      paths.filter((path) => !/^([a-z-]+\.(js|d\.ts)|index\.(mjs|d\.mts)|package\.json|README\.md)$/.test(path)),
    ).toEqual([]);
    expect(paths).toEqual(expect.arrayContaining(['index.js', 'index.mjs', 'index.d.ts', 'index.d.mts', 'README.md']));
    const manifest = await readFile(join(folder, 'dist/package.json'), 'utf8');
    expect(manifest).not.toMatch(/workspace:|catalog:|private/);
    expect(JSON.parse(manifest)).toMatchObject({
      dependencies: { standardwebhooks: expect.stringMatching(/^\^\d+\.\d+\.\d+$/) },
      engines: { node: '>=18' },
      sideEffects: false,
    });
  });

  it.each(nodes.flatMap((node) => Object.keys(programs).map((file) => [file, node] as const)))(
    'works from %s, run by %s, and both module systems share its classes',
    async (file, node) => {
      server.on('/api/generate-video', accepted, failure(400, 'no_pets_detected'));
      server.on('/api/video-status/job-1', json(200, status('queued')), json(200, status('completed')));
      server.on('/api/video-status/silent', () => {});
      await writeFile(join(project, file), programs[file as keyof typeof programs]);
      const { stdout, stderr } = await run(node, [file], { cwd: project, env: environment(), timeout: 20_000 });
      // Of Node up to 18.12, in which fetch was new.
      expect(stderr.replace(/^.*Fetch API is an experimental.*\n.*trace-warnings.*\n/, '')).toBe('');
      expect(JSON.parse(stdout)).toEqual({
        job: { job_id: 'job-1', status: 'queued', stage: 'detected', replayed: false },
        refusedRight: true,
        video: 'https://v.example/1.mp4',
        url: 'https://v.example/2.mp4',
        aborted: 'enough',
        same: true,
        exported: names.toSorted(),
      });
    },
  );

  it.each([
    ['CommonJS with Node’s resolution', 'cts', { module: 'NodeNext' }],
    ['ESM with Node’s resolution', 'mts', { module: 'NodeNext' }],
    ['CommonJS with a bundler’s resolution', 'ts', { module: 'CommonJS', moduleResolution: 'Bundler' }],
  ])('has types for %s, with which every snippet of the README compiles', async (_what, ending, options) => {
    const readme = await readFile(fileURLToPath(new URL('../README.md', import.meta.url)), 'utf8');
    const snippets = [...readme.matchAll(/```ts\n(.*?)```/gs)].map(([, code = '']) => code);
    expect(snippets.length).toBeGreaterThanOrEqual(3);
    const files = [...snippets, narrowing].map((code, index) => ({ name: `${ending}-${index}.${ending}`, code }));
    for (const { name, code } of files) await writeFile(join(project, name), code);
    expect(
      await compile(
        files.map(({ name }) => name),
        options,
      ),
    ).toBe('');
  });

  it('has types that find mistakes', async () => {
    const wrong = `import { createClient } from '@pet-roast/client';
createClient({ baseUrl: 'x' }).generateVideo({ text: 'x', imageUrl: 'x' });\n`;
    await writeFile(join(project, 'wrong.cts'), wrong);
    expect(await compile(['wrong.cts'], { module: 'NodeNext' })).toContain("'imageUrl' does not exist");
  });
});

const narrowing = `
import { type JobStatus, NoPetsDetectedError, PetRoastError, RenderFailedError, isFailed, type WebhookEvent } from '@pet-roast/client';
export function urlOf(job: JobStatus | WebhookEvent): string | undefined {
  return job.status === 'completed' ? job.video_url : undefined;
}
export function codeOf(job: JobStatus, event: WebhookEvent): string | undefined {
  if (isFailed(event)) return event.error_code;
  return isFailed(job) ? job.error.error : undefined;
}
export function branch(error: PetRoastError): string {
  if (error instanceof NoPetsDetectedError) return error.suggestion;
  if (error instanceof RenderFailedError) return error.code;
  return error.message;
}
`;

async function compile(files: readonly string[], options: object): Promise<string> {
  const compilerOptions = {
    target: 'ES2022',
    strict: true,
    noEmit: true,
    types: ['node'],
    esModuleInterop: true,
    skipLibCheck: false,
  };
  const config = { compilerOptions: { ...compilerOptions, ...options }, files };
  await writeFile(join(project, 'tsconfig.json'), JSON.stringify(config));
  return run(process.execPath, [tsc, '-p', '.'], { cwd: project }).then(
    ({ stdout }) => stdout,
    (error: { stdout: string }) => error.stdout,
  );
}

function environment(): NodeJS.ProcessEnv {
  const body = JSON.stringify({
    ...status('completed'),
    video_url: 'https://v.example/2.mp4',
    timestamp: '2026-01-01T00:00:00Z',
  });
  const now = new Date();
  const headers = {
    'webhook-id': 'msg_1',
    'webhook-timestamp': String(Math.floor(now.getTime() / 1_000)),
    'webhook-signature': new Webhook(secret).sign('msg_1', now, body),
  };
  return {
    ...process.env,
    PET_ROAST_URL: `${server.url}/api`,
    BODY: body,
    HEADERS: JSON.stringify(headers),
    SECRET: secret,
  };
}
