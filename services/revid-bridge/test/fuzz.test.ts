/**
 * The bridge's public endpoint under arbitrary requests, with and without a job's own token: no answer is a 5xx, each has
 * the one shape, what is stored is what came with a token that holds, and no job ends or begins by it.
 * `FUZZ_SEED` takes other requests than the usual ones.
 */
import { errorCatalogue, subjectOf } from '@pet-roast/shared';
import { rawNats } from '@pet-roast/testing';
import fc from 'fast-check';
import { Agent, request } from 'undici';
import { expect, it } from 'vitest';
import { createCallbackTokens } from '../src/core/callback-token.ts';
import { callbackSecret, startBridge } from './helpers/bridge.ts';

const seed = Number(process.env['FUZZ_SEED'] ?? 20_261_128);
const requests = 4_000;
const atOnce = 8;
const callbacksOfRun = 40;
const path = '/api/webhook/video-complete';
const infrastructureError = /node_modules|file:\/\/|\.ts:\d+|\bat (async )?[\w.<>]+ \(|ECONN|nats:/;

const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.constantFrom(
    '',
    '\0',
    '../..',
    'ready',
    'completed',
    'failed',
    '__proto__',
    'x'.repeat(3_000),
    '💥',
    '1e309',
    '-1',
  ),
);
const { value: json } = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    text,
    fc.double(),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(text, tie('value'), { maxKeys: 5 }),
  ),
}));
/** Mostly what the field is for, else anything. */
const mostly = <T>(usual: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 12, arbitrary: usual }, { weight: 1, arbitrary: json });
const callback = fc.record(
  {
    job_id: mostly(fc.constant('fuzzed')),
    pid: mostly(text),
    status: mostly(fc.oneof(fc.constantFrom('ready', 'failed', 'rendering'), text)),
    videoUrl: mostly(fc.oneof(fc.webUrl(), text)),
    video_url: mostly(text),
    error: json,
  },
  { requiredKeys: [] },
);
const body = fc.oneof(
  { weight: 6, arbitrary: callback.map((value) => JSON.stringify(value)) },
  { weight: 2, arbitrary: json.map((value) => JSON.stringify(value)) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)) },
  {
    weight: 1,
    arbitrary: fc.constantFrom('', '{', '{"__proto__":{"x":1}}', `${'['.repeat(5_000)}`, `"${'x'.repeat(300_000)}"`),
  },
);
const contentType = fc.oneof(
  { weight: 9, arbitrary: fc.constant('application/json') },
  { weight: 1, arbitrary: fc.constantFrom('text/plain', 'multipart/form-data; boundary=x', '') },
);
/** What becomes of the address's query: as it was made, or with one of its values changed, doubled or gone. */
const change = fc.option(
  fc.record({ name: fc.constantFrom('job_id', 'run', 'expires', 'token'), to: fc.option(text), doubled: fc.boolean() }),
  { freq: 2 },
);

it(`answers ${requests} arbitrary callbacks with a code, and stores those alone whose token holds`, {
  timeout: 300_000,
}, async () => {
  await using t = await startBridge({});
  await using raw = await rawNats(t.nats.url);
  const agent = new Agent({ connections: atOnce });
  const tokens = createCallbackTokens(t.bridge.url, [callbackSecret]);
  let sent = 0;
  /** The address of a run, which changes before a run has had more callbacks than are stored. */
  const ownQuery = () => {
    const run = 1 + Math.floor(sent++ / callbacksOfRun);
    return new URL(tokens.urlFor('fuzzed', run, new Date(Date.now() + 3_600_000))).searchParams;
  };
  const statuses = new Map<number, number>();
  const shots = fc.record({ change, body, contentType });
  await fc.assert(
    fc.asyncProperty(fc.array(shots, { minLength: atOnce, maxLength: atOnce }), async (batch) => {
      await Promise.all(
        batch.map(async (shot) => {
          const query = ownQuery();
          const asked = changed(query, shot.change);
          const { statusCode, body: answer } = await request(`${t.bridge.url}${path}?${asked}`, {
            ...{ method: 'POST', dispatcher: agent, body: shot.body },
            headers: { 'content-type': shot.contentType },
          });
          const said = await answer.text();
          const facts = `${asked} ${String(shot.body).slice(0, 300)}\n→ ${statusCode} ${said.slice(0, 500)}`;
          statuses.set(statusCode, (statuses.get(statusCode) ?? 0) + 1);
          expect(statusCode, facts).toBeLessThan(500);
          expect(said, facts).not.toMatch(infrastructureError);
          if (statusCode >= 400) expect(Object.keys(errorCatalogue), facts).toContain(JSON.parse(said).detail?.error);
          if (statusCode === 200) expect(asked.toString(), facts).toBe(query.toString());
        }),
      );
    }),
    { numRuns: requests / atOnce, seed, endOnFailure: true },
  );
  await agent.close();
  process.stdout.write(`fuzzing callbacks with seed ${seed}: ${JSON.stringify(Object.fromEntries(statuses))}\n`);
  expect(statuses.get(200)).toBeGreaterThan(requests / 10);
  expect([...statuses.keys()]).toEqual(expect.arrayContaining([400, 401, 413, 415, 422]));

  const { state } = await raw.manager.streams.info('JOBS', { subjects_filter: '>' });
  expect(Object.keys(state.subjects ?? {})).toEqual([subjectOf('callback', 'fuzzed')]);
  expect(state.messages).toBeLessThanOrEqual(statuses.get(200) ?? 0);
  expect(t.bridge.output()).not.toMatch(/"level":60|uncaught|unhandled/i);
  expect((await request(`${t.bridge.url}/readyz`)).statusCode).toBe(200);
});

function changed(query: URLSearchParams, how: typeof change extends fc.Arbitrary<infer T> ? T : never) {
  const made = new URLSearchParams(query);
  if (how === null) return made;
  if (how.doubled) made.append(how.name, (how.to ?? 'x').toWellFormed());
  else if (how.to === null) made.delete(how.name);
  else made.set(how.name, how.to.toWellFormed());
  return made;
}
