/**
 * docs/railway.md: its commands, run by a shell in which `railway`, `npm` and `curl` only write down what they are told,
 * and compared with .railway/railway.ts. Railway itself needs an account.
 */
import { spawnSync } from 'node:child_process';
import { serviceNames } from '@pet-roast/testing';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { codeBlocks } from './helpers/code-blocks.ts';
import { configSchemas, type Railway, railway, readFromRoot } from './helpers/deployments.ts';

const withNats = [...serviceNames, 'nats'];
const guide = readFromRoot('docs/railway.md');
const told = run(
  codeBlocks(guide, 'sh')
    .map(({ code }) => code)
    .join('\n'),
);
const toldRailway = told.filter(([command]) => command === 'railway').map(([, ...rest]) => rest);
let onRailway: Railway;

beforeAll(async () => {
  vi.stubEnv('PET_ROAST_REPO', 'example/pet-roast');
  onRailway = await railway();
});

describe('the Railway guide', () => {
  it('plans before it applies, once every service has its secrets and its address', () => {
    const steps = toldRailway.map(([first = '', second = '']) => (first === 'config' ? second : first));
    const order = steps.filter((step, index) => step !== steps[index - 1]);
    expect(order).toEqual(['login', 'init', 'add', 'variable', 'domain', 'plan', 'apply']);
  });

  it('creates every service of the file first, empty', () => {
    const added = toldRailway.filter(([command]) => command === 'add').map(([, ...rest]) => rest);
    expect(added.sort()).toEqual(withNats.map((name) => ['--service', name]).sort());
  });

  it('sets every variable that the file keeps, and no other', () => {
    const kept = withNats.flatMap((name) =>
      Object.entries(onRailway.variables(name)).flatMap(([variable, { type }]) =>
        type === 'preserve' ? [`${name} ${variable}`] : [],
      ),
    );
    expect(
      assignments()
        .map(({ service, name }) => `${service} ${name}`)
        .sort(),
    ).toEqual(kept.sort());
  });

  it('makes secrets that those who read them take', () => {
    for (const { service, name, value } of assignments()) {
      if (service === 'nats') expect(value, name).toMatch(/^[a-z][a-z0-9]{32,}$/);
      else expect(configSchemas[service]?.[name]?.safeParse(value).success, `${name}=${value}`).toBe(true);
    }
  });

  it('makes the gateway and the bridge public, each on its port, and the file makes nothing so', () => {
    for (const name of withNats) expect(onRailway.service(name).networking, name).toBeUndefined();
    const domains = toldRailway.filter(([command]) => command === 'domain').map(([, ...rest]) => rest);
    expect(domains).toEqual(
      ['gateway', 'revid-bridge'].map((name) => ['--service', name, '--port', onRailway.literal(name, 'PORT')]),
    );
  });
});

/** What the guide gives `railway variable set`. */
function assignments(): { service: string; name: string; value: string }[] {
  return toldRailway
    .filter(([command]) => command === 'variable')
    .flatMap(([, , , , service = '?', ...pairs]) =>
      pairs.map((pair) => {
        const at = pair.indexOf('=');
        return { service, name: pair.slice(0, at), value: pair.slice(at + 1) };
      }),
    );
}

/** Runs the commands, stopping at the first that fails, and gives the words of each call of the three. */
function run(script: string): string[][] {
  const recorders = ['railway', 'npm', 'curl'].map((name) => `${name}() { printf '%s\\t' ${name} "$@"; echo; }`);
  // What the reader fills in.
  const filledIn = script.replaceAll('…', 'example.com');
  const { status, stdout, stderr } = spawnSync('bash', ['-eu', '-o', 'pipefail'], {
    input: [...recorders, filledIn].join('\n'),
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`the guide's commands failed: ${stderr}`);
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => line.trimEnd().split('\t'));
}
