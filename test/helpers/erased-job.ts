/** A job's traces in the streams: making all of them, and looking for them. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Broker, createEvent, type JobEvent } from '@pet-roast/shared';
import type { RawNats } from '@pet-roast/testing';

/** In everything of such a job that may tell of it. */
export const content = 'only-in-what-is-erased';

export function receivedOf(jobId: string, more: { readonly run?: number; readonly owner?: string } = {}) {
  const { run = 1, ...owner } = more;
  const data = {
    ...{ text: `A roast, ${content}`, image_url: `https://photos.example/${content}.jpg`, target_language: 'en' },
    ...{ request_id: 'r', request_sha256: content, deadline_at: new Date(Date.now() + 3_600_000).toISOString() },
    ...owner,
  };
  return createEvent('received', jobId, data, { run });
}

/** Every event that a job can have behind its request, several of those that can happen several times. */
export function laterEventsOf(jobId: string): JobEvent[] {
  const later = new Date(Date.now() + 3_600_000).toISOString();
  const videoUrl = `https://videos.example/${content}.mp4`;
  const translated = { source_language: 'hi', target_language: 'en', translated: true, pieces: 1 };
  return [
    createEvent('answered', jobId, { waited_ms: 1 }),
    createEvent('detected', jobId, { pets: [], skipped: content, late: true }, { part: 'late' }),
    createEvent('translated', jobId, { text: content, ...translated }),
    createEvent('claimed', jobId, { claim: content, attempt: 1, deadline_at: later }),
    createEvent('rendering', jobId, { pid: content, deadline_at: later }),
    createEvent('callback', jobId, { status: 'processing', error: content }, { part: '1' }),
    createEvent('callback', jobId, { status: 'ready', video_url: videoUrl }, { part: '2' }),
    createEvent('rendered', jobId, { video_url: videoUrl, told_by: 'callback' }),
    createEvent('attempted', jobId, { attempt: 1, reason: content, next_attempt_at: later }),
    createEvent('undeliverable', jobId, { attempt: 2, reason: content }),
  ];
}

/** Publishes a whole job, and a dead letter of it. */
export async function publishJob(broker: Broker, jobId: string): Promise<void> {
  await broker.publish(receivedOf(jobId), 0);
  for (const event of laterEventsOf(jobId)) await broker.publish(event);
  await publishLetter(broker, jobId);
}

export function publishLetter(broker: Broker, jobId: string, step = 'notify'): Promise<number | undefined> {
  return broker.publishDead(`letter-${crypto.randomUUID()}`, {
    ...{ cause: 'exhausted', code: 'attempts_exhausted', message: content, detail: content, step, job_id: jobId },
    ...{ raw_base64: Buffer.from(content).toString('base64'), stream_seq: 1, time: new Date().toISOString() },
  });
}

/** How many messages the streams hold of a job, by subject. */
export async function heldOf({ manager }: RawNats, jobId: string): Promise<Record<string, number>> {
  const [jobs, dead] = await Promise.all([
    manager.streams.info('JOBS', { subjects_filter: `jobs.v1.*.${jobId}` }),
    manager.streams.info('DEAD', { subjects_filter: `dead.v1.*.${jobId}` }),
  ]);
  return { ...jobs.state.subjects, ...dead.state.subjects };
}

/** The files below a folder that contain a text. */
export async function filesWith(folder: string, text: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const found = await Promise.all(files.map(async (file) => ((await readFile(file)).includes(text) ? [file] : [])));
  return found.flat();
}
