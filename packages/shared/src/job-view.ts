/**
 * What a caller reads of a job: a pure fold over its events.
 *
 * The fold is monotone by rank: an outcome absorbs everything before it, a status never goes back, and the order in
 * which events arrive does not matter (an early callback puts `rendered` before `rendering`). Within one rank the
 * later place in the stream counts. Of a replayed job only the newest run counts.
 */

import { isKind, type StoredEvent } from './envelope.ts';
import { type ErrorEntry, errorCatalogue } from './errors.ts';
import { events, type Pet, type PublicStatus } from './journey.ts';

export type JobView = {
  readonly job_id: string;
  readonly status: PublicStatus;
  readonly stage: string;
  readonly video_url: string | null;
  /** One sentence for people about where the job is. */
  readonly detail: string;
  readonly error: { readonly error: string; readonly message: string; readonly suggestion: string } | null;
  readonly detection: { readonly pets: readonly Pet[]; readonly skipped?: string; readonly model?: string } | null;
  readonly translation: {
    readonly text: string;
    readonly source_language: string;
    readonly translated: boolean;
  } | null;
  readonly created_at: string;
  readonly updated_at: string;
};

/** Folds a job's events, in any order, into its view; undefined without its `received` event, and where it is erased. */
export function foldJob(all: readonly StoredEvent[]): JobView | undefined {
  const received = all.find((event) => isKind(event, 'received'));
  if (received === undefined || all.some((event) => isKind(event, 'erased'))) return undefined;
  const run = Math.max(...all.map((event) => event.run));
  const current = all.filter((event) => event.run === run || event === received).sort(byRankThenSeq);
  const last = <K extends StoredEvent['kind']>(...kinds: readonly K[]) =>
    current.findLast((e) => isKind(e, ...kinds)) as (StoredEvent & StoredEvent<K>) | undefined;

  const detected = last('detected');
  const translated = last('translated');
  const rendered = last('rendered');
  const failed = last('failed');
  // Between a rejection and the outcome that follows it, the rejection's code is the error already.
  const failure = failed ?? (last('rendered', 'cancelled') ? undefined : last('rejected'));
  const toldInTheAnswer = isKind(failed, 'failed') && !failed.data.notify;
  return {
    job_id: received.job_id,
    status: current.reduce<PublicStatus>((status, event) => entryOf(event).status ?? status, 'queued'),
    stage: toldInTheAnswer
      ? 'rejected'
      : current.reduce<string>((stage, event) => entryOf(event).stage ?? stage, 'received'),
    video_url: rendered?.data.video_url ?? null,
    detail: detailOf(current),
    error: failure ? publicError(failure.data.code) : null,
    detection: detected
      ? {
          pets: detected.data.pets,
          ...(detected.data.skipped === undefined ? {} : { skipped: detected.data.skipped }),
          ...(detected.data.model === undefined ? {} : { model: detected.data.model }),
        }
      : null,
    translation: translated
      ? {
          text: translated.data.text,
          source_language: translated.data.source_language,
          translated: translated.data.translated,
        }
      : null,
    created_at: received.time,
    updated_at: latestOf(current),
  };
}

/** Whether nothing but the webhook's delivery can still change the view. */
export function isOver(view: JobView): boolean {
  return view.status === 'completed' || view.status === 'failed' || view.status === 'cancelled';
}

/** A code of the catalogue in the one public error shape. */
export function publicError(code: keyof typeof errorCatalogue): { error: string; message: string; suggestion: string } {
  const { message, suggestion }: ErrorEntry = errorCatalogue[code];
  return { error: code, message, suggestion };
}

function byRankThenSeq(a: StoredEvent, b: StoredEvent): number {
  return entryOf(a).rank - entryOf(b).rank || a.seq - b.seq;
}

function entryOf(event: StoredEvent): { rank: number; stage?: string; status?: PublicStatus } {
  return events[event.kind];
}

/** ISO times of one form order as their texts do. */
function latestOf(current: readonly StoredEvent[]): string {
  return (
    current
      .map((event) => event.time)
      .toSorted()
      .at(-1) ?? ''
  );
}

function detailOf(current: readonly StoredEvent[]): string {
  const event = current.findLast((e) => sentenceOf(e) !== undefined);
  return (event && sentenceOf(event)) ?? '';
}

function sentenceOf(event: StoredEvent): string | undefined {
  switch (event.kind) {
    case 'received':
      return 'The request is in the queue.';
    case 'detected':
      if (event.data.skipped !== undefined) return `The photo was not checked for pets: ${event.data.skipped}.`;
      return `Found in the photo: ${event.data.pets.map((pet) => pet.label).join(', ')}.`;
    case 'translated':
      return event.data.translated ? 'The text is translated.' : 'The text needs no translation.';
    case 'rendering':
      return 'The video is being made.';
    case 'rendered':
      return 'The video is ready.';
    case 'rejected':
    case 'failed':
      return errorCatalogue[event.data.code].message;
    case 'cancelled':
      return 'The job was cancelled.';
    default:
      return undefined;
  }
}
