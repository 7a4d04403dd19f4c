/**
 * The whole system on Railway: five services out of this repository, NATS on a volume, Redis. How to: docs/railway.md.
 *
 *   PET_ROAST_REPO=owner/name railway config plan
 *
 * `test/deployment.test.ts` compares it with docker-compose.yml and with what each service reads. Railway deletes the
 * variables that this file does not name: a setting that is made by hand is a `preserve()` here.
 */
import { defineRailway, github, preserve, project, redis, service, type VariableValue, volume } from 'railway/iac';

const ports = { gateway: 8000, 'revid-bridge': 8001, notifier: 8002, detector: 8003, translator: 8004 } as const;
/** Callers see it when the only gateway crashes; what the others do waits in NATS meanwhile. Any number is safe. */
const replicas = { gateway: 2, 'revid-bridge': 1, notifier: 1, detector: 1, translator: 1 } as const;
const natsPort = 4222;
const natsMonitorPort = 8222;

/** What every image of this repository is built from, as gitignore patterns. */
const builtFrom = ['/Dockerfile', '/.dockerignore', '/package.json', '/pnpm-lock.yaml', '/pnpm-workspace.yaml'];

export default defineRailway(() => {
  const source = github(repository(), { branch: 'main' });
  const cache = redis('redis');
  // The streams take 3.5 GB at most with the defaults of STREAM_BYTES_MAX and PHOTO_STORE_BYTES_MAX. It can grow later and never shrink.
  const data = volume('nats-data', { sizeMB: 5_000 });

  const nats = service('nats', {
    source,
    build: {
      builder: 'DOCKERFILE',
      dockerfilePath: 'deploy/nats.Dockerfile',
      watchPatterns: ['/deploy/**', '/.dockerignore'],
    },
    volumeMounts: { '/data': data },
    healthcheck: '/healthz',
    healthcheckTimeout: 300,
    deploy: { restartPolicyType: 'ALWAYS', drainingSeconds: 30 },
    env: {
      // Where Railway asks for its health; clients come to 4222.
      PORT: String(natsMonitorPort),
      // The image has a user of its own, but on Railway a volume belongs to root.
      RAILWAY_RUN_UID: '0',
      NATS_GATEWAY_PASSWORD: preserve(),
      NATS_DETECTOR_PASSWORD: preserve(),
      NATS_TRANSLATOR_PASSWORD: preserve(),
      NATS_REVID_BRIDGE_PASSWORD: preserve(),
      NATS_NOTIFIER_PASSWORD: preserve(),
      NATS_ADMIN_PASSWORD: preserve(),
    },
  });

  const gateway = petRoast('gateway', {
    NATS_PASSWORD: nats.env.NATS_GATEWAY_PASSWORD,
    REDIS_URL: cache.env.REDIS_URL,
    NOTIFIER_URL: `http://${reference('notifier.RAILWAY_PRIVATE_DOMAIN')}:${ports.notifier}`,
    API_KEYS: preserve(),
    ADMIN_TOKEN: preserve(),
    // Revid.ai fetches uploaded photos there.
    GATEWAY_PUBLIC_URL: `https://${reference('RAILWAY_PUBLIC_DOMAIN')}`,
    PHOTO_URL_SECRET: preserve(),
    // Railway's own: without it all callers would share the proxy's address.
    TRUST_PROXY_HOPS: '1',
  });
  const detector = petRoast('detector', {
    NATS_PASSWORD: nats.env.NATS_DETECTOR_PASSWORD,
    REDIS_URL: cache.env.REDIS_URL,
    // Read by the build: the models are in the image, and no start depends on a download.
    BAKE_MODELS: 'true',
  });
  const translator = petRoast('translator', {
    NATS_PASSWORD: nats.env.NATS_TRANSLATOR_PASSWORD,
    BHASHINI_USER_ID: preserve(),
    BHASHINI_API_KEY: preserve(),
  });
  const bridge = petRoast('revid-bridge', {
    NATS_PASSWORD: nats.env.NATS_REVID_BRIDGE_PASSWORD,
    REVID_API_KEY: preserve(),
    CALLBACK_SECRET: preserve(),
    // https, because Railway turns a POST to http into a GET.
    BRIDGE_PUBLIC_URL: `https://${reference('RAILWAY_PUBLIC_DOMAIN')}`,
  });
  const notifier = petRoast('notifier', {
    NATS_PASSWORD: nats.env.NATS_NOTIFIER_PASSWORD,
    BACKEND_WEBHOOK_URL: preserve(),
    BACKEND_WEBHOOK_SECRET: preserve(),
  });

  return project('pet-roast', { resources: [cache, data, nats, gateway, detector, translator, bridge, notifier] });

  /** One of the five: the same image recipe, health, end and NATS login for each. */
  function petRoast(name: keyof typeof ports, env: Readonly<Record<string, string | VariableValue>>) {
    const directory = `services/${name}`;
    return service(name, {
      source,
      build: {
        builder: 'DOCKERFILE',
        dockerfilePath: 'Dockerfile',
        watchPatterns: [`/${directory}/**`, '/packages/shared/**', ...builtFrom],
      },
      healthcheck: '/readyz',
      healthcheckTimeout: 300,
      replicas: replicas[name],
      // A stopping process finishes what it has in hand and ends itself after 60 s; the default would be 0.
      deploy: { restartPolicyType: 'ALWAYS', drainingSeconds: 65, overlapSeconds: 10 },
      env: {
        // Read by the build: Railway gives service variables to a Dockerfile's ARG of the same name.
        SERVICE: directory,
        PORT: String(ports[name]),
        LOG_LEVEL: 'info',
        NATS_URL: `nats://${reference('nats.RAILWAY_PRIVATE_DOMAIN')}:${natsPort}`,
        NATS_USER: name,
        ...env,
      },
    });
  }
});

/** The repository that Railway builds from and deploys on a push, as `owner/name`. */
function repository(): string {
  const name = process.env['PET_ROAST_REPO'];
  if (name !== undefined && /^[\w.-]+\/[\w.-]+$/.test(name)) return name;
  throw new Error('PET_ROAST_REPO must name the GitHub repository that Railway builds from, as owner/name');
}

/** What Railway replaces by the value of a variable, `service.NAME`, or `NAME` of the same service. */
function reference(path: string): string {
  return `\${{${path}}}`;
}
