import { describe, expect, it } from 'vitest';
import { ask, errorOf, json } from './helpers/http.ts';
import { startBench } from './helpers/revid.ts';

const impatientMs = 150;

describe('the sandbox Revid: faults of POST /render that cost nothing', () => {
  it('refuses with an HTTP status, the vendor’s body and Retry-After, as often as told, then works again', async () => {
    await using bench = await startBench();
    bench.revid.pushFaults({ kind: 'http', status: 429, retryAfter: 7, times: 2 });
    for (let attempt = 0; attempt < 2; attempt += 1) {
      const answer = await bench.render(bench.body('j'));
      expect(answer).toMatchObject({ status: 429, headers: { 'retry-after': '7' } });
      expect(json(answer)).toEqual({ success: 0, error: expect.stringMatching(/rate limit/i) });
    }
    expect(bench.revid.renders()).toEqual([]);
    expect(json(await bench.render(bench.body('j')))['success']).toBe(1);
    expect(bench.revid.calls.all().map(({ fault }) => fault)).toEqual(['http', 'http', undefined]);
  });

  it('refuses with success 0 under HTTP 200', async () => {
    await using bench = await startBench();
    bench.revid.pushFaults({ kind: 'refused_200' });
    const answer = await bench.render(bench.body('j'));
    expect(answer.status).toBe(200);
    expect(json(answer)).toEqual({ success: 0, error: 'insufficient_credits' });
    expect(bench.revid.renders()).toEqual([]);
  });

  it('resets the connection before it accepts', async () => {
    await using bench = await startBench();
    bench.revid.pushFaults({ kind: 'reset' });
    expect(await errorOf(bench.render(bench.body('j')))).toBe('ECONNRESET');
    expect(bench.revid.renders()).toEqual([]);
  });

  it('hangs before it accepts', async () => {
    await using bench = await startBench();
    bench.revid.pushFaults({ kind: 'hang' });
    expect(await errorOf(bench.render(bench.body('j'), impatientMs))).toBe('TimeoutError');
    expect(bench.revid.renders()).toEqual([]);
  });

  it('acts only on the requests that a fault names', async () => {
    await using bench = await startBench();
    bench.revid.pushFaults({ kind: 'http', status: 503, contains: 'job-2' });
    expect((await bench.render(bench.body('job-1'))).status).toBe(200);
    expect((await bench.render(bench.body('job-2'))).status).toBe(503);
    expect((await bench.render(bench.body('job-2'))).status).toBe(200);
  });
});

describe('the sandbox Revid: faults of POST /render that are paid', () => {
  it('accepts and then keeps the answer back beyond the caller’s patience', async () => {
    await using bench = await startBench();
    bench.revid.pushFaults({ kind: 'accept_then_hang', ms: 60_000 });
    expect(await errorOf(bench.render(bench.body('job-1'), impatientMs))).toBe('TimeoutError');
    expect(bench.revid.renders()).toMatchObject([{ jobId: 'job-1' }]);
    await bench.receiver.received.waitFor(({ url }) => url.includes('job-1'));
  });

  it('accepts and answers late, in full, to a patient caller', async () => {
    await using bench = await startBench();
    bench.revid.pushFaults({ kind: 'accept_then_hang', ms: 50 });
    const startMs = performance.now();
    expect(json(await bench.render(bench.body('job-1')))['success']).toBe(1);
    expect(performance.now() - startMs).toBeGreaterThan(45);
  });

  it('accepts and then resets the connection', async () => {
    await using bench = await startBench();
    bench.revid.pushFaults({ kind: 'accept_then_reset' });
    expect(await errorOf(bench.render(bench.body('job-1')))).toBe('ECONNRESET');
    expect(bench.revid.renders()).toMatchObject([{ jobId: 'job-1' }]);
    await bench.receiver.received.waitFor(({ url }) => url.includes('job-1'));
  });

  it('accepts and then answers 5xx or a page that is no JSON', async () => {
    await using bench = await startBench();
    bench.revid.pushFaults({ kind: 'accept_then_http', status: 502 }, { kind: 'accept_then_garbage' });
    const failed = await bench.render(bench.body('job-1'));
    expect(failed.status).toBe(502);
    expect(json(failed)).toEqual({ success: 0, error: expect.any(String) });
    expect(await bench.render(bench.body('job-2'))).toMatchObject({
      status: 200,
      headers: { 'content-type': 'text/html' },
    });
    expect(bench.revid.renders().map(({ jobId }) => jobId)).toEqual(['job-1', 'job-2']);
  });

  it('can behave otherwise for one render', async () => {
    await using bench = await startBench();
    bench.revid.pushFaults({ kind: 'behave', behaviour: { result: 'failed', error: 'odd' }, contains: 'job-2' });
    for (const job of ['job-1', 'job-2', 'job-3']) await bench.render(bench.body(job));
    for (const job of ['job-1', 'job-2', 'job-3']) {
      await bench.receiver.received.waitFor(({ url }) => url.includes(job));
    }
    expect(bench.revid.renders().map(({ status }) => status.status)).toEqual(['ready', 'failed', 'ready']);
  });
});

describe('the sandbox Revid: faults of the other endpoints', () => {
  it('answers status with errors, hangs, resets and words of its own', async () => {
    await using bench = await startBench();
    const { pid } = json(await bench.render(bench.body('job-1')));
    await bench.revid.waitForRender((render) => render.status.status === 'ready');
    bench.revid.pushFaults(
      { at: 'status', kind: 'http', status: 500 },
      { at: 'status', kind: 'word', word: 'building' },
      { at: 'status', kind: 'reset' },
      { at: 'status', kind: 'hang' },
      { at: 'status', kind: 'garbage', contains: 'job-1' },
    );
    expect((await bench.get(`/status?pid=${pid}`)).status).toBe(500);
    expect(json(await bench.get(`/status?pid=${pid}`))).toMatchObject({ pid, status: 'building' });
    expect(await errorOf(bench.get(`/status?pid=${pid}`))).toBe('ECONNRESET');
    expect(await errorOf(bench.get(`/status?pid=${pid}`, impatientMs))).toBe('TimeoutError');
    expect((await bench.get(`/status?pid=${pid}`)).text).toContain('<!doctype html>');
    expect(json(await bench.get(`/status?pid=${pid}`))).toMatchObject({ status: 'ready' });
  });

  it('fails the list of projects on demand', async () => {
    await using bench = await startBench();
    bench.revid.pushFaults({ at: 'projects', kind: 'http', status: 503 });
    expect((await bench.get('/projects')).status).toBe(503);
    expect((await bench.get('/projects')).status).toBe(200);
  });

  it('takes faults over HTTP, shows those that wait, and drops them', async () => {
    await using bench = await startBench();
    const at = `${bench.revid.url}/__sandbox/faults`;
    await ask(at, { body: [{ at: 'render', kind: 'http', status: 402, times: 5 }] });
    expect((await bench.render(bench.body('j'))).status).toBe(402);
    expect(JSON.parse((await ask(at)).text)).toMatchObject([{ at: 'render', kind: 'http', status: 402, times: 4 }]);
    await ask(at, { method: 'DELETE' });
    expect((await bench.render(bench.body('j'))).status).toBe(200);
    expect((await ask(at, { body: { kind: 'explode' } })).status).toBe(422);
    expect((await ask(at, { body: { kind: 'behave', behaviour: { renderMss: 1 } } })).status).toBe(422);
  });

  it('refuses connections while it is down and is back on the same port', async () => {
    await using bench = await startBench();
    await bench.revid.down();
    expect(await errorOf(bench.render(bench.body('j')))).toBe('ECONNREFUSED');
    await bench.revid.up();
    expect((await bench.render(bench.body('j'))).status).toBe(200);
  });
});
