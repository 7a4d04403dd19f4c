/** Refusals of callers: counted by their code, since they are not logged one by one. */
import { createCounter, HttpError } from '@pet-roast/shared';

export type RefusalCode = 'unauthorized' | 'rate_limited' | 'too_many_jobs';

const count = createCounter<RefusalCode>(
  'pet_roast_refused_requests_total',
  'Requests refused because of who sent them, by error code',
  'code',
);

/** The answer that a refusal is. */
export function refused(code: RefusalCode, retryAfterS?: number): HttpError {
  count(code);
  return new HttpError(code, retryAfterS === undefined ? {} : { retryAfterS });
}
