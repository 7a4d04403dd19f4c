/** A job is cancelled at any stage, and ends once: cancelled, or what it was when the cancel came too late. */
import { readFile } from 'node:fs/promises';
import { startTestSystem, type TestSystem } from '@pet-roast/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { apiOf } from './helpers/api.ts';

const pet = new URL('../packages/sandbox/assets/pet.jpg', import.meta.url);
const hindi = 'मेरा कुत्ता बहुत आलसी है।';
let t: TestSystem;
let api: ReturnType<typeof apiOf>;

beforeAll(async () => {
  t = await startTestSystem({
    env: { DETECT_WAIT_MS: '300' },
    world: { images: { 'pet.jpg': await readFile(pet) } },
  });
  api = apiOf(t);
});
afterAll(async () => {
  await t?.[Symbol.asyncDispose]();
});
afterEach(() => {
  t.world.revid.clearFaults();
  t.world.bhashini.clearFaults();
});

describe('a cancel', () => {
  it('before the verdict ends the job without a render', async () => {
    const detector = t.system.service('detector').pid;
    process.kill(detector, 'SIGSTOP');
    const { body } = await api.generate().finally(() => undefined);
    const cancelled = await api.cancel(body.job_id);
    process.kill(detector, 'SIGCONT');
    expect(cancelled).toMatchObject({ status: 202, body: { status: 'cancelled' } });
    await expectCancelled(body.job_id, 0);
  });

  it('while the text is translated ends the job without a render', async () => {
    t.world.bhashini.pushFaults({ at: 'compute', kind: 'hang', ms: 1_500 });
    const { body } = await api.generate({ text: hindi });
    expect((await api.cancel(body.job_id)).status).toBe(202);
    await expectCancelled(body.job_id, 0);
  });

  it('while the video is made ends the job, and its callback changes nothing', async () => {
    t.world.revid.pushFaults({ at: 'render', kind: 'behave', behaviour: { result: 'never' } });
    const { body } = await api.generate();
    await api.reaches(body.job_id, 'rendering');
    expect((await api.cancel(body.job_id)).status).toBe(202);
    await expectCancelled(body.job_id, 1);
    t.world.revid.finish(api.renders(body.job_id)[0]?.pid ?? '');
    await t.world.revid.callbacks.waitFor((callback) => JSON.stringify(callback).includes(body.job_id));
    await t.settled();
    await expectCancelled(body.job_id, 1);
  });

  it('of a job that is over is refused', async () => {
    const { body } = await api.generate();
    await api.ended(body.job_id);
    expect(await api.cancel(body.job_id)).toMatchObject({
      status: 409,
      body: { detail: { error: 'job_already_over' } },
    });
    expect((await api.get(`/api/video-status/${body.job_id}`)).body.status).toBe('completed');
  });

  it('of a job that is not there is 404', async () => {
    expect(await api.cancel('no-such-job')).toMatchObject({
      status: 404,
      body: { detail: { error: 'job_not_found' } },
    });
  });

  it('that races with the end has one outcome, the one that was answered and told', async () => {
    t.world.revid.setBehaviour({ renderMs: 0 });
    const ends = { cancelled: 0, completed: 0 };
    const races = Array.from({ length: 30 }, async (_, index) => {
      const { body } = await api.generate();
      // Spread over the way from the submission to the outcome.
      await new Promise((resolve) => setTimeout(resolve, index * 12));
      const answer = await api.cancel(body.job_id);
      const view = await api.ended(body.job_id, 60_000);
      const told = api.webhooks(body.job_id).map((webhook) => (webhook.body as { status: string }).status);
      expect(view.status).toBe(answer.status === 202 ? 'cancelled' : 'completed');
      expect(new Set(told)).toEqual(new Set([view.status]));
      ends[view.status as keyof typeof ends]++;
    });
    await Promise.all(races);
    t.world.revid.setBehaviour({ renderMs: 200 });
    expect(ends.cancelled + ends.completed).toBe(30);
    expect(ends.cancelled).toBeGreaterThan(0);
  });
});

async function expectCancelled(jobId: string, renders: number): Promise<void> {
  expect(await api.ended(jobId)).toMatchObject({ status: 'cancelled', stage: 'notified', video_url: null });
  await t.settled();
  expect(api.webhooks(jobId)).toMatchObject([{ signature_valid: true, body: { status: 'cancelled' } }]);
  expect(api.renders(jobId)).toHaveLength(renders);
}
