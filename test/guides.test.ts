/** Every command in the guides is run here, on a real system; a block that cannot be says why in a comment above it. */
import { execFile } from 'node:child_process';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { freePort } from '@pet-roast/sandbox/infrastructure';
import { startTestSystem, type TestSystem, testAdminToken } from '@pet-roast/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { apiOf } from './helpers/api.ts';
import { codeBlocks } from './helpers/code-blocks.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const pet = new URL('../packages/sandbox/assets/pet.jpg', import.meta.url);
const runTimeoutMs = 60_000;
const tools = ['bash', 'curl', 'jq'];
const missing = tools.filter(
  (tool) => !(process.env['PATH'] ?? '').split(':').some((dir) => existsSync(join(dir, tool))),
);
/** Answers that a reader may get who does as the guide says: done, no pet, already over. */
const expectedStatuses = [200, 202, 204, 400, 409];

/** Pages whose commands another test answers for. */
const elsewhere = [
  'docs/quick-start.md', // step-by-step.test.ts: each step needs the one before
  'docs/backend-integration.md', // the same
  'docs/railway.md', // railway-guide.test.ts: they need an account
];

const pages = globSync(['README.md', 'docs/*.md'], { cwd: root })
  .filter((page) => !elsewhere.includes(page))
  .flatMap((page) => codeBlocks(readFileSync(join(root, page), 'utf8'), 'sh').map((block) => ({ page, ...block })));
const runnable = pages.filter(({ notRun }) => notRun === undefined);

let t: TestSystem;
let api: ReturnType<typeof apiOf>;
let monitorUrl: string;

beforeAll(async () => {
  const monitorPort = await freePort();
  monitorUrl = `http://127.0.0.1:${monitorPort}`;
  t = await startTestSystem({
    nats: { extraConfig: `http: "127.0.0.1:${monitorPort}"` },
    world: { images: { 'pet.jpg': await readFile(pet) } },
  });
  api = apiOf(t);
});
afterAll(async () => {
  await t?.[Symbol.asyncDispose]();
});

describe.skipIf(missing.length > 0)(`the guides, with ${tools.join(', ')}`, () => {
  it('say of every block that is not run why', () => {
    expect(runnable.length).toBeGreaterThan(15);
    for (const { page, code, notRun } of pages) {
      if (notRun !== undefined) expect(notRun.length, `${page}: ${code}`).toBeGreaterThan(10);
    }
  });

  it.each(runnable.map(({ page, line, code }) => [`${page}:${line}`, code] as const))(
    'have commands that work: %s',
    async (_where, code) => {
      const { statuses, stderr } = await runBlock(code);
      // A photo's address is signed for one photo: nobody can write one by hand.
      if (code.includes('/photos/')) return expect(statuses).toEqual([404]);
      for (const status of statuses) expect(expectedStatuses, `${code}\n${stderr}`).toContain(status);
    },
  );
});

/** Runs a block as a reader would, with the placeholders filled in; throws when a command fails. */
async function runBlock(code: string): Promise<{ statuses: number[]; stderr: string }> {
  const filled = await fillIn(code);
  const script = `set -euo pipefail
curl() { command curl --silent --show-error --max-time 40 --write-out '%{stderr}STATUS %{http_code}\\n' "$@"; }
${filled}
`;
  const { stderr } = await promisify(execFile)('bash', ['-c', script], {
    timeout: runTimeoutMs,
    env: { ...process.env, ...environment() },
  });
  return { statuses: [...stderr.matchAll(/^STATUS (\d+)$/gm)].map(([, status]) => Number(status)), stderr };
}

function environment(): Record<string, string> {
  return {
    PET_ROAST_URL: t.system.gatewayUrl,
    GATEWAY: t.system.gatewayUrl,
    NOTIFIER: t.system.service('notifier').url,
    NATS_MONITOR: monitorUrl,
    // The sandbox asks for no keys; what is sent all the same does no harm.
    PET_ROAST_API_KEY: 'not-asked-for',
    METRICS_TOKEN: 'not-asked-for',
    ADMIN_TOKEN: testAdminToken,
    REVID_BASE_URL: t.world.env['REVID_BASE_URL'] ?? '',
    REVID_API_KEY: t.world.env['REVID_API_KEY'] ?? '',
  };
}

/** Jobs and dead letters are made as a block needs them: what one block ends or replays is not there for the next. */
async function fillIn(code: string): Promise<string> {
  let filled = code
    .replaceAll(/^export .*$/gm, '') // the environment has them already
    .replaceAll(/=@[^\s"';]+/g, `=@${fileURLToPath(pet)}`)
    .replaceAll('http://localhost:8000', t.system.gatewayUrl)
    .replaceAll(/https:\/\/photos\.example[^"'\s]*/g, t.world.images.urlOf('pet.jpg'));
  const letter = /(?<=dead-letters\/)(ID|\d+)(?=\/)/g;
  if (letter.test(filled)) filled = filled.replaceAll(letter, String(await letterId()));
  if (/\bJOB_ID\b|3f2c8a54-/.test(filled)) {
    const { body } = await api.generate();
    await api.ended(body.job_id);
    const pid = api.renders(body.job_id)[0]?.pid ?? '';
    filled = filled.replaceAll(/\bJOB_ID\b|3f2c8a54-[0-9a-f-]+/g, body.job_id).replaceAll(/\bPID\b/g, pid);
  }
  return filled;
}

/** A dead letter of a job that may be replayed. */
async function letterId(): Promise<number> {
  t.world.revid.pushFaults({ at: 'render', kind: 'http', status: 422, times: 1 });
  const { body } = await api.generate();
  await api.ended(body.job_id);
  const found = await api.admin<{ letters: { id: number }[] }>(`/dead-letters?job_id=${body.job_id}`);
  return found.body.letters[0]?.id ?? 0;
}
