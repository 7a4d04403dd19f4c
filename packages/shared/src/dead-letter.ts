/** A dead letter: what a step gave up on, with all that an operator needs to judge and replay it. */
import { z } from 'zod';
import { contentOf, type StoredEvent } from './envelope.ts';
import { errorCatalogue } from './errors.ts';
import type { StepName } from './journey.ts';
import { hide, redact } from './redact.ts';
import type { Failure } from './run-stage.ts';

export const letterSchema = z.object({
  /** `permanent`: no attempt can help; `exhausted`: none was left; `max_deliveries`: its process died on every try. */
  cause: z.enum(['permanent', 'exhausted', 'unreadable', 'max_deliveries']),
  code: z.string(),
  message: z.string(),
  detail: z.string().optional(),
  step: z.string(),
  job_id: z.string(),
  event_id: z.string().optional(),
  run: z.number().int().optional(),
  /** The message's place in the job stream. */
  stream_seq: z.number().int(),
  deliveries: z.number().int().optional(),
  /** The bytes themselves, where they could not be read. */
  raw_base64: z.string().optional(),
  time: z.iso.datetime(),
});
export type DeadLetter = z.infer<typeof letterSchema>;
/** `seq` is its place in the dead-letter stream, and its id. */
export type StoredLetter = DeadLetter & { readonly seq: number };

const detailLengthMax = 1_000;

/** The letter for an event on which a step failed for good. */
export function letterOf(step: StepName, event: StoredEvent, failure: Failure): DeadLetter {
  const said = failure.error instanceof Error ? hide(failure.error.message, contentOf(event)) : undefined;
  const detail = said === undefined ? {} : { detail: redact(said).slice(0, detailLengthMax) };
  return {
    cause: failure.why,
    code: failure.code,
    message: errorCatalogue[failure.code].message,
    ...detail,
    step,
    job_id: event.job_id,
    event_id: event.id,
    run: event.run,
    stream_seq: event.seq,
    time: new Date().toISOString(),
  };
}

/** Reads a stored letter; undefined for bytes that are none. */
export function readLetter(bytes: Uint8Array, seq: number): StoredLetter | undefined {
  try {
    return { ...letterSchema.parse(JSON.parse(new TextDecoder().decode(bytes))), seq };
  } catch {
    return undefined;
  }
}
