/** What was given up on is seen by the operator, and replayed. */
import { readFile } from 'node:fs/promises';
import { createEvent } from '@pet-roast/shared';
import { brokerForTest, startTestSystem, type TestSystem, until } from '@pet-roast/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { apiOf } from './helpers/api.ts';

const pet = new URL('../packages/sandbox/assets/pet.jpg', import.meta.url);
let t: TestSystem;
let api: ReturnType<typeof apiOf>;

type Letter = { id: number; step: string; cause: string; code: string; job_id: string; detail?: string };
type Letters = { letters: Letter[] };

beforeAll(async () => {
  t = await startTestSystem({
    env: { SUBMIT_ATTEMPTS_MAX: '2' },
    world: { images: { 'pet.jpg': await readFile(pet) } },
  });
  api = apiOf(t);
});
afterAll(async () => {
  await t?.[Symbol.asyncDispose]();
});
beforeEach(async () => {
  await t.settled();
  t.world.backend.clearDeliveries();
  t.world.revid.clearFaults();
});

const lettersOf = async (jobId: string) => (await api.admin<Letters>(`/dead-letters?job_id=${jobId}`)).body.letters;
const outcomeSeqOf = (jobId: string) => t.lastSeqOf(`jobs.v1.outcome.${jobId}`);
const onlyLetterOf = async (jobId: string): Promise<Letter> => {
  const letters = await lettersOf(jobId);
  expect(letters).toHaveLength(1);
  return letters[0] as Letter;
};

describe('a dead letter', () => {
  it('is shown to nobody without the token', async () => {
    for (const headers of [{}, { authorization: 'Bearer wrong' }, { authorization: 'Basic eDp5' }]) {
      expect(await api.call('/admin/dead-letters', { headers })).toMatchObject({
        status: 401,
        body: { detail: { error: 'unauthorized' } },
      });
    }
  });

  it('of a job that failed names the step and the cause; its replay completes the job and leaves the list', async () => {
    t.world.revid.pushFaults({ at: 'render', kind: 'refused_200', times: 1 });
    const { body } = await api.generate();
    expect(await api.ended(body.job_id)).toMatchObject({
      status: 'failed',
      error: { error: 'render_account_refused' },
    });
    const letter = await onlyLetterOf(body.job_id);
    expect(letter).toMatchObject({
      step: 'submit',
      cause: 'permanent',
      code: 'render_account_refused',
      detail: expect.stringContaining('insufficient_credits'),
    });

    expect(await api.admin(`/dead-letters/${letter.id}/replay`, {})).toEqual({
      status: 200,
      body: { job_id: body.job_id, replayed: 'next_run' },
    });
    await api.completes(body.job_id);
    await api.ended(body.job_id);
    expect(await lettersOf(body.job_id)).toEqual([]);
    expect(api.renders(body.job_id)).toHaveLength(1);
    await t.settled();
    const told = api.webhooks(body.job_id);
    expect(told.map((webhook) => webhook.headers['webhook-id'])).toEqual([
      `msg_${body.job_id}`,
      `msg_${body.job_id}_2`,
    ]);
    expect(told.map((webhook) => webhook.body)).toMatchObject([{ status: 'failed' }, { status: 'completed' }]);
  });

  it('of a job that may have been paid is replayed only where a second payment is allowed', async () => {
    t.world.revid.pushFaults({ at: 'render', kind: 'behave', behaviour: { result: 'failed' }, times: 1 });
    const { body } = await api.generate();
    await api.ended(body.job_id);
    const letter = await onlyLetterOf(body.job_id);
    expect(await api.admin(`/dead-letters/${letter.id}/replay`, {})).toMatchObject({
      status: 409,
      body: { detail: { error: 'second_payment_possible' } },
    });
    expect(api.renders(body.job_id)).toHaveLength(1);
    const allowed = await api.admin(`/dead-letters/${letter.id}/replay`, { allow_second_payment: true });
    expect(allowed.status).toBe(200);
    await api.completes(body.job_id);
    expect(api.renders(body.job_id)).toHaveLength(2);
  });

  it('of a webhook is replayed under the id that the backend knows', async () => {
    t.world.backend.pushAnswers({ kind: 'http', status: 410 });
    const { body } = await api.generate();
    expect(await api.ended(body.job_id)).toMatchObject({ status: 'completed', stage: 'undeliverable' });
    const letter = await onlyLetterOf(body.job_id);
    expect(letter).toMatchObject({ step: 'notify', detail: 'webhook: HTTP 410' });
    await t.settled();
    const ended = await countedEnds();
    expect((await api.admin(`/dead-letters/${letter.id}/replay`, {})).status).toBe(200);
    await api.reaches(body.job_id, 'notified');
    expect(await lettersOf(body.job_id)).toEqual([]);
    await t.settled();
    expect(await countedEnds()).toEqual(ended);
    const ids = api.webhooks(body.job_id).map((webhook) => webhook.headers['webhook-id']);
    expect(ids).toEqual([`msg_${body.job_id}`, `msg_${body.job_id}`]);
  });

  it('is replayed with all that fit a filter, and what cannot be is said', async () => {
    t.world.revid.pushFaults({ at: 'render', kind: 'http', status: 422, times: 3 });
    const jobs = [];
    for (let index = 0; index < 3; index++) jobs.push((await api.generate()).body.job_id);
    for (const jobId of jobs) await api.ended(jobId);
    type Replayed = { replayed: { id: number; job_id: string }[]; refused: unknown[]; next?: number };
    const filter = { code: 'render_refused' };
    const { body: one } = await api.admin<Replayed>('/dead-letters/replay', { filter, limit: 1 });
    const [first] = one.replayed;
    // What is left behind, refused for instance, is not in the way of what follows.
    expect(one).toMatchObject({ replayed: [{ id: one.next }], refused: [] });
    const { body } = await api.admin<Replayed>('/dead-letters/replay', { filter, after: one.next, limit: 50 });
    expect([first, ...body.replayed].map((entry) => entry?.job_id).toSorted()).toEqual(jobs.toSorted());
    expect(body).toEqual({ replayed: expect.any(Array), refused: [] });
    const past = { filter, after: Math.max(...body.replayed.map(({ id }) => id)) };
    expect((await api.admin<Replayed>('/dead-letters/replay', past)).body).toEqual({ replayed: [], refused: [] });
    for (const jobId of jobs) await api.completes(jobId);
  });

  it('cannot be replayed twice, nor one that is not there', async () => {
    t.world.revid.pushFaults({ at: 'render', kind: 'http', status: 422, times: 1 });
    const { body } = await api.generate();
    await api.ended(body.job_id);
    const letter = await onlyLetterOf(body.job_id);
    const both = await Promise.all([1, 2].map(() => api.admin(`/dead-letters/${letter.id}/replay`, {})));
    for (const { status } of both) expect([200, 404, 409]).toContain(status);
    expect(both.map((answer) => answer.status)).toContain(200);
    await api.completes(body.job_id);
    await t.settled();
    expect(api.renders(body.job_id)).toHaveLength(1);
    expect(api.webhooks(body.job_id)).toHaveLength(2);
    expect((await api.admin('/dead-letters/999999/replay', {})).status).toBe(404);
    expect((await api.admin('/dead-letters/x/replay', {})).status).toBe(404);
  });

  it('of a notifier that died on every try can be replayed too', async () => {
    const { body } = await api.generate();
    await api.ended(body.job_id);
    await t.system.kill('notifier');
    t.world.backend.clearDeliveries();
    const { body: second } = await api.generate();
    const seq = await until(async () => (await outcomeSeqOf(second.job_id)) ?? 0, { what: 'the outcome' });
    // What the server says when it gives up, said for it: 2,000 deaths take too long.
    await t.publish('$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.JOBS.notifier-notify', {
      ...{ stream: 'JOBS', consumer: 'notifier-notify', stream_seq: seq, deliveries: 2_003 },
    });
    expect(await api.reaches(second.job_id, 'undeliverable')).toMatchObject({ status: 'completed' });
    const letter = await onlyLetterOf(second.job_id);
    expect(letter).toMatchObject({ step: 'notify', cause: 'max_deliveries' });
    await t.system.start('notifier');
    expect((await api.admin(`/dead-letters/${letter.id}/replay`, {})).status).toBe(200);
    await api.reaches(second.job_id, 'notified');
  });

  it('is made of a message that kills its process on every try, and the job is failed and told', async () => {
    const broker = await brokerForTest(t.nats.url);
    // A translator that dies of one job's text: it is killed whenever it has the message in hand.
    await t.system.kill('translator');
    const jobId = crypto.randomUUID();
    const take = await broker.openStep('translate');
    await broker.publish(
      createEvent('received', jobId, {
        text: 'poison',
        image_url: t.world.images.urlOf('pet.jpg'),
        target_language: 'en',
        request_id: 'test',
        request_sha256: '',
        deadline_at: new Date(Date.now() + 600_000).toISOString(),
      }),
      0,
    );
    let deliveries = 0;
    // Handing back stands for dying: to the server it is one delivery more either way, and the test is quick.
    await until(
      async () => {
        const delivery = await take();
        if (delivery?.subject.endsWith(jobId)) deliveries = delivery.deliveries;
        delivery?.nak(10);
        return deliveries >= 9;
      },
      { what: 'the last delivery', timeoutMs: 40_000 },
    );
    await broker.close();
    // The server notices when it would deliver the message once more: that is, when somebody pulls.
    await t.system.start('translator');
    expect(await api.ended(jobId, 40_000)).toMatchObject({ status: 'failed', error: { error: 'attempts_exhausted' } });
    expect(await lettersOf(jobId)).toMatchObject([{ step: 'translate', cause: 'max_deliveries' }]);
    expect(api.webhooks(jobId)).toMatchObject([{ body: { status: 'failed', error_code: 'attempts_exhausted' } }]);
  });
});

/** What the gateway counts of how jobs ended. */
async function countedEnds(): Promise<string[]> {
  const metrics = await (await fetch(`${t.system.gatewayUrl}/metrics`)).text();
  return metrics.match(/^pet_roast_jobs_ended_total\{.*$/gm) ?? [];
}
