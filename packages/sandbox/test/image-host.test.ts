import { request } from 'undici';
import { describe, expect, it } from 'vitest';
import { startImageHost } from '../src/index.ts';
import { ask, errorOf } from './helpers/http.ts';
import { makePhoto } from './helpers/photo.ts';

const impatientMs = 150;

describe('the sandbox image host', () => {
  it('serves given bytes and files with the type of their name, and records who asked', async () => {
    const photo = await makePhoto(32, 32);
    await using images = await startImageHost({ files: { 'a pet.jpg': photo } });
    const url = images.add('/here.txt', new URL(import.meta.url).pathname);
    const answer = await request(images.urlOf('/a pet.jpg'));
    expect(answer.headers['content-type']).toBe('image/jpeg');
    expect(Buffer.from(await answer.body.arrayBuffer())).toEqual(photo);
    expect((await ask(url)).text).toContain('the sandbox image host');
    expect(images.requests.all().map(({ path }) => path)).toEqual(['/a%20pet.jpg', '/here.txt']);
  });

  it('has every way in which an address can be wrong', async () => {
    await using images = await startImageHost();
    expect((await ask(images.urlOf('/missing'))).status).toBe(404);
    expect((await ask(images.urlOf('/nothing-here.jpg'))).status).toBe(404);
    expect((await ask(images.urlOf('/error'))).status).toBe(500);
    expect(await ask(images.urlOf('/html'))).toMatchObject({ status: 200, headers: { 'content-type': 'text/html' } });
    expect(await ask(images.urlOf('/empty'))).toMatchObject({ status: 200, text: '' });
    expect(await errorOf(ask(images.urlOf('/reset')))).toBe('ECONNRESET');
    expect(await errorOf(ask(images.urlOf('/hang'), { timeoutMs: impatientMs }))).toBe('TimeoutError');
    expect(await errorOf(ask(images.urlOf('/slow'), { timeoutMs: impatientMs }))).toBe('TimeoutError');
  });

  it('sends callers on, once or round and round', async () => {
    await using images = await startImageHost();
    const to = encodeURIComponent('http://169.254.169.254/latest/?a=b');
    const once = await ask(images.urlOf(`/redirect?to=${to}`));
    expect(once).toMatchObject({ status: 302, headers: { location: 'http://169.254.169.254/latest/?a=b' } });
    expect((await ask(images.urlOf('/redirect?to=/x&status=308'))).status).toBe(308);
    expect(await ask(images.urlOf('/redirect-loop'))).toMatchObject({
      status: 302,
      headers: { location: '/redirect-loop' },
    });
  });

  it('sends a body without end until the caller has enough', async () => {
    await using images = await startImageHost();
    const answer = await request(images.urlOf('/endless'));
    expect(answer.headers['content-length']).toBeUndefined();
    let bytes = 0;
    for await (const chunk of answer.body) {
      bytes += (chunk as Buffer).length;
      if (bytes > 10_000_000) break;
    }
    expect(bytes).toBeGreaterThan(10_000_000);
  });

  it('sends as many bytes as are asked for, and says so beforehand', async () => {
    await using images = await startImageHost();
    const answer = await request(images.urlOf('/big?bytes=1000001'));
    expect(answer.headers['content-length']).toBe('1000001');
    expect((await answer.body.bytes()).length).toBe(1_000_001);
  });
});
