import { access } from 'node:fs/promises';
import { request } from 'node:http';
import { homedir } from 'node:os';
import { join } from 'node:path';

const pingTimeoutMs = 2_000;

/** Whether a Docker engine answers at DOCKER_HOST or, without it, at one of the usual sockets, within 2 s each. */
export async function dockerAnswers(env: Readonly<Record<string, string | undefined>>): Promise<boolean> {
  const given = env['DOCKER_HOST'];
  if (given !== undefined && given !== '') return ping(given);
  for (const socket of usualSockets(env)) {
    const there = await access(socket).then(
      () => true,
      () => false,
    );
    if (there && (await ping(`unix://${socket}`))) return true;
  }
  return false;
}

/** Those that testcontainers looks at too. */
function usualSockets(env: Readonly<Record<string, string | undefined>>): string[] {
  const home = env['HOME'] ?? homedir();
  const runtime = env['XDG_RUNTIME_DIR'];
  return [
    '/var/run/docker.sock',
    ...(runtime === undefined ? [] : [join(runtime, 'docker.sock')]),
    join(home, '.docker/run/docker.sock'),
    join(home, '.docker/desktop/docker.sock'),
  ];
}

async function ping(engine: string): Promise<boolean> {
  if (!URL.canParse(engine)) return false;
  return new Promise((resolve) => {
    const address = new URL(engine);
    const where =
      address.protocol === 'unix:'
        ? { socketPath: decodeURIComponent(address.pathname) }
        : { host: address.hostname, port: Number(address.port || 2375) };
    const call = request({ ...where, path: '/_ping', timeout: pingTimeoutMs }, (answer) => {
      answer.resume();
      resolve(answer.statusCode === 200);
    });
    call.once('timeout', () => call.destroy(new Error('no answer')));
    call.once('error', () => resolve(false));
    call.end();
  });
}
