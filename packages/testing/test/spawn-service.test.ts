import { expect, test } from 'vitest';
import { type ServiceOptions, spawnService } from '../src/spawn-service.ts';
import { until } from '../src/until.ts';

test('a service is started on a port that it picked, is awaited until ready, and stops with its own exit code', async () => {
  await using service = await tinyService({});
  expect(service.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
  expect((await fetch(`${service.url}/readyz`)).status).toBe(503);
  await service.ready();
  expect((await fetch(`${service.url}/readyz`)).status).toBe(200);
  expect(await service.stop()).toBe(3);
  expect(service.output()).toContain('a warning on stderr');
});

test('a service sees the variables it is given and none of the test runner', async () => {
  await using service = await tinyService({ WISH: 'granted' });
  const seen: Record<string, string> = JSON.parse(await (await fetch(`${service.url}/env`)).text());
  expect(seen).toMatchObject({ WISH: 'granted', PORT: '0' });
  expect(Object.keys(seen).filter((name) => name.startsWith('VITEST') || name === 'NODE_ENV')).toEqual([]);
});

test('a service that crashes at its start fails at once, with its own words', async () => {
  await expect(tinyService({ FAULT: 'crash' })).rejects.toThrow(
    /has ended \(exit code 1\)[\s\S]*configuration is wrong/,
  );
});

test('a service that never says that it listens fails at its deadline and is gone', async () => {
  const starting = tinyService({ FAULT: 'silent' }, { listenTimeoutMs: 1_000 });
  await expect(starting).rejects.toThrow(/tiny did not say that it listens within 1000 ms[\s\S]*not about listening/);
});

test('a service that does not become ready fails at the deadline, with its output', async () => {
  await using service = await tinyService({ FAULT: 'never-ready' });
  await expect(service.ready({ timeoutMs: 100 })).rejects.toThrow(/tiny was not ready within 100 ms[\s\S]*a warning/);
});

test('a service that ignores SIGTERM is killed at the deadline, and that is a failure', async () => {
  await using service = await tinyService({ FAULT: 'deaf' });
  await expect(service.stop({ timeoutMs: 100 })).rejects.toThrow('tiny did not stop within 100 ms of SIGTERM');
  expect(isRunning(service.pid)).toBe(false);
});

test('SIGKILL and leaving the scope both end a service', async () => {
  const killed = await tinyService({});
  await killed.kill();
  expect(await killed.exited).toEqual({ code: null, signal: 'SIGKILL' });

  let left: number;
  {
    await using service = await tinyService({});
    left = service.pid;
    expect(isRunning(left)).toBe(true);
  }
  await until(() => !isRunning(left), { what: 'the service to be gone' });
});

function tinyService(env: Record<string, string>, options: Partial<ServiceOptions> = {}) {
  return spawnService({ entry: 'packages/testing/test/fixtures/tiny-service.ts', name: 'tiny', env, ...options });
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
