/** An event as a line for people. */
import type { StoredEvent } from '@pet-roast/shared';

/** Undefined for what is of no interest to a person who watches. */
export function tellEvent(event: StoredEvent): string | undefined {
  const line = (stage: string, text = '') => `${stage.padEnd(11)} ${text}`.trimEnd();
  switch (event.kind) {
    case 'received':
      return line('received', 'the request is durable');
    case 'answered':
      return line('answered', 'with 202, before the verdict');
    case 'detected': {
      const pets = event.data.pets.map((pet) => `${pet.label} ${pet.score.toFixed(2)}`).join(', ');
      return line('detected', event.data.skipped ? `skipped: ${event.data.skipped}` : `${pets} (${event.data.model})`);
    }
    case 'rejected':
    case 'failed':
      return line(event.kind, event.data.code);
    case 'translated': {
      const { source_language: from, target_language: to, translated, text } = event.data;
      return line('translated', translated ? `${from} → ${to}: ${text}` : `passed on (${event.data.skipped_reason})`);
    }
    case 'claimed':
      return undefined;
    case 'released':
      return line('released', `the vendor refused for now (${event.data.code})`);
    case 'rendering':
      return line('rendering', `Revid has it as ${event.data.pid}`);
    case 'callback':
      return line('callback', `Revid says ${event.data.status}`);
    case 'rendered':
      return line('rendered', event.data.video_url);
    case 'cancelled':
      return line('cancelled');
    case 'attempted':
      return line('attempted', `webhook ${event.data.attempt}: ${event.data.reason}`);
    case 'notified':
      return line('notified', `the backend answered ${event.data.response_status}`);
    case 'undeliverable':
      return line('undeliverable', event.data.reason);
    case 'erased':
      return line('erased');
  }
}
