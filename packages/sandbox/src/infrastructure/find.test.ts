import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer as createHttpServer } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { dockerAnswers } from './docker.ts';
import { findWay, type Machine, NothingToRun } from './find.ts';
import { freePort } from './free-port.ts';

let folder: string;
let emptyFolder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pet-roast-find-'));
  emptyFolder = await mkdtemp(join(tmpdir(), 'pet-roast-find-'));
  await executable('nats-server');
});

afterAll(async () => {
  await rm(folder, { recursive: true });
  await rm(emptyFolder, { recursive: true });
});

test('the server that NATS_URL names comes before every other way', async () => {
  await using listener = await listen();
  const url = `nats://127.0.0.1:${listener.port}`;
  const machine = bareMachine({ env: { PATH: folder, NATS_URL: url }, dockerAnswers: async () => true });
  expect(await findWay('nats', machine)).toEqual({ kind: 'given', url });
});

test('one answering address of several in NATS_URL is enough', async () => {
  await using listener = await listen();
  const url = `nats://127.0.0.1:${await freePort()},127.0.0.1:${listener.port}`;
  expect(await findWay('nats', bareMachine({ env: { NATS_URL: url } }))).toEqual({ kind: 'given', url });
});

test('a REDIS_URL that nobody answers is refused by its name and without its password', async () => {
  const machine = bareMachine({ env: { PATH: folder, REDIS_URL: `redis://me:secret@127.0.0.1:${await freePort()}` } });
  const error = await findWay('redis', machine).catch((refused: unknown) => refused);
  expect(error).toBeInstanceOf(NothingToRun);
  expect(String(error)).toMatch(/REDIS_URL names redis:\/\/\*\*\*@127\.0\.0\.1.*ECONNREFUSED/);
  expect(String(error)).not.toContain('secret');
});

test('a binary on the PATH comes before a container', async () => {
  const machine = bareMachine({ env: { PATH: `${emptyFolder}:${folder}` }, dockerAnswers: async () => true });
  expect(await findWay('nats', machine)).toEqual({ kind: 'binary', path: join(folder, 'nats-server') });
});

test('the usual folders are searched too when the PATH lacks them', async () => {
  expect(await findWay('nats', bareMachine({ folders: [folder] }))).toMatchObject({ kind: 'binary' });
});

test('a file that may not be executed is no binary', async () => {
  await writeFile(join(emptyFolder, 'redis-server'), '');
  const machine = bareMachine({ folders: [emptyFolder], dockerAnswers: async () => true });
  expect(await findWay('redis', machine)).toEqual({ kind: 'container' });
  await rm(join(emptyFolder, 'redis-server'));
});

test('apt is asked last, for all that is missing at once', async () => {
  const asked: (readonly string[])[] = [];
  const aptInstaller = async () => async (packages: readonly string[]) => {
    asked.push(packages);
    await executable('redis-server');
  };
  expect(await findWay('redis', bareMachine({ folders: [folder], aptInstaller }))).toMatchObject({ kind: 'binary' });
  expect(asked).toEqual([['redis-server']]);
  await rm(join(folder, 'redis-server'));
});

test('an apt that fails says why, and what else would do', async () => {
  const aptInstaller = async () => async () => Promise.reject(new Error('exit code 100\nno space left'));
  const found = findWay('redis', bareMachine({ aptInstaller }));
  await expect(found).rejects.toThrow(/apt-get was tried and failed: exit code 100\nno space left[\s\S]*1\.[\s\S]*3\./);
});

test('with nothing at all, one message names the three ways', async () => {
  const error = await findWay('nats', bareMachine({})).catch((refused: unknown) => refused);
  expect(error).toBeInstanceOf(NothingToRun);
  expect(String(error)).toMatch(/1\..*NATS_URL and REDIS_URL[\s\S]*2\..*binaries on the PATH[\s\S]*3\..*Docker/);
});

test('PET_ROAST_SERVERS allows one way alone, and a wrong value is named', async () => {
  await using listener = await listen();
  const env = { PATH: folder, NATS_URL: `nats://127.0.0.1:${listener.port}` };
  const machine = (only: string) =>
    bareMachine({ env: { ...env, PET_ROAST_SERVERS: only }, dockerAnswers: async () => true });
  expect(await findWay('nats', machine('container'))).toEqual({ kind: 'container' });
  expect(await findWay('nats', machine('binary'))).toMatchObject({ kind: 'binary' });
  await expect(findWay('redis', machine('binary'))).rejects.toThrow(
    'PET_ROAST_SERVERS=binary rules the other ways out',
  );
  await expect(findWay('nats', machine('magic'))).rejects.toThrow('PET_ROAST_SERVERS is "magic"');
});

test('Docker counts only when its engine answers', async () => {
  const socket = join(emptyFolder, 'docker.sock');
  const engine = createHttpServer((request, answer) => answer.writeHead(request.url === '/_ping' ? 200 : 404).end());
  await new Promise<void>((resolve) => engine.listen(socket, resolve));
  expect(await dockerAnswers({ DOCKER_HOST: `unix://${socket}` })).toBe(true);
  await new Promise((resolve) => engine.close(resolve));
  expect(await dockerAnswers({ DOCKER_HOST: `unix://${socket}` })).toBe(false);
  expect(await dockerAnswers({ DOCKER_HOST: `tcp://127.0.0.1:${await freePort()}` })).toBe(false);
  expect(await dockerAnswers({ DOCKER_HOST: 'not an address' })).toBe(false);
});

/** A machine on which nothing is to be had, but for what the test adds. */
function bareMachine(added: Partial<Machine>): Machine {
  return {
    env: {},
    folders: [],
    dockerAnswers: async () => false,
    aptInstaller: async () => undefined,
    report: () => {},
    ...added,
  };
}

async function executable(name: string): Promise<void> {
  await writeFile(join(folder, name), '#!/bin/sh\n');
  await chmod(join(folder, name), 0o755);
}

async function listen(): Promise<AsyncDisposable & { port: number }> {
  const port = await freePort();
  const server = createServer((socket) => socket.end());
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return { port, [Symbol.asyncDispose]: () => new Promise<void>((resolve) => server.close(() => resolve())) };
}
