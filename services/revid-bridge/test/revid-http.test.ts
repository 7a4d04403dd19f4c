/** What the vendor says of a render, in its own words: the job's are taken out of them. */
import { createServer } from 'node:http';
import { createSecureServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import tls from 'node:tls';
import { expect, it } from 'vitest';
import { selfSigned } from '../../../packages/shared/test/guarded/self-signed.ts';
import { createRevid } from '../src/adapters/revid-http.ts';

it('a refusal that quotes the request is kept without the text, the photo’s address and the callback’s token', async () => {
  const server = createServer(async (request, response) => {
    const body = await text(request);
    response.writeHead(422, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ success: 0, error: `aspectRatio of ${body} is not known` }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const revid = createRevid({ baseUrl: `http://127.0.0.1:${port}`, apiKey: 'key', submitTimeoutMs: 5_000 });
  const [roast, photo, callback] = [
    'My dog is so very, very lazy that "fetch" is a rumour.',
    'https://photos.example/bruno.jpg',
    'https://bridge.example/api/webhook/video-complete?job_id=1&token=unguessable',
  ];
  const submitted = await revid.submit({ prompt: roast, media: [{ url: photo }], webhook: callback, ratio: '1:9' }, [
    roast,
    photo,
    callback,
  ]);
  expect(submitted).toMatchObject({ kind: 'refused', code: 'render_refused' });
  const why = 'why' in submitted ? submitted.why : '';
  expect(why).toBe(
    'HTTP 422: aspectRatio of {"prompt":"***","media":[{"url":"***"}],"webhook":"***","ratio":"1:9"} is not known',
  );
  await revid.close();
  server.close();
});

it('each call has a connection of HTTP/1.1 for itself, also where the vendor speaks HTTP/2', async () => {
  const certificate = selfSigned('localhost');
  const before = tls.getCACertificates('default');
  tls.setDefaultCACertificates([certificate.cert]);
  const versions: string[] = [];
  const server = createSecureServer({ ...certificate, allowHTTP1: true }, (request, response) => {
    versions.push(request.httpVersion);
    response.end(JSON.stringify({ success: 1, pid: 'p_1' }));
  });
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve));
  const { port } = server.address() as AddressInfo;
  const revid = createRevid({ baseUrl: `https://localhost:${port}`, apiKey: 'key', submitTimeoutMs: 5_000 });
  expect(await revid.submit({}, [])).toEqual({ kind: 'started', pid: 'p_1' });
  expect(versions).toEqual(['1.1']);
  await revid.close();
  server.close();
  tls.setDefaultCACertificates(before);
});

it('a vendor whose certificate does not hold was certainly sent nothing, nor one whose key makes no header', async () => {
  const server = createSecureServer({ ...selfSigned('localhost'), allowHTTP1: true }, (_request, response) => {
    response.end(JSON.stringify({ success: 1, pid: 'p_1' }));
  });
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve));
  const { port } = server.address() as AddressInfo;
  const to = { baseUrl: `https://localhost:${port}`, submitTimeoutMs: 5_000 };
  const [strict, broken] = [createRevid({ ...to, apiKey: 'key' }), createRevid({ ...to, apiKey: 'key\n' })];
  expect(await strict.submit({}, [])).toMatchObject({ kind: 'later', code: 'render_unreachable' });
  expect(await broken.submit({}, [])).toMatchObject({ kind: 'refused' });
  await Promise.all([strict.close(), broken.close()]);
  server.close();
});

it('what a job is about is hidden in what the vendor says, and decides nothing', async () => {
  let answer: unknown;
  const server = createServer((_request, response) => response.end(JSON.stringify(answer)));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const revid = createRevid({ baseUrl: `http://127.0.0.1:${port}`, apiKey: 'key', submitTimeoutMs: 5_000 });
  answer = { success: 0, error: 'insufficient_credits' };
  expect(await revid.submit({}, ['credit'])).toEqual({
    ...{ kind: 'refused', code: 'render_account_refused' },
    why: 'HTTP 200: insufficient_***s',
  });
  answer = { success: 1, pid: 'p_credit_1' };
  expect(await revid.submit({}, ['credit'])).toEqual({ kind: 'started', pid: 'p_credit_1' });
  // Cut where the text stands: no beginning of it is left over.
  answer = { success: 0, error: { message: 'x'.repeat(270), input: 'My "dog" is a lazy one.' } };
  const refused = await revid.submit({}, ['My "dog" is a lazy one.']);
  expect('why' in refused && refused.why).not.toContain('My');
  await revid.close();
  server.close();
});

it.each([
  [{ title: 'the-job', pid: 'p_1' }, 'p_1'],
  [{ title: 'the-job', pid: 7 }, '7'],
  [{ title: 'the-job', pid: null }, undefined],
  [{ title: 'the-job', pid: '' }, undefined],
  [{ title: 'the-job' }, undefined],
  ['the-job', undefined],
])('a project is found by its title, where it names a pid that can be recorded: %j', async (project, pid) => {
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ projects: [{ title: 'another', pid: 'p_0' }, project] }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const revid = createRevid({ baseUrl: `http://127.0.0.1:${port}`, apiKey: 'key', submitTimeoutMs: 5_000 });
  expect(await revid.find('the-job', AbortSignal.timeout(5_000))).toBe(pid);
  await revid.close();
  server.close();
});
