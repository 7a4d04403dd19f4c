/** One pino JSON line an event on stdout. Texts, image addresses and secrets are never passed to it above debug. */
import { destination, type Logger, pino } from 'pino';

export type Log = Logger;

/** A logger named after its service; `level` is one of pino's. */
export function createLog(service: string, level: string): Log {
  return pino(
    {
      name: service,
      level,
      base: { service },
      timestamp: pino.stdTimeFunctions.isoTime,
      serializers: { error: pino.stdSerializers.errWithCause },
    },
    // Synchronous: what a process said right before it died is what its reader needs most.
    destination({ dest: 1, sync: true }),
  );
}
