import { describe, expect, it } from 'vitest';
import { ask, json } from './helpers/http.ts';
import { startBench, stubVideoBytes } from './helpers/revid.ts';

describe('the sandbox Revid: wire format', () => {
  it('accepts a render with the documented envelope and counts it as paid', async () => {
    await using bench = await startBench({ behaviour: { result: 'never' } });
    const answer = await bench.render(bench.body('job-1'));
    expect(answer.status).toBe(200);
    const [paid, ...others] = bench.revid.renders();
    expect(others).toEqual([]);
    expect(json(answer)).toEqual({
      success: 1,
      pid: paid?.pid,
      workflow: 'script-to-video',
      webhookUrl: `${bench.receiver.url}/api/webhook/video-complete?job_id=job-1&token=t`,
      endpoint: '/api/public/v3/render',
      docs: expect.any(Object),
    });
    expect(paid?.pid).toMatch(/^p_/);
    expect(paid).toMatchObject({ jobId: 'job-1', body: bench.body('job-1'), status: { status: 'rendering' } });
  });

  it('finds the job id in the callback address where the metadata has none', async () => {
    await using bench = await startBench();
    await bench.render(bench.body('job-2', { metadata: {} }));
    expect(bench.revid.renders()[0]?.jobId).toBe('job-2');
  });

  it('answers 401 in the vendor’s error body for a wrong or missing key, on every endpoint that needs one', async () => {
    await using bench = await startBench();
    const { baseUrl } = bench.revid;
    const answers = [
      await ask(`${baseUrl}/render`, { body: bench.body('j'), headers: { key: 'wrong' } }),
      await ask(`${baseUrl}/render`, {
        body: bench.body('j'),
        headers: { authorization: `Bearer ${bench.revid.apiKey}` },
      }),
      await ask(`${baseUrl}/status?pid=p_1`),
      await ask(`${baseUrl}/projects`),
    ];
    for (const answer of answers) {
      expect(answer.status).toBe(401);
      expect(json(answer)).toEqual({ success: 0, error: expect.any(String) });
    }
    expect(bench.revid.renders()).toEqual([]);
  });

  it.each([
    ['an unknown workflow', { workflow: 'roast-to-video' }],
    ['no text in source for script-to-video', { source: { prompt: 'x' } }],
    ['an unknown top-level field', { webhook: 'https://example.org' }],
    ['a media item without an address', { media: { provided: [{ type: 'image' }] } }],
    ['an aspect ratio that is not documented', { aspectRatio: '9x16' }],
  ])('answers 422 and charges nothing for %s', async (_name, patch) => {
    await using bench = await startBench();
    const answer = await bench.render(bench.body('j', patch));
    expect(answer.status).toBe(422);
    expect(json(answer)).toEqual({ success: 0, error: expect.any(String) });
    expect(bench.revid.renders()).toEqual([]);
  });

  it('answers 400 in the vendor’s error body for what is not JSON', async () => {
    await using bench = await startBench();
    const answer = await ask(`${bench.revid.baseUrl}/render`, {
      body: '{"workflow":',
      headers: { key: bench.revid.apiKey },
    });
    expect(answer.status).toBe(400);
    expect(json(answer)).toEqual({ success: 0, error: expect.any(String) });
  });

  it('shows a render as queued, then rendering, then ready with its video', async () => {
    await using bench = await startBench({ behaviour: { renderMs: 3_600_000, callback: { none: true } } });
    const { pid } = json(await bench.render(bench.body('job-3')));
    expect(json(await bench.get(`/status?pid=${pid}`))).toEqual({ pid, status: 'queued', progress: 0 });
    bench.revid.finish(String(pid));
    await bench.revid.waitForRender((render) => render.status.status === 'ready');
    expect(json(await bench.get(`/status?pid=${pid}`))).toEqual({
      ...{ pid, status: 'ready', progress: 100 },
      videoUrl: `${bench.revid.url}/videos/${pid}.mp4`,
      thumbnailUrl: `${bench.revid.url}/thumbnails/${pid}.jpg`,
      durationSeconds: 6,
      creditsUsed: 4,
    });
    const thumbnail = await ask(`${bench.revid.url}/thumbnails/${pid}.jpg`);
    expect(thumbnail).toMatchObject({ status: 200, headers: { 'content-type': 'image/jpeg' } });
  });

  it('answers 404 for a pid that it does not know and 422 for none', async () => {
    await using bench = await startBench();
    expect((await bench.get('/status?pid=p_nobody')).status).toBe(404);
    expect((await bench.get('/status')).status).toBe(422);
  });

  it('lists projects newest first, with the metadata and title that they were made with', async () => {
    await using bench = await startBench({ behaviour: { result: 'never' } });
    for (const job of ['a', 'b', 'c']) await bench.render(bench.body(job));
    const [a, b, c] = bench.revid.renders().map(({ pid }) => pid);
    const answer = json(await bench.get('/projects?limit=2'));
    expect(answer).toMatchObject({
      success: 1,
      projects: [
        { pid: c, title: 'pet-roast c', status: 'rendering', metadata: { job_id: 'c' } },
        { pid: b, title: 'pet-roast b', status: 'rendering', metadata: { job_id: 'b' } },
      ],
    });
    expect(answer['projects']).toHaveLength(2);
    expect(JSON.stringify(json(await bench.get('/projects?limit=3')))).toContain(a);
  });

  it('estimates credits without a key, and dearer things cost more', async () => {
    await using bench = await startBench();
    const estimate = async (patch: object) =>
      json(await ask(`${bench.revid.baseUrl}/calculate-credits`, { body: bench.body('j', patch) }));
    expect(await estimate({})).toEqual({
      success: 1,
      creditsEstimate: 4,
      breakdown: { base: 1, voice: 1, visualsModel: 1, resolution: 1 },
    });
    expect((await estimate({ render: { resolution: '4k' } }))['creditsEstimate']).toBe(6);
    expect(bench.revid.renders()).toEqual([]);
  });

  it('serves the finished video whole, in part and by its head alone', async () => {
    await using bench = await startBench();
    await bench.render(bench.body('job-4'));
    const { pid } = await bench.revid.waitForRender((render) => render.status.status === 'ready');
    const url = `${bench.revid.url}/videos/${pid}.mp4`;
    const whole = await ask(url);
    expect(whole).toMatchObject({ status: 200, text: stubVideoBytes, headers: { 'content-type': 'video/mp4' } });
    const part = await ask(url, { headers: { range: 'bytes=2-4' } });
    expect(part).toMatchObject({ status: 206, text: '234', headers: { 'content-range': 'bytes 2-4/10' } });
    expect(await ask(url, { headers: { range: 'bytes=-3' } })).toMatchObject({ status: 206, text: '789' });
    expect((await ask(url, { headers: { range: 'bytes=10-' } })).status).toBe(416);
    expect(await ask(url, { method: 'HEAD' })).toMatchObject({
      status: 200,
      text: '',
      headers: { 'content-length': '10' },
    });
    expect((await ask(`${bench.revid.url}/videos/${pid}.webp`)).status).toBe(404);
  });

  it('fetches the photo itself, and fails the render where it cannot', async () => {
    await using bench = await startBench();
    await bench.render(bench.body('good'));
    await bench.revid.waitForRender((render) => render.status.status === 'ready');
    expect(bench.images.requests.all().map(({ path }) => path)).toEqual(['/pet.jpg']);
    for (const [path, why] of [
      ['/missing', /media download failed: HTTP 404/],
      ['/html', /unsupported media/],
    ] as const) {
      const media = { provided: [{ url: bench.images.urlOf(path), type: 'image' }] };
      const { pid } = json(await bench.render(bench.body('bad', { media })));
      const { status } = await bench.revid.waitForRender((it) => it.pid === pid && it.status.status === 'failed');
      expect(status).toEqual({ pid, status: 'failed', progress: 100, error: expect.stringMatching(why) });
    }
  });
});
