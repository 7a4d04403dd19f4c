/** What is left of a job's earlier run, in the queue of a step that was away, once the job was replayed and is over anew. */
import { createEvent, createLog, type JobEvent, type Stage, type StoredEvent, subjectOf } from '@pet-roast/shared';
import { brokerForTest, natsForTest } from '@pet-roast/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { examples } from '../packages/shared/test/examples.ts';
import { receivedToDetected } from '../services/detector/src/received-to-detected.ts';
import type { SubmitDeps } from '../services/revid-bridge/src/submit-render.ts';
import { translatedToRendering } from '../services/revid-bridge/src/translated-to-rendering.ts';
import { detectedToTranslated } from '../services/translator/src/detected-to-translated.ts';

type Broker = Awaited<ReturnType<typeof brokerForTest>>;
let nats: Awaited<ReturnType<typeof natsForTest>>;
let broker: Broker;

beforeAll(async () => {
  nats = await natsForTest();
  broker = await brokerForTest(nats.url);
});
afterAll(async () => {
  await broker?.close();
  await nats?.close();
});

const unasked = async (): Promise<never> => {
  throw new Error('nothing is to be done for an earlier run');
};
const steps: [string, 'received' | 'detected' | 'translated', (own: Broker) => Stage][] = [
  [
    'detect',
    'received',
    (own) =>
      receivedToDetected({ broker: own, fetchImage: unasked, readUpload: unasked, look: unasked, cache: undefined }),
  ],
  [
    'translate',
    'detected',
    (own) => detectedToTranslated({ broker: own, translator: { provider: 'none', translateBatch: unasked } }),
  ],
  [
    'submit',
    'translated',
    (own) => translatedToRendering({ broker: own, revid: { submit: unasked } } as unknown as SubmitDeps),
  ],
];

it.each(steps)('step %s does nothing for its %s, and leaves no dead letter', async (step, kind, stageOf) => {
  const jobId = `earlier-${step}`;
  const publish = async (event: JobEvent, after?: StoredEvent) => (await broker.publish(event, after?.seq ?? 0)).event;
  const { data } = examples.received as StoredEvent<'received'>;
  const received = await publish(createEvent('received', jobId, data));
  const own =
    kind === 'received' ? received : await publish({ ...examples[kind], job_id: jobId, id: `${jobId}:${kind}` });
  const failure = { code: 'deadline_exceeded', at: 'expire', notify: true } as const;
  const failed = await publish(createEvent('failed', jobId, failure));
  await publish(createEvent('received', jobId, data, { run: 2 }), received);
  await publish(createEvent('failed', jobId, failure, { run: 2 }), failed);

  const log = createLog('test', 'silent');
  const context = { signal: new AbortController().signal, deliveries: 1, storedAt: new Date(), log };
  expect(await stageOf(broker).handle(own, context)).toBeUndefined();
  expect(await broker.readLast(subjectOf('render', jobId))).toBeUndefined();
  expect(await broker.listDead(0, 10)).toEqual([]);
});
