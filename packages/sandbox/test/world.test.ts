import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { request } from 'undici';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { startWorld } from '../src/index.ts';
import { ask, errorOf, json } from './helpers/http.ts';
import { makePhoto } from './helpers/photo.ts';

describe('the sandbox world', () => {
  it('renders a video of a photo it hosts, with the keys and addresses of its own environment', async () => {
    await using world = await startWorld({
      images: { 'pet.jpg': await makePhoto() },
      revid: { behaviour: { renderMs: 0, callback: { none: true } } },
    });
    const body = {
      workflow: 'script-to-video',
      source: { text: 'Your dog is very lazy.' },
      media: { provided: [{ url: world.images.urlOf('/pet.jpg'), type: 'image' }] },
    };
    const answer = await ask(`${world.env.REVID_BASE_URL}/render`, { body, headers: { key: world.env.REVID_API_KEY } });
    const { pid } = json(answer);
    const { status } = await world.revid.waitForRender((it) => it.pid === pid && it.status.progress === 100, 20_000);
    expect(status).toMatchObject({ status: 'ready', videoUrl: expect.stringContaining(String(pid)) });
    const video = await request(String(status.videoUrl));
    const bytes = Buffer.from(await video.body.arrayBuffer());
    expect(bytes.length).toBeGreaterThan(10_000);
    expect(bytes.subarray(0, 12).toString('latin1')).toMatch(
      world.revid.videoKind === 'mp4' ? /ftyp/ : /^RIFF.*WEBP$/s,
    );
  });

  it('makes one sample for all renders where it is told to', async () => {
    await using world = await startWorld({
      images: { 'pet.jpg': await makePhoto() },
      revid: { behaviour: { renderMs: 0, video: 'sample', callback: { none: true } } },
    });
    const headers = { key: world.env.REVID_API_KEY };
    const media = { provided: [{ url: world.images.urlOf('/pet.jpg') }] };
    for (const text of ['One.', 'Two.']) {
      await ask(`${world.env.REVID_BASE_URL}/render`, {
        body: { workflow: 'script-to-video', source: { text }, media },
        headers,
      });
    }
    await world.revid.waitForRender(
      () => world.revid.renders().every(({ status }) => status.status === 'ready'),
      20_000,
    );
    const [one, two] = world.revid.renders();
    expect(one?.videoPath).toBeDefined();
    expect(two?.videoPath).toBe(one?.videoPath);
    expect(two?.status.videoUrl).not.toBe(one?.status.videoUrl);
  });

  it('leaves nothing listening when it is closed, hung requests or not', async () => {
    const world = await startWorld();
    const hung = errorOf(ask(world.images.urlOf('/hang')));
    await world.images.requests.waitFor(({ path }) => path === '/hang');
    await world.close();
    expect(await hung).toBe('UND_ERR_SOCKET');
    for (const url of Object.values(world.urls)) expect(await errorOf(ask(url))).toBe('ECONNREFUSED');
  });
});

const line = z.object({
  ready: z.literal(true),
  urls: z.record(z.string(), z.url()),
  env: z.record(z.string(), z.string()),
});
const main = new URL('../src/cli/main.ts', import.meta.url).pathname;

describe('the sandbox process', () => {
  it('says in one line of JSON where all of it is, with the keys it was given, and stops on SIGTERM', async () => {
    const child = spawn(process.execPath, [main], {
      env: { ...process.env, REVID_API_KEY: 'mine', SANDBOX_BACKEND_PORT: '', TRANSLATOR_PROVIDER: 'indictrans' },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const exited = once(child, 'exit');
    try {
      const [text] = await once(createInterface(child.stdout), 'line', { signal: AbortSignal.timeout(15_000) });
      const { urls, env } = line.parse(JSON.parse(String(text)));
      expect(Object.keys(urls).sort()).toEqual(['backend', 'bhashini', 'images', 'indictrans', 'revid']);
      expect(env).toMatchObject({ REVID_API_KEY: 'mine', TRANSLATOR_PROVIDER: 'indictrans' });
      expect((await ask(`${env['REVID_BASE_URL']}/projects`, { headers: { key: 'mine' } })).status).toBe(200);
      child.kill('SIGTERM');
      expect(await exited).toEqual([0, null]);
      expect(await errorOf(ask(String(urls['revid'])))).toBe('ECONNREFUSED');
    } finally {
      child.kill('SIGKILL');
    }
  });

  it('stops at once, naming the variable, where the environment is wrong', async () => {
    const child = spawn(process.execPath, [main], {
      env: { ...process.env, SANDBOX_REVID_PORT: 'many' },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let stderr = '';
    child.stderr.on('data', (text) => {
      stderr += text;
    });
    const [code] = await once(child, 'close');
    expect(code).toBe(1);
    expect(stderr).toContain('SANDBOX_REVID_PORT');
  });
});
