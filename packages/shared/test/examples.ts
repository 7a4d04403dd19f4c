/** One example of every event, as it travels. The golden files, the docs and the tests are made from them. */
import { createEvent, type EventKind, type JobEvent } from '../src/index.ts';

const jobId = '3f2c8a54-9d1e-4b7a-8c6f-0e5d4a3b2c1d';
const options = { now: new Date('2026-01-02T03:04:05.678Z') };
const later = '2026-01-02T04:04:05.678Z';
const claim = 'c0ffee00-0000-4000-8000-000000000001';

export const examples: { readonly [Kind in EventKind]: JobEvent<Kind> } = {
  received: createEvent(
    'received',
    jobId,
    {
      text: 'मेरा कुत्ता बहुत आलसी है।',
      image_url: 'https://photos.example/bruno.jpg',
      source_language: 'hi',
      target_language: 'en',
      metadata: { user: 42 },
      request_id: 'b1946ac9-2a4f-4a9e-9d0a-6c8a1f3d5e7b',
      request_sha256: 'a'.repeat(64),
      deadline_at: later,
    },
    { ...options, trace: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01' },
  ),
  answered: createEvent('answered', jobId, { waited_ms: 5_000 }, options),
  detected: createEvent(
    'detected',
    jobId,
    {
      pets: [{ label: 'dog', score: 0.91, box: { x: 10, y: 20, width: 300, height: 400 } }],
      model: 'yolox-nano',
      image: { width: 800, height: 1200, bytes: 123_456 },
      late: false,
    },
    options,
  ),
  rejected: createEvent(
    'rejected',
    jobId,
    { code: 'no_pets_detected', best_score: 0.07, model: 'yolox-nano', late: true },
    { ...options, part: 'late' },
  ),
  translated: createEvent(
    'translated',
    jobId,
    {
      text: 'My dog is very lazy.',
      source_language: 'hi',
      target_language: 'en',
      translated: true,
      provider: 'bhashini',
      pieces: 1,
    },
    options,
  ),
  claimed: createEvent('claimed', jobId, { claim, attempt: 1, deadline_at: later }, { ...options, part: claim }),
  released: createEvent(
    'released',
    jobId,
    { claim, attempt: 1, code: 'render_unreachable', retry_at: later },
    { ...options, part: claim },
  ),
  rendering: createEvent('rendering', jobId, { pid: 'p_1', deadline_at: later }, { ...options, part: claim }),
  callback: createEvent(
    'callback',
    jobId,
    { pid: 'p_1', status: 'ready', video_url: 'https://videos.example/p_1.mp4' },
    { ...options, part: 'f'.repeat(32) },
  ),
  rendered: createEvent(
    'rendered',
    jobId,
    { video_url: 'https://videos.example/p_1.mp4', pid: 'p_1', told_by: 'callback' },
    options,
  ),
  failed: createEvent('failed', jobId, { code: 'render_failed', at: 'settle', notify: true }, options),
  cancelled: createEvent('cancelled', jobId, { notify: true }, options),
  attempted: createEvent(
    'attempted',
    jobId,
    { attempt: 1, reason: 'HTTP 503', response_status: 503, next_attempt_at: later },
    { ...options, part: '1' },
  ),
  notified: createEvent('notified', jobId, { attempt: 2, response_status: 200 }, options),
  undeliverable: createEvent('undeliverable', jobId, { attempt: 3, reason: 'timeout' }, options),
  erased: createEvent('erased', jobId, {}, options),
};

/** Events with fields that came later and may be missing, by the name of their golden file. */
export const laterExamples: Readonly<Record<string, JobEvent>> = {
  'received-owned': { ...examples.received, data: { ...examples.received.data, owner: 'backend' } },
  'received-uploaded': {
    ...examples.received,
    data: {
      ...examples.received.data,
      image_url: `https://pet-roast.example/photos/${jobId}?expires=1767326945&signature=s`,
      image_id: jobId,
    },
  },
  'erased-owned': { ...examples.erased, data: { owner: 'backend' } },
};
