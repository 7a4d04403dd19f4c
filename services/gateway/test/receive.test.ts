/** What becomes of a request whose job is stored, when there is no room for what follows. */
import { BrokerUnavailable, subjectOf } from '@pet-roast/shared';
import { brokerForTest, natsForTest, until } from '@pet-roast/testing';
import { expect, it } from 'vitest';
import { type ReceiveDeps, receive } from '../src/request-to-received.ts';

it('whose caller hears 503 since the stream is full behind it ends, and is not made and paid for', async () => {
  await using nats = await natsForTest();
  const broker = await brokerForTest(nats.url);
  const jobs: string[] = [];
  let isFull = true;
  const publish: typeof broker.publish = async (event, expected) => {
    if (event.kind !== 'received' && isFull) throw new BrokerUnavailable('the job stream is full', { full: true });
    jobs.push(event.job_id);
    return await broker.publish(event, expected);
  };
  const deps: ReceiveDeps = {
    broker: { ...broker, publish, decide: (event) => publish(event, 0) },
    photos: undefined,
    openJobs: { enter: async () => false, leave: async () => {} },
    verdictOf: async () => undefined,
    refusal: () => undefined,
    ...{ targetLanguage: 'en', detectWaitMs: 1, jobDeadlineMs: 60_000 },
  };
  const request = { text: 'My dog is lazy.', image_url: 'https://photos.example/dog.jpg' };
  const caller = { name: undefined, requestId: crypto.randomUUID(), idempotencyKey: undefined };
  await expect(receive(request, caller, deps)).rejects.toMatchObject({ full: true });
  isFull = false;
  const outcome = await until(() => broker.readLast(subjectOf('outcome', jobs[0] ?? '')), { what: 'its end' });
  expect(outcome).toMatchObject({ kind: 'failed', data: { code: 'unavailable', notify: false } });
  await broker.close();
});
