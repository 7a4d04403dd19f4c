/**
 * One pino JSON line an event on stdout. Texts and image addresses are not passed to it above debug; no secret is in any
 * line, and of an error only what is known to hold none of what it was about: clients hang whole commands and requests
 * on theirs.
 */
import { destination, type Logger, pino } from 'pino';
import { redact } from './redact.ts';

export type Log = Logger;

const causesMax = 5;
const errorsMax = 3;

/** A logger named after its service; `level` is one of pino's. */
export function createLog(service: string, level: string): Log {
  return pino(
    {
      name: service,
      level,
      base: { service },
      timestamp: pino.stdTimeFunctions.isoTime,
      serializers: { error: shownError, err: shownError },
      hooks: { streamWrite: redact },
    },
    // Synchronous: what a process said right before it died is what its reader needs most.
    destination({ dest: 1, sync: true }),
  );
}

/** What is logged of an error, its causes included: how it reads, where it was thrown, and its codes. */
export function shownError(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error)) return error;
  const { cause, errors, code, errno, syscall, address, port, status, retryAfterMs, api_error } = error as Details;
  const codes = { code, errno, syscall, address, port, status, retryAfterMs, api_error };
  return {
    type: error.name,
    message: error.message,
    stack: error.stack,
    ...Object.fromEntries(Object.entries(codes).filter(([, value]) => value !== undefined)),
    ...(cause === undefined || depth >= causesMax ? {} : { cause: shownError(cause, depth + 1) }),
    ...(errors === undefined || depth >= causesMax
      ? {}
      : { errors: errors.slice(0, errorsMax).map((one) => shownError(one, depth + 1)) }),
  };
}

type Details = Error & {
  readonly [name in
    | 'code'
    | 'errno'
    | 'syscall'
    | 'address'
    | 'port'
    | 'status'
    | 'retryAfterMs'
    | 'api_error']?: unknown;
} & { readonly errors?: readonly unknown[] };
