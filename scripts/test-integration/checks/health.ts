/** Is the gateway there, and can it work? And the bridge, where its address is given. */
import { Broken, type Check, type Context, type Found } from '../check.ts';
import { type Look, look, shown, Unreachable } from '../http.ts';

export const alive: Check = {
  id: 'gateway_alive',
  title: 'The gateway is alive',
  needs: [],
  async run(context) {
    const answer = await ask(context, 'the gateway', '--ai-service-url', context.options.aiServiceUrl, '/healthz');
    if (answer.status === 200 && answer.json?.['status'] === 'ok') return { message: '/healthz answers ok' };
    throw new Broken(`/healthz answers ${whatElse(answer)}.`, {
      part: 'the address --ai-service-url: something other than the gateway answers there, or a proxy whose gateway is gone',
      next: [
        'Is it the gateway’s own address, with https where http redirects to it?',
        'Behind a platform’s proxy: is the gateway’s process up?',
      ],
    });
  },
};

export const ready: Check = {
  id: 'gateway_ready',
  title: 'The gateway is ready',
  needs: [alive.id],
  run: (context) => readiness(context, 'the gateway', '--ai-service-url', context.options.aiServiceUrl),
};

export const bridgeReady: Check = {
  id: 'bridge_ready',
  title: 'The revid-bridge is ready',
  needs: [],
  async run(context) {
    context.facts.bridgeAnswers = false;
    const found = await readiness(context, 'the revid-bridge', '--bridge-url', context.options.bridgeUrl ?? '');
    context.facts.bridgeAnswers = true;
    return found;
  },
};

/** What a service cannot do without, and what it can. */
const dependencies: Readonly<
  Record<string, { readonly name: string; readonly next: string; readonly without?: string }>
> = {
  nats: { name: 'NATS', next: 'Is NATS up, and is the service’s NATS_URL (NATS_USER, NATS_PASSWORD) right?' },
  redis: {
    name: 'Redis',
    next: 'Is Redis up, and is the gateway’s REDIS_URL right?',
    without:
      'Redis does not answer: degraded, since every status is then read from NATS. No job is lost by it. Is it up, and REDIS_URL right?',
  },
};

async function readiness(context: Context, service: string, flag: string, url: string): Promise<Found> {
  const answer = await ask(context, service, flag, url, '/readyz');
  const checks = Object.entries((answer.json?.['checks'] ?? {}) as Record<string, unknown>);
  const silent = checks.filter(([, result]) => result !== 'ok').map(([name]) => name);
  const message = checks.map(([name, result]) => `${name} ${String(result)}`).join(', ');
  const details = { checks: Object.fromEntries(checks) };
  const warnings = silent.map(
    (name) => dependencies[name]?.without ?? `${name} does not answer; ${service} works without it.`,
  );
  if (answer.status === 200 && checks.length > 0) return { message, warnings, details };

  if (answer.json?.['status'] === 'stopping') {
    const next = ['It is being replaced or stopped: run this again in a minute.'];
    throw new Broken(`/readyz says that ${service} is stopping.`, { part: service, next }, details);
  }
  const needed = silent.filter((name) => dependencies[name]?.without === undefined);
  if (needed.length === 0) {
    const next = [`Is ${flag} the address of ${service} itself?`, 'Its log says more.'];
    throw new Broken(`/readyz answers ${whatElse(answer)}.`, { part: service, next }, details);
  }
  const part = needed.map((name) => dependencies[name]?.name ?? name).join(' and ');
  const next = silent.map((name) => dependencies[name]?.next ?? `Is ${name} up?`);
  throw new Broken(
    `${service} is not ready: ${message}.`,
    { part: `${part}, or ${service}’s way to it`, next },
    details,
  );
}

async function ask(context: Context, service: string, flag: string, url: string, path: string): Promise<Look> {
  try {
    return await look(url + path, { signal: context.signal });
  } catch (error) {
    if (!(error instanceof Unreachable)) throw error;
    throw new Broken(`${shown(url)} cannot be reached: ${error.message}.`, {
      part: `${service}, or the address ${flag}`,
      next: [`Is ${flag} right, port included?`, `Is the process of ${service} up, and reachable from here?`],
    });
  }
}

function whatElse({ status, headers, bytes }: Look): string {
  const location = headers.get('location');
  if (location !== null && status > 299 && status < 400)
    return `a redirect (HTTP ${status}) to ${location.split('?', 1)[0]}`;
  const start = bytes.toString('utf8').replace(/\s+/g, ' ').slice(0, 120);
  return `HTTP ${status}${start === '' ? '' : `: ${start}`}`;
}
