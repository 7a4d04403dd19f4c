/** What a fake has seen, in order, and a way to wait for the next of it without polling. */
import { EventEmitter } from 'node:events';

/** The oldest records make room beyond this, so that a long-running sandbox does not grow without end. */
const recordsMax = 10_000;
const waitMsDefault = 10_000;

export type RecordLog<T> = {
  add(record: T): T;
  /** Says that a record already in the log was completed, so that waiters look again. */
  changed(): void;
  all(): readonly T[];
  clear(): void;
  /** The first record, past or to come, that fits. Rejects after `timeoutMs` (10 s unless told), naming `what`. */
  waitFor(fits: (record: T) => boolean, timeoutMs?: number): Promise<T>;
};

/** An empty log; `what` names its records in messages. */
export function createRecordLog<T>(what: string): RecordLog<T> {
  const records: T[] = [];
  const news = new EventEmitter().setMaxListeners(0);
  return {
    add: (record) => {
      records.push(record);
      if (records.length > recordsMax) records.shift();
      news.emit('news');
      return record;
    },
    changed: () => void news.emit('news'),
    all: () => [...records],
    clear: () => void records.splice(0),
    waitFor: (fits, timeoutMs = waitMsDefault) =>
      new Promise((resolve, reject) => {
        const look = (): boolean => {
          const found = records.find(fits);
          if (found === undefined) return false;
          clearTimeout(timer);
          news.off('news', look);
          resolve(found);
          return true;
        };
        const timer = setTimeout(() => {
          news.off('news', look);
          reject(new Error(`no fitting ${what} within ${timeoutMs} ms (${records.length} seen)`));
        }, timeoutMs);
        if (!look()) news.on('news', look);
      }),
  };
}
