import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ModelRejected, ModelUnavailable, resolveModelFile } from '../src/model-file.ts';
import { type ModelEntry, modelEntry } from '../src/model-manifest.ts';

const model = Buffer.alloc(300_000, 'not really a network');
const sha256 = createHash('sha256').update(model).digest('hex');

let folder: string;
let cacheDir: string;
let stack: AsyncDisposableStack;

beforeEach(async () => {
  stack = new AsyncDisposableStack();
  folder = await mkdtemp(join(tmpdir(), 'pet-roast-model-'));
  cacheDir = join(folder, 'cache');
  stack.defer(() => rm(folder, { recursive: true, force: true }));
});
afterEach(() => stack.disposeAsync());

describe('MODEL_PATH', () => {
  test('a file with the right sha256 is used where it lies, and nothing else is tried', async () => {
    const path = await put('mine.onnx', model);
    const found = await resolveModelFile({ entry: entryAt('http://127.0.0.1:1'), modelPath: path, cacheDir });
    expect(found).toEqual({ path, source: 'path', failedBefore: [] });
  });

  test('a wrong file stops with what was expected, although a mirror has the right one', async () => {
    const path = await put('mine.onnx', Buffer.from('<html>sign in</html>'));
    await put('mirror/model.onnx', model);
    const entry = entryAt('http://127.0.0.1:1');
    const error = await failure({ entry, modelPath: path, mirrors: [join(folder, 'mirror')] });
    expect(error).toBeInstanceOf(ModelRejected);
    expect(error.message).toContain(`${path} cannot be used as test-model: it is truncated or another file`);
    expect(error.message).toContain(`expected 300000 bytes with sha256 ${sha256.slice(0, 12)}…, found 20 bytes`);
    expect(error.message).toContain('Correct MODEL_PATH');
  });

  test('a missing file is said to be missing', async () => {
    const path = join(folder, 'nowhere.onnx');
    expect((await failure({ entry: entryAt(), modelPath: path })).message).toContain(
      `${path} cannot be used as test-model: there is no such file`,
    );
  });

  test('a model of one’s own has nothing to be checked against', async () => {
    const path = await put('yolov5n.onnx', Buffer.from('anything'));
    const entry = modelEntry('yolov5-custom');
    expect(await resolveModelFile({ entry, modelPath: path, cacheDir })).toMatchObject({ path, source: 'path' });
  });
});

describe('the cache', () => {
  test('a file of that sha256 is used without any network', async () => {
    const path = await put(`cache/${sha256}.onnx`, model);
    expect(await resolveModelFile({ entry: entryAt('http://127.0.0.1:1'), cacheDir })).toEqual({
      path,
      source: 'cache',
      failedBefore: [],
    });
  });

  test('a damaged file is thrown away, told about, and fetched again', async () => {
    const path = await put(`cache/${sha256}.onnx`, model.subarray(1));
    const base = await serve((_, response) => response.end(model));
    const found = await resolveModelFile({ entry: entryAt(base), cacheDir });
    expect(found).toMatchObject({ path, source: 'download' });
    expect(found.failedBefore).toMatchObject([
      { source: 'cache', where: path, why: expect.stringContaining('removed') },
    ]);
    expect(await readFile(path)).toEqual(model);
  });
});

describe('MODEL_MIRROR', () => {
  test.each([
    ['a folder', (path: string) => path],
    ['a file:// address', (path: string) => pathToFileURL(path).href],
  ])('%s serves the file in place', async (_, name) => {
    const path = await put('mirror/model.onnx', model);
    const found = await resolveModelFile({ entry: entryAt(), cacheDir, mirrors: [name(join(folder, 'mirror'))] });
    expect(found).toEqual({ path, source: 'mirror', failedBefore: [] });
  });

  test('an http mirror fills the cache, so that the second time needs no mirror', async () => {
    const asked: (string | undefined)[] = [];
    const base = await serve((request, response) => {
      asked.push(request.url);
      response.end(model);
    });
    const entry = entryAt('http://127.0.0.1:1');
    expect(await resolveModelFile({ entry, cacheDir, mirrors: [`${base}/models`] })).toMatchObject({
      source: 'mirror',
    });
    expect(await resolveModelFile({ entry, cacheDir, mirrors: [`${base}/models`] })).toMatchObject({ source: 'cache' });
    expect(asked).toEqual(['/models/model.onnx']);
    expect(await readdir(cacheDir)).toEqual([`${sha256}.onnx`]);
  });

  test('any listed file is acceptable: the mirror may hold the second', async () => {
    const [other] = entryAt().files;
    const entry = {
      ...entryAt(),
      files: [{ ...file('http://127.0.0.1:1'), bytes: 7, sha256: '0'.repeat(64) }, ...(other ? [other] : [])],
    };
    const path = await put('mirror/model.onnx', model);
    expect(await resolveModelFile({ entry, cacheDir, mirrors: [join(folder, 'mirror')] })).toMatchObject({ path });
  });

  test.each([
    ['the model’s own name', 'test_model'],
    ['the name that a cache gives it', sha256],
  ])('may hold the file under %s', async (_, name) => {
    const path = await put(`mirror/${name}.onnx`, model);
    expect(await resolveModelFile({ entry: entryAt(), cacheDir, mirrors: [join(folder, 'mirror')] })).toEqual({
      path,
      source: 'mirror',
      failedBefore: [],
    });
  });

  test('a foreign file in it is passed over, and told about', async () => {
    const path = await put('mirror/model.onnx', Buffer.concat([model, model]));
    const base = await serve((_, response) => response.end(model));
    const found = await resolveModelFile({ entry: entryAt(base), cacheDir, mirrors: [join(folder, 'mirror')] });
    expect(found.source).toBe('download');
    expect(found.failedBefore).toMatchObject([
      { source: 'mirror', where: path, why: expect.stringContaining('not the expected file') },
    ]);
  });
});

describe('the download', () => {
  test('goes to the cache under its sha256 and tells its progress', async () => {
    const base = await serve((_, response) => response.end(model));
    const seen: number[] = [];
    const found = await resolveModelFile({
      entry: entryAt(base),
      cacheDir,
      onProgress: ({ url, receivedBytes, totalBytes }) => {
        expect([url, totalBytes]).toEqual([`${base}/model.onnx`, model.length]);
        seen.push(receivedBytes);
      },
    });
    expect(found).toEqual({ path: join(cacheDir, `${sha256}.onnx`), source: 'download', failedBefore: [] });
    expect(seen.at(-1)).toBe(model.length);
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));
  });

  test('follows redirects, as release assets need', async () => {
    const base = await serve((request, response) => {
      if (request.url === '/asset') response.end(model);
      else response.writeHead(302, { location: '/asset' }).end();
    });
    expect(await resolveModelFile({ entry: entryAt(base), cacheDir })).toMatchObject({ source: 'download' });
  });

  test('tries the next address when the first fails', async () => {
    const base = await serve((request, response) => {
      if (request.url === '/gone/model.onnx') response.writeHead(404).end();
      else response.end(model);
    });
    const entry = { ...entryAt(), files: [file(`${base}/gone`), file(base)] };
    const found = await resolveModelFile({ entry, cacheDir });
    expect(found.failedBefore).toEqual([
      { source: 'download', where: `${base}/gone/model.onnx`, why: 'the server answered 404' },
    ]);
  });

  test.each<[string, RequestListener, string]>([
    [
      'other bytes',
      (_, response) => response.end(Buffer.alloc(model.length)),
      'it is not the expected file: expected 300000 bytes',
    ],
    ['a truncated body', (_, response) => response.end(model.subarray(0, 1_000)), 'it is truncated or another file'],
    ['a body cut off before its length', (_, response) => void cutOff(response), 'other side closed'],
    [
      'more bytes than expected',
      (_, response) => response.end(Buffer.concat([model, model])),
      'larger than the 300000 bytes',
    ],
    ['an error page', (_, response) => response.writeHead(503).end('busy'), 'the server answered 503'],
    ['a body that stalls', (_, response) => void response.write(model.subarray(0, 1_000)), 'Body Timeout'],
    ['no answer at all', () => undefined, 'Headers Timeout'],
  ])('%s is refused with the reason and leaves nothing behind', async (_, listener, why) => {
    const base = await serve(listener);
    const error = await failure({ entry: entryAt(base), stallTimeoutMs: 300 });
    expect(error).toBeInstanceOf(ModelUnavailable);
    expect(error.message).toContain(`- download ${base}/model.onnx: `);
    expect(error.message).toContain(why);
    expect(await readdir(cacheDir)).toEqual([]);
  });

  test('can be stopped, and leaves nothing behind', async () => {
    const stop = new AbortController();
    const base = await serve((_, response) => void response.write(model.subarray(0, 1_000)));
    const reason = new Error('enough');
    const error = await failure({ entry: entryAt(base), signal: stop.signal, onProgress: () => stop.abort(reason) });
    expect(error).toBe(reason);
    expect(await readdir(cacheDir)).toEqual([]);
  });
});

describe('when nothing works', () => {
  test('nothing is asked of the network where no download is wanted', async () => {
    let asked = 0;
    const base = await serve((_, response) => {
      asked += 1;
      response.end(model);
    });
    const error = await failure({ entry: entryAt(base), mayDownload: false });
    expect(error).toBeInstanceOf(ModelUnavailable);
    expect(asked).toBe(0);
  });

  test('the error lists each thing that was tried, why it failed, and what to do', async () => {
    await put(`cache/${sha256}.onnx`, Buffer.from('x'));
    const base = await serve((_, response) => response.writeHead(404).end());
    const closed = await closedAddress();
    const entry = { ...entryAt(), files: [file(base), file(closed)] };
    const error = await failure({ entry, mirrors: [join(folder, 'empty')] });
    expect(error).toBeInstanceOf(ModelUnavailable);
    const { attempts, message } = error as ModelUnavailable;
    expect(attempts.map(({ source, why }) => [source, why])).toEqual([
      ['cache', expect.stringContaining('removed')],
      ['mirror', 'there is no such file'],
      ['download', 'the server answered 404'],
      ['download', expect.stringContaining('ECONNREFUSED')],
    ]);
    for (const { where, why } of attempts) expect(message).toContain(`${where}: ${why}`);
    expect(message).toContain('set MODEL_PATH to it or MODEL_MIRROR to its folder');
  });

  test('a model that is not distributed asks for MODEL_PATH', async () => {
    const error = await failure({ entry: modelEntry('yolov5-custom') });
    expect(error).toBeInstanceOf(ModelUnavailable);
    expect(error.message).toContain('Set MODEL_PATH to your file');
  });
});

function file(base: string) {
  return { url: `${base}/model.onnx`, bytes: model.length, sha256, provenance: 'made for this test' };
}

function entryAt(base = 'http://127.0.0.1:1'): ModelEntry {
  return { ...modelEntry('yolox-nano'), name: 'test-model', files: [file(base)] };
}

async function put(name: string, content: Uint8Array) {
  const path = join(folder, name);
  await mkdir(join(path, '..'), { recursive: true });
  await writeFile(path, content);
  return path;
}

async function failure(options: Omit<Parameters<typeof resolveModelFile>[0], 'cacheDir'>): Promise<Error> {
  const outcome = await resolveModelFile({ ...options, cacheDir }).catch((error: unknown) => error);
  if (outcome instanceof Error) return outcome;
  throw new Error(`nothing failed: ${JSON.stringify(outcome)}`);
}

async function serve(listener: RequestListener) {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  stack.defer(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return `http://127.0.0.1:${address.port}`;
}

/** An address where nothing listens. */
async function closedAddress() {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return `http://127.0.0.1:${address.port}`;
}

function cutOff(response: Parameters<RequestListener>[1]) {
  response.writeHead(200, { 'content-length': model.length });
  response.write(model.subarray(0, 1_000), () => response.destroy());
}
