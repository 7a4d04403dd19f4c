import { describe, expect, it } from 'vitest';
import { ask, json } from './helpers/http.ts';
import { startBench } from './helpers/revid.ts';

describe('the sandbox Revid: callbacks', () => {
  it('posts the status payload to the callback address when a render ends', async () => {
    await using bench = await startBench();
    const { pid } = json(await bench.render(bench.body('job-1')));
    const { url, body } = await bench.receiver.received.waitFor(() => true);
    expect(url).toBe('/api/webhook/video-complete?job_id=job-1&token=t');
    expect(body).toEqual(json(await bench.get(`/status?pid=${pid}`)));
    expect(body).toMatchObject({ pid, status: 'ready', videoUrl: expect.stringContaining('.mp4') });
  });

  it('says how a failed render failed', async () => {
    await using bench = await startBench({ behaviour: { result: 'failed', error: 'nsfw content detected' } });
    const { pid } = json(await bench.render(bench.body('job-1')));
    const { body } = await bench.receiver.received.waitFor(() => true);
    expect(body).toEqual({ pid, status: 'failed', progress: 100, error: 'nsfw content detected' });
  });

  it('speaks 1.x’s form on demand, for success and failure', async () => {
    await using bench = await startBench({ behaviour: { callback: { form: 'v1' } } });
    const { pid } = json(await bench.render(bench.body('job-1')));
    const good = await bench.receiver.received.waitFor(() => true);
    const video_url = `${bench.revid.url}/videos/${pid}.mp4`;
    expect(good.body).toEqual({ job_id: 'job-1', status: 'completed', video_url, error: null });
    bench.revid.setBehaviour({ result: 'failed', error: 'voice unavailable' });
    await bench.render(bench.body('job-2'));
    const bad = await bench.receiver.received.waitFor(({ url }) => url.includes('job-2'));
    expect(bad.body).toEqual({ job_id: 'job-2', status: 'failed', video_url: null, error: 'voice unavailable' });
  });

  it('sends duplicates on demand', async () => {
    await using bench = await startBench({ behaviour: { callback: { copies: 3 } } });
    await bench.render(bench.body('job-1'));
    await bench.revid.callbacks.waitFor(() => bench.receiver.received.all().length === 3);
    const [first, ...others] = bench.receiver.received.all().map(({ body }) => body);
    expect(others).toEqual([first, first]);
  });

  it('can call back before it answers the render request', async () => {
    await using bench = await startBench({ behaviour: { renderMs: 60_000, callback: { early: true } } });
    const { pid } = json(await bench.render(bench.body('job-1')));
    const answeredAtMs = performance.now();
    const [callback] = bench.receiver.received.all();
    expect(callback?.body).toMatchObject({ pid, status: 'ready' });
    expect(callback?.atMs).toBeLessThan(answeredAtMs);
  });

  it('can leave the callback out, and send it later by hand, changed or not', async () => {
    // Early, so that a render's whole life, callbacks included, is over when the request is answered.
    await using bench = await startBench({ behaviour: { callback: { none: true, early: true } } });
    const { pid } = json(await bench.render(bench.body('job-1')));
    expect(bench.revid.renders()[0]?.status.status).toBe('ready');
    expect(bench.receiver.received.all()).toEqual([]);
    const sent = await bench.revid.sendCallback(String(pid), { patch: { videoUrl: 'https://evil.example/x.mp4' } });
    expect(sent).toMatchObject({ pid, jobId: 'job-1', status: 200 });
    expect(bench.receiver.received.all()[0]?.body).toMatchObject({ pid, videoUrl: 'https://evil.example/x.mp4' });
  });

  it('records a callback that nobody takes', async () => {
    await using bench = await startBench();
    await bench.receiver.down();
    await bench.render(bench.body('job-1'));
    const sent = await bench.revid.callbacks.waitFor(() => true);
    expect(sent.status).toBeUndefined();
    expect(sent.error).toMatch(/ECONNREFUSED/);
  });

  it('never ends a render on demand, until it is told to', async () => {
    await using bench = await startBench({ behaviour: { result: 'never' } });
    const { pid } = json(await bench.render(bench.body('job-1')));
    expect(json(await bench.get(`/status?pid=${pid}`))).toMatchObject({ status: 'rendering', progress: 99 });
    bench.revid.finish(String(pid), { result: 'failed', error: 'script too long' });
    const { body } = await bench.receiver.received.waitFor(() => true);
    expect(body).toMatchObject({ pid, status: 'failed', error: 'script too long' });
  });

  it('is steered over HTTP by another process', async () => {
    await using bench = await startBench();
    const at = `${bench.revid.url}/__sandbox`;
    expect((await ask(`${at}/behaviour`, { body: { result: 'never', callback: { copies: 2 } } })).status).toBe(200);
    expect(json(await ask(`${at}/behaviour`))).toMatchObject({
      result: 'never',
      callback: { copies: 2, form: 'revid' },
    });
    const { pid } = json(await bench.render(bench.body('job-1')));
    expect((await ask(`${at}/finish`, { body: { pid } })).status).toBe(200);
    await bench.revid.callbacks.waitFor(() => bench.receiver.received.all().length === 2);
    expect(JSON.parse((await ask(`${at}/renders`)).text)).toMatchObject([
      { pid, jobId: 'job-1', status: { status: 'ready' }, acceptedAt: expect.any(String) },
    ]);
    expect((await ask(`${at}/callbacks`, { body: { pid, form: 'v1' } })).status).toBe(200);
    expect(bench.receiver.received.all()[2]?.body).toMatchObject({ job_id: 'job-1', status: 'completed' });
    const wrong = await ask(`${at}/behaviour`, { body: { resullt: 'never' } });
    expect(wrong).toMatchObject({ status: 422, text: expect.stringContaining('resullt') });
  });
});
