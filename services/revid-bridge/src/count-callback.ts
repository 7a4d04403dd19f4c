/** What becomes of callbacks, counted; the sum is all that came. */
import { createCounter } from '@pet-roast/shared';

export const countCallback = createCounter<
  /** Without a token that holds: forged, or expired. */
  | 'refused'
  /** The same once more, while the first is remembered: it is not even stored. */
  | 'repeated'
  /** Beyond what one run of a job may have. */
  | 'too_many'
  /** Late, for another pid, or no end. */
  | 'ignored'
  | 'rendered'
  | 'failed'
  /** The vendor, asked for it, says something else. */
  | 'contradicted'
  /** The vendor could not be asked in all attempts; polls decide. */
  | 'unconfirmed'
>(
  'pet_roast_callbacks_total',
  'Callbacks of the vendor, and of those who pretend to be it, by what became of them',
  'became',
);
