/** What the streams hold of a job that is erased, and what its tombstone decides. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Broker, createEvent, isKind, JobErased, type StoredEvent, subjectOf } from '@pet-roast/shared';
import { brokerForTest, natsForTest, type RawNats, rawNats } from '@pet-roast/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  content,
  filesWith,
  heldOf,
  laterEventsOf,
  publishJob,
  publishLetter,
  receivedOf,
} from './helpers/erased-job.ts';

let dataDir: string;
let nats: Awaited<ReturnType<typeof natsForTest>>;
let raw: RawNats;
let broker: Broker;
let other: Broker;

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'pet-roast-erase-'));
  nats = await natsForTest({ dataDir });
  [broker, other] = await Promise.all([brokerForTest(nats.url), brokerForTest(nats.url)]);
  raw = await rawNats(nats.url);
});
afterAll(async () => {
  await Promise.all([broker?.close(), other?.close(), raw?.[Symbol.asyncDispose]()]);
  await nats?.close();
  await rm(dataDir, { recursive: true, force: true });
});

async function bury(jobId: string): Promise<StoredEvent<'erased'>> {
  const received = await broker.readReceived(jobId);
  const { event } = await broker.publish(createEvent('erased', jobId, {}, { run: received.run }), received.seq);
  if (!isKind(event, 'erased')) throw new Error(`${event.kind} was first`);
  return event;
}

describe('an erased job', () => {
  it('leaves nothing but its tombstone, in the streams and on the server’s disk', async () => {
    await publishJob(broker, 'gone');
    const { event: received } = await broker.publish(receivedOf('gone'), 0);
    await broker.publish(receivedOf('gone', { run: 2 }), received.seq);
    expect(Object.values(await heldOf(raw, 'gone')).reduce((sum, count) => sum + count)).toBe(13);
    expect(await filesWith(dataDir, content)).not.toEqual([]);

    const tombstone = await bury('gone');
    await broker.deleteErased(tombstone);
    expect(await heldOf(raw, 'gone')).toEqual({ 'jobs.v1.received.gone': 1 });
    expect(await broker.readLast(subjectOf('received', 'gone'))).toEqual(tombstone);
    expect(tombstone.data).toEqual({});
    expect(await filesWith(dataDir, content)).toEqual([]);
    // Once more, by two at once: as when a call is repeated while step `project` is at it.
    await Promise.all([broker.deleteErased(tombstone), other.deleteErased(tombstone)]);
    expect(await heldOf(raw, 'gone')).toEqual({ 'jobs.v1.received.gone': 1 });
  });

  it('takes with it no message of another job that a step has yet to get', async () => {
    // nats-server 2.9 forgets all of them when a subject is purged.
    const pulls = await Promise.all([broker.openStep('translate'), broker.openStep('project')]);
    const before = await Promise.all([broker.backlogOf('translate'), broker.backlogOf('project')]);
    const jobs = Array.from({ length: 10 }, (_, index) => `bystander-${index}`);
    for (const jobId of jobs) {
      await broker.publish(receivedOf(jobId), 0);
      await broker.publish(createEvent('detected', jobId, { pets: [], late: false }), 0);
    }
    const inHand = await Promise.all(pulls.flatMap((pull) => [pull(), pull()]));
    await broker.deleteErased(await bury('bystander-5'));
    const after = await Promise.all([broker.backlogOf('translate'), broker.backlogOf('project')]);
    const total = (backlog: (typeof after)[number] | undefined) => (backlog?.waiting ?? 0) + (backlog?.inHand ?? 0);
    // The verdict is gone; the request is gone and the tombstone is there.
    expect(total(after[0]) - total(before[0])).toBe(jobs.length - 1);
    expect(total(after[1]) - total(before[1])).toBe(2 * jobs.length - 1);

    for (const delivery of inHand) delivery?.nak(100);
    const got = new Set<string>();
    for (let delivery = await pulls[0]?.(); delivery; delivery = await pulls[0]?.()) {
      got.add(delivery.subject);
      delivery.ack();
    }
    const verdicts = jobs.filter((jobId) => jobId !== 'bystander-5').map((jobId) => subjectOf('verdict', jobId));
    expect([...got].filter((subject) => subject.includes('bystander')).toSorted()).toEqual(verdicts.toSorted());
  });

  it('is read by nobody as a job, whichever subjects are looked at', async () => {
    await publishJob(broker, 'unread');
    const tombstone = await bury('unread');
    // Before anything is deleted: the tombstone alone counts.
    for (const subjects of [undefined, ['received'], ['outcome'], ['delivery', 'render']] as const) {
      const reading = other.readJob('unread', subjects);
      await expect(reading).rejects.toMatchObject({ name: 'JobErased', tombstone });
    }
    await expect(other.readReceived('unread')).rejects.toBeInstanceOf(JobErased);
    expect([await other.isErased('unread'), await other.isErased('never-there')]).toEqual([true, false]);
  });

  it('is never made again by a repeat of its request, nor moved on by a repeat of an event', async () => {
    await publishJob(broker, 'repeated');
    const tombstone = await bury('repeated');
    await broker.deleteErased(tombstone);
    expect(await other.publish(receivedOf('repeated'), 0)).toMatchObject({ ours: false, event: { kind: 'erased' } });
    for (const event of laterEventsOf('repeated').filter(({ kind }) => kind !== 'callback')) {
      await expect(other.publish(event, tombstone.seq - 1), event.kind).rejects.toBeInstanceOf(JobErased);
    }
    expect(await heldOf(raw, 'repeated')).toEqual({ 'jobs.v1.received.repeated': 1 });
  });

  it('keeps no dead letter that comes late', async () => {
    await publishJob(broker, 'lettered');
    await broker.deleteErased(await bury('lettered'));
    expect(await publishLetter(other, 'lettered', 'submit')).toBeUndefined();
    expect(await heldOf(raw, 'lettered')).toEqual({ 'jobs.v1.received.lettered': 1 });
  });

  it('is decided by the server where it is replayed at the same moment: one of the two happens', async () => {
    const won: string[] = [];
    for (let round = 0; round < 40; round++) {
      const jobId = `raced-${round}`;
      const { event: received } = await broker.publish(receivedOf(jobId), 0);
      const erase = () => broker.publish(createEvent('erased', jobId, {}), received.seq);
      const replay = () => other.publish(receivedOf(jobId, { run: 2 }), received.seq);
      const both = await Promise.all(round % 2 === 0 ? [erase(), replay()] : [replay(), erase()]);
      expect(both.filter(({ ours }) => ours)).toHaveLength(1);
      const [first, second] = both.map(({ event }) => event.id);
      expect(first).toBe(second);
      won.push(both[0]?.event.kind ?? '');
    }
    expect(new Set(won)).toEqual(new Set(['erased', 'received']));
  });
});
