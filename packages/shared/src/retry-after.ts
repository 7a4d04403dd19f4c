/** `Retry-After` (RFC 9110 section 10.2.3), as vendors, image hosts and the backend send it. */

const retryAfterMsMax = 3_600_000;

/** A `Retry-After` header (seconds or an HTTP date) in milliseconds from now, 0 to an hour; undefined if unreadable. */
export function parseRetryAfterMs(header: string | string[] | undefined): number | undefined {
  if (typeof header !== 'string') return undefined;
  const isSeconds = /^\d+$/.test(header);
  // Date.parse alone reads nearly anything as a date; HTTP's dates end in GMT.
  if (!isSeconds && !header.endsWith(' GMT')) return undefined;
  const waitMs = isSeconds ? Number(header) * 1_000 : Date.parse(header) - Date.now();
  return Number.isNaN(waitMs) ? undefined : Math.min(Math.max(waitMs, 0), retryAfterMsMax);
}
