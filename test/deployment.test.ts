/**
 * The two ways to deploy the whole system, docker-compose.yml and .railway/railway.ts, compared with each other and with
 * what the services read, and the recipe of their images. No container is started; Railway's own reading of the file, its
 * plan, needs an account.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { createHttp, createLog, describeConfig } from '@pet-roast/shared';
import { serviceNames } from '@pet-roast/testing';
import { validateGraph } from 'railway/iac';
import { beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import {
  composeServices,
  configSchemas,
  projectsOf,
  type Railway,
  railway,
  readFromRoot,
  root,
  withExampleAddresses,
} from './helpers/deployments.ts';

const withNats = [...serviceNames, 'nats'];

/** Variables, of every part or of `<part> <variable>`, that only one of the two sets, each with its reason. */
const differ: Record<string, string> = {
  SANDBOX: 'compose plays everything outside itself',
  'translator BHASHINI_CONFIG_URL': 'the sandbox’s AI4Bharat',
  'revid-bridge REVID_BASE_URL': 'the sandbox’s Revid.ai',
  'detector MODEL_MIRROR': 'compose has the models in a mounted folder',
  'detector MODEL_CACHE_DIR': 'and keeps them on a volume, since its root file system is read-only',
  'detector BAKE_MODELS': 'Railway has them in the image, since a volume forbids replicas',
  SERVICE: 'the build’s argument; compose has args for it',
  'nats PORT': 'where Railway asks for its health',
  'nats RAILWAY_RUN_UID': 'Railway’s volumes belong to root',
  'gateway API_KEYS': 'compose is for the own machine',
  'gateway ADMIN_TOKEN': 'the same',
  'gateway TRUST_PROXY_HOPS': 'Railway has a proxy in front',
};
/** What no schema calls required, because the sandbox, or another provider, does without. */
const neededForReal: Record<string, readonly string[]> = {
  gateway: ['API_KEYS', 'REDIS_URL', 'NOTIFIER_URL'],
  translator: ['BHASHINI_USER_ID', 'BHASHINI_API_KEY'],
  notifier: ['BACKEND_WEBHOOK_URL'],
};
/** Arguments of the Dockerfile, which Railway takes from the variables. */
const ofTheBuild = ['SERVICE', 'BAKE_MODELS'];

const purl = z.object({ purl: z.string() });
const billOfMaterials = z.object({
  bomFormat: z.literal('CycloneDX'),
  metadata: z.object({ component: purl }),
  components: z.array(purl),
});
const workspace = z
  .object({
    catalog: z.record(z.string(), z.string()),
    strictDepBuilds: z.boolean(),
    allowBuilds: z.record(z.string(), z.boolean()),
  })
  .parse(parse(readFromRoot('pnpm-workspace.yaml')));
const compose = composeServices();
const natsConf = readFromRoot('deploy/nats.conf');
let onRailway: Railway;

beforeEach(() => void vi.stubEnv('PET_ROAST_REPO', 'example/pet-roast'));
beforeAll(async () => {
  vi.stubEnv('PET_ROAST_REPO', 'example/pet-roast');
  onRailway = await railway();
});

describe('the two deployments', () => {
  it('have the same parts: the five services, NATS and Redis', () => {
    const parts = [...withNats, 'redis'].sort();
    const deployed = onRailway.graph.resources.filter(({ type }) => type !== 'volume').map(({ name }) => name);
    expect(deployed.sort()).toEqual(parts);
    const composed = Object.keys(compose).filter((name) => name !== 'sandbox');
    expect(composed.sort()).toEqual(parts);
  });

  it.each(withNats)('set the same variables of %s, up to the listed ones', (name) => {
    const compared = (variables: object) =>
      Object.keys(variables)
        .filter((variable) => !(variable in differ) && !(`${name} ${variable}` in differ))
        .sort();
    expect(compared(onRailway.variables(name))).toEqual(compared(compose[name]?.environment ?? {}));
  });

  it.each(serviceNames)('build, address and end %s alike', (name) => {
    const { build, deploy, volumeAttachments } = onRailway.service(name);
    expect(build).toMatchObject({ builder: 'DOCKERFILE', dockerfilePath: 'Dockerfile' });
    expect(onRailway.literal(name, 'SERVICE')).toBe(compose[name]?.build?.args?.['SERVICE']);
    expect(onRailway.literal(name, 'PORT')).toBe(String(compose[name]?.environment?.['PORT']));
    expect(compose[name]?.restart).toBe('unless-stopped');
    expect(deploy?.restartPolicyType).toBe('ALWAYS');
    // A text instead of a number fails on Railway alone.
    expect(deploy?.drainingSeconds).toBeTypeOf('number');
    expect(deploy?.drainingSeconds).toBeGreaterThanOrEqual(Number.parseInt(compose[name]?.stop_grace_period ?? '', 10));
    expect(volumeAttachments, 'a volume forbids replicas, and two deployments at a time').toBeUndefined();
  });

  it('run the same NATS with the same configuration, on a volume that its streams fit on', () => {
    const { build, command, volumes = [] } = compose['nats'] ?? {};
    expect(build?.dockerfile).toBe(onRailway.service('nats').build?.dockerfilePath);
    expect(command).toBe(undefined);

    const storeDir = /store_dir: (\S+)/.exec(natsConf)?.[1];
    const [mount] = Object.values(onRailway.service('nats').volumeAttachments ?? {});
    expect(mount?.mountPath).toBe(storeDir);
    expect(volumes).toContain(`nats:${storeDir}`);
    // JOBS, a quarter of it for DEAD, and as much again for what NATS and the file system keep beside them.
    const jobsBytesMax = Number(configSchemas['gateway']?.['STREAM_BYTES_MAX']?.parse(undefined));
    expect((mount?.volumeConfig?.sizeMB ?? 0) * 1e6).toBeGreaterThanOrEqual(2 * 1.25 * jobsBytesMax);
    expect(natsConf).toMatch(/^\s*sync_interval: always$/m);
  });
});

describe('a container', () => {
  const [build = '', run = ''] = readFromRoot('Dockerfile')
    .split(/^(?=FROM )/m)
    .slice(-2);

  it.each(Object.keys(compose))('of %s writes to no file of its image, and is without root’s powers', (name) => {
    const { image, user, read_only, cap_drop, security_opt } = compose[name] ?? {};
    expect({ read_only, cap_drop, security_opt }).toEqual({
      read_only: true,
      cap_drop: ['ALL'],
      security_opt: ['no-new-privileges:true'],
    });
    // An image of this repository has its own user.
    expect(user).toBe(image === undefined ? undefined : 'redis');
  });

  it('runs as the user node, to whom the program does not belong', () => {
    expect(run.match(/^USER .+$/gm)).toEqual(['USER node']);
    expect(run).toContain('\nCOPY --from=build /app /app\n');
  });

  it('of NATS is not root, and a new volume belongs to its user', () => {
    const dockerfile = readFromRoot('deploy/nats.Dockerfile');
    const user = /^USER (\d+:\d+)$/m.exec(dockerfile)?.[1];
    expect(user).not.toMatch(/^0:/);
    expect(compose['nats']?.volumes).toEqual(['nats:/data']);
    expect(dockerfile).toContain(`\nRUN mkdir -p /data && chown ${user} /data\n`);
  });

  it('of the detector can keep the models where it is told to', () => {
    const { environment, volumes = [] } = compose['detector'] ?? {};
    const cacheDir = String(environment?.['MODEL_CACHE_DIR']);
    expect(volumes).toContain(`models:${cacheDir}`);
    expect(run).toMatch(new RegExp(`^RUN install --directory --owner=node .* ${cacheDir}$`, 'm'));
  });

  it.each([...serviceNames.map((name) => `services/${name}`), 'packages/sandbox'])(
    'has a bill of materials that names all that %s runs with',
    async (project) => {
      const [, command = ''] = /^RUN (pnpm sbom .+) --out sbom\.cdx\.json$/m.exec(build) ?? [];
      const shell = { cwd: root, env: { ...process.env, SERVICE: project }, maxBuffer: 10_000_000 };
      const { stdout } = await promisify(execFile)('sh', ['-c', `${command} --lockfile-only`], shell);
      const { metadata, components } = billOfMaterials.parse(JSON.parse(stdout));
      expect(metadata.component.purl).toBe(purlOf(readManifest(project)));
      for (const { dependencies = {} } of projectsOf(project).map(readManifest)) {
        for (const name of Object.keys(dependencies).filter((name) => name in workspace.catalog)) {
          expect(components).toContainEqual({ purl: purlOf({ name, version: workspace.catalog[name] }) });
        }
      }
    },
  );
});

describe('the packages', () => {
  it('are exact versions, and none of them runs anything when it is installed', () => {
    for (const [name, version] of Object.entries(workspace.catalog)) {
      expect(version, name).toMatch(/^(npm:@?[\w./-]+@)?\d+\.\d+\.\d+(-[\w.]+)?$/);
    }
    // What has an install script and is not listed fails the install.
    expect(workspace.strictDepBuilds).toBe(true);
    expect(new Set(Object.values(workspace.allowBuilds))).toEqual(new Set([false]));
    for (const file of ['Dockerfile', 'scripts/setup/dependencies.mjs']) {
      expect(readFromRoot(file), file).toContain('--frozen-lockfile');
    }
  });
});

describe('.railway/railway.ts', () => {
  it('is a graph that Railway’s own check finds no fault with', () => {
    expect(validateGraph(onRailway.graph)).toEqual([]);
  });

  it.each(['', 'pet-roast', 'https://github.com/example/pet-roast'])(
    'does not go on without the repository to build from: PET_ROAST_REPO=%s',
    async (name) => {
      vi.stubEnv('PET_ROAST_REPO', name);
      await expect(railway()).rejects.toThrow('PET_ROAST_REPO must name');
    },
  );

  it.each(serviceNames)('gives %s only what it reads, all that it requires, and no wrong value', (name) => {
    const schema = configSchemas[name] ?? {};
    const required = describeConfig(schema).filter(({ fallback }) => fallback === 'required');
    expect(Object.keys(onRailway.variables(name))).toEqual(
      expect.arrayContaining([...required.map((variable) => variable.name), ...(neededForReal[name] ?? [])]),
    );
    for (const [variable, value] of Object.entries(onRailway.variables(name))) {
      if (ofTheBuild.includes(variable)) continue;
      expect(Object.keys(schema)).toContain(variable);
      if (value.type !== 'literal') continue;
      const { success } = schema[variable]?.safeParse(withExampleAddresses(String(value.value))) ?? {};
      expect(success, `${variable}=${value.value}`).toBe(true);
    }
  });

  it('sets in every build argument one that the Dockerfile has', () => {
    const args = [...readFromRoot('Dockerfile').matchAll(/^ARG (\w+)/gm)].map(([, name]) => name);
    expect(args).toEqual(expect.arrayContaining(ofTheBuild));
  });

  it('refers only to variables that are there, and to ports on which somebody listens', () => {
    const ports = new Map<string | undefined, string | undefined>(
      serviceNames.map((name) => [name, onRailway.literal(name, 'PORT')]),
    );
    ports.set('nats', /^port: (\d+)$/m.exec(natsConf)?.[1]);
    expect(onRailway.literal('nats', 'PORT')).toBe(/^http_port: (\d+)$/m.exec(natsConf)?.[1]);
    for (const [variable, value] of withNats.flatMap((name) => Object.entries(onRailway.variables(name)))) {
      if (value.type === 'reference' && value.resource.startsWith('service.')) {
        expect(Object.keys(onRailway.variables(value.resource.replace('service.', '')))).toContain(value.output);
      }
      const text = value.type === 'literal' ? String(value.value) : '';
      for (const [, target, port] of text.matchAll(/\$\{\{([\w-]+)\.RAILWAY_PRIVATE_DOMAIN\}\}:(\d+)/g)) {
        expect(port, variable).toBe(ports.get(target));
      }
    }
  });

  it('asks each service for its health where it answers', async () => {
    const http = createHttp({ log: createLog('deployment', 'silent') });
    for (const name of serviceNames) {
      const path = onRailway.service(name).deploy?.healthcheckPath ?? '?';
      expect(http.app.hasRoute({ method: 'GET', url: path }), path).toBe(true);
    }
    await http.close();
  });

  it.each(serviceNames)('builds %s anew when, and only when, something that its image holds has changed', (name) => {
    const files = ['Dockerfile', '.dockerignore', 'package.json', 'pnpm-lock.yaml', 'pnpm-workspace.yaml'];
    const directories = projectsOf(`services/${name}`).map((directory) => `${directory}/**`);
    const patterns = [...(onRailway.service(name).build?.watchPatterns ?? [])];
    expect(patterns.sort()).toEqual([...files, ...directories].map((path) => `/${path}`).sort());
  });
});

type Manifest = {
  readonly name: string;
  readonly version: string | undefined;
  readonly dependencies?: Record<string, string>;
};

function readManifest(directory: string): Manifest {
  return JSON.parse(readFromRoot(`${directory}/package.json`));
}

/** https://github.com/package-url/purl-spec/blob/main/types/npm-definition.json: the @ of a scope is encoded. */
function purlOf({ name, version }: Manifest): string {
  return `pkg:npm/${name.replace('@', '%40')}@${version}`;
}
