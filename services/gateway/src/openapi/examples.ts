/** One job's way through its answers, folded from events as the gateway itself does, so that the examples cannot lie. */
import {
  createEvent,
  type ErrorCode,
  type EventData,
  type EventKind,
  foldJob,
  type JobView,
  publicError,
  type StoredEvent,
} from '@pet-roast/shared';

export const exampleJobId = '3f2c8a54-9d1e-4b7a-8c6f-0e5d4a3b2c1d';
const requestId = 'b1946ac9-2a4f-4a9e-9d0a-6c8a1f3d5e7b';
const startMs = Date.parse('2026-01-02T03:04:05.678Z');
const videoUrl = 'https://cdn.revid.example/videos/pr_8f2c.mp4';

export const exampleRequest = {
  text: 'मेरा कुत्ता बहुत आलसी है।',
  image_url: 'https://photos.example.com/bruno.jpg',
  source_language: 'hi',
  target_language: 'en',
  metadata: { user_id: 42 },
};

/** A file is shown by its name. */
export const exampleForm = { text: exampleRequest.text, image: 'bruno.jpg', metadata: '{"user_id":42}' };

const received = at('received', 0, {
  ...exampleRequest,
  request_id: requestId,
  request_sha256: 'a'.repeat(64),
  deadline_at: new Date(startMs + 3_600_000).toISOString(),
});
const detected = at('detected', 1, {
  pets: [{ label: 'dog', score: 0.91, box: { x: 10, y: 20, width: 300, height: 400 } }],
  model: 'yolox-nano',
  late: false,
});
const translated = at('translated', 2, {
  text: 'My dog is very lazy.',
  source_language: 'hi',
  target_language: 'en',
  translated: true,
  pieces: 1,
});
const rendering = at('rendering', 3, { pid: 'pr_8f2c', deadline_at: new Date(startMs + 900_000).toISOString() });
const way = [received, detected, translated, rendering];

export const exampleJobs = {
  completed: view(...way, at('rendered', 95, { video_url: videoUrl, told_by: 'callback' })),
  processing: view(...way),
  queued: view(received, detected),
  failed: view(...way, at('failed', 95, { code: 'render_failed', at: 'settle', notify: true })),
  cancelled: view(received, detected, at('cancelled', 20, { notify: true })),
} as const;

/** The answer that a code is, as the catalogue words it. */
export function exampleError(code: ErrorCode): unknown {
  const field = fieldOf(code);
  return { detail: { ...publicError(code), ...(field === undefined ? {} : { field }) }, request_id: requestId };
}

function fieldOf(code: ErrorCode): string | undefined {
  if (code === 'invalid_field') return 'text';
  if (code === 'language_not_supported') return 'target_language';
  return code === 'no_pets_detected' || code.startsWith('image_') ? 'image_url' : undefined;
}

function at<Kind extends EventKind>(kind: Kind, afterS: number, data: EventData<Kind>): StoredEvent {
  const event = createEvent(kind, exampleJobId, data, { now: new Date(startMs + afterS * 1_000) });
  return { ...event, seq: afterS + 1 } as StoredEvent;
}

function view(...events: readonly StoredEvent[]): JobView {
  const job = foldJob(events);
  if (job === undefined) throw new Error('an example without its received event');
  return job;
}
