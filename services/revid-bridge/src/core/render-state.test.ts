import { videoUrlLengthMax } from '@pet-roast/shared';
import { describe, expect, it } from 'vitest';
import { readStatus, readSubmitError, readSubmitted } from './render-state.ts';

describe('what an answer to a submission proves', () => {
  it.each([200, 202, 400, 500])('is a started render with success 1 and a pid, also at HTTP %i', (status) => {
    expect(readSubmitted(status, { success: 1, pid: 'p_1' })).toEqual({ kind: 'started', pid: 'p_1' });
  });

  it('is a started render with a number for a pid, and uncertain without one that can be recorded', () => {
    expect(readSubmitted(200, { success: 1, pid: 12_345 })).toEqual({ kind: 'started', pid: '12345' });
    expect(readSubmitted(200, { success: 1, pid: null })).toMatchObject({ kind: 'uncertain' });
  });

  it.each([
    [400, 'render_refused'],
    [422, 'render_refused'],
    [404, 'render_refused'],
    [401, 'render_account_refused'],
    [402, 'render_account_refused'],
    [403, 'render_account_refused'],
  ])('is a refusal at HTTP %i', (status, code) => {
    expect(readSubmitted(status, { success: 0, error: 'no' })).toMatchObject({ kind: 'refused', code });
  });

  it('is a refusal at success 0 with HTTP 200, by its words', () => {
    expect(readSubmitted(200, { success: 0, error: 'insufficient_credits' })).toMatchObject({
      code: 'render_account_refused',
    });
    expect(readSubmitted(200, { success: 0, error: 'text too long' })).toMatchObject({ code: 'render_refused' });
    for (const pid of [null, '', {}, 'p'.repeat(300)]) {
      expect(readSubmitted(200, { success: 0, pid, error: 'no credits' })).toMatchObject({
        code: 'render_account_refused',
      });
    }
  });

  it('is "later" at 429, with the vendor’s wish', () => {
    expect(readSubmitted(429, undefined, 7_000)).toMatchObject({ kind: 'later', retryAfterMs: 7_000 });
  });

  it.each([408, 409, 500, 502, 503, 504])('is uncertain at HTTP %i, whatever the body says', (status) => {
    expect(readSubmitted(status, { success: 0, error: 'try again' })).toMatchObject({ kind: 'uncertain' });
  });

  it.each([[undefined], [{}], ['<html>'], [{ success: 1 }], [{ success: true }]])(
    'is uncertain for an unreadable success %j',
    (body) => {
      expect(readSubmitted(200, body)).toMatchObject({ kind: 'uncertain' });
    },
  );

  it.each(['1', true, 'ok', undefined])('is a started render at HTTP 200 with a pid and success %j', (success) => {
    expect(readSubmitted(200, { success, pid: 'p' })).toEqual({ kind: 'started', pid: 'p' });
    expect(readSubmitted(500, { success, pid: 'p' })).toMatchObject({ kind: 'uncertain' });
  });

  it('is uncertain where a host becomes unreachable on an open connection', () => {
    const error = Object.assign(new Error('x'), { code: 'EHOSTUNREACH', syscall: 'read' });
    expect(readSubmitError(error)).toMatchObject({ kind: 'uncertain' });
    expect(readSubmitError({ ...error, code: 'EHOSTUNREACH', syscall: 'connect' })).toMatchObject({ kind: 'later' });
  });

  it('is "later" only where no byte can have been sent', () => {
    const certificate = ['CERT_HAS_EXPIRED', 'ERR_TLS_CERT_ALTNAME_INVALID', 'DEPTH_ZERO_SELF_SIGNED_CERT'];
    for (const code of ['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'UND_ERR_CONNECT_TIMEOUT', ...certificate]) {
      expect(readSubmitError(Object.assign(new Error('x'), { code }))).toMatchObject({ kind: 'later' });
    }
    const several = new AggregateError([Object.assign(new Error('x'), { code: 'ECONNREFUSED' })]);
    expect(readSubmitError(several)).toMatchObject({ kind: 'later' });
    for (const code of ['ECONNRESET', 'UND_ERR_SOCKET', 'UND_ERR_HEADERS_TIMEOUT', 'EPIPE']) {
      expect(readSubmitError(Object.assign(new Error('x'), { code }))).toMatchObject({ kind: 'uncertain' });
    }
    expect(readSubmitError(new DOMException('late', 'TimeoutError'))).toMatchObject({ kind: 'uncertain' });
  });
});

it('a request that cannot be made is refused: the client throws before anything is sent', () => {
  const error = Object.assign(new Error('invalid authorization header'), { code: 'UND_ERR_INVALID_ARG' });
  expect(readSubmitError(error)).toMatchObject({ kind: 'refused', code: 'render_refused' });
});

describe('what a status says', () => {
  it.each(['ready', 'completed', 'done', 'READY'])('is ready at %s with an address', (status) => {
    expect(readStatus({ status, videoUrl: 'https://v/1.mp4' })).toEqual({ kind: 'ready', videoUrl: 'https://v/1.mp4' });
  });

  it('is ready with a long signed address, up to what an event may have', () => {
    const of = (length: number) => 'https://v/1.mp4?signature='.padEnd(length, 'a');
    expect(readStatus({ status: 'ready', videoUrl: of(videoUrlLengthMax) })).toMatchObject({ kind: 'ready' });
    expect(readStatus({ status: 'ready', videoUrl: of(videoUrlLengthMax + 1) })).toMatchObject({ kind: 'running' });
  });

  it.each([null, undefined, '', 'ftp://v/1.mp4', 'javascript:alert(1)'])(
    'is not ready with the address %j',
    (videoUrl) => {
      expect(readStatus({ status: 'ready', videoUrl })).toMatchObject({ kind: 'running' });
    },
  );

  it.each(['failed', 'FAILED', 'error', 'CANCELED'])('is failed at %s', (status) => {
    expect(readStatus({ status, error: 'bad photo' })).toMatchObject({
      kind: 'failed',
      why: expect.stringContaining('bad photo'),
    });
  });

  it.each(['queued', 'rendering', 'building', 'pending', 'a word nobody knows'])('is no end at %s', (status) => {
    expect(readStatus({ status })).toMatchObject({ kind: 'running' });
  });

  it('is no end where it cannot be read', () => {
    expect(readStatus('<html>')).toMatchObject({ kind: 'running' });
    expect(readStatus({ state: 'ready' })).toMatchObject({ kind: 'running' });
  });
});
