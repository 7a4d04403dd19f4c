/**
 * The app's backend, asked by a GET without a body: whatever it answers, it is there, and nothing arrived that a backend
 * could take for a webhook. Its signature is tried later, by `GET /api/test-backend-connection`.
 */
import { z } from 'zod';
import { configSchema, webhookUrlFault } from '../../../services/notifier/src/config.ts';
import type { Values } from '../variables.ts';
import { failed, passed, type Verdict } from '../verdict.ts';
import { ask, checkTimeoutMs, deadlineIn } from './ask.ts';

/** Reads BACKEND_WEBHOOK_URL, which must be valid. */
export async function checkBackend(values: Values, timeoutMs = checkTimeoutMs): Promise<Verdict> {
  // The notifier's own reading, with the default path where none is named.
  const url = z.string().parse(configSchema.BACKEND_WEBHOOK_URL.parse(values['BACKEND_WEBHOOK_URL']));
  const { host, protocol } = new URL(url);
  const fault = webhookUrlFault(url);
  if (fault !== undefined) return failed(`the address ${fault}`, 'the address', 'give the https address');
  const answer = await ask(url, { deadline: deadlineIn(timeoutMs) });
  if ('unreachable' in answer) {
    return failed(
      `the backend is not reached: ${answer.unreachable}`,
      'the backend, or the network to it',
      'start the backend or correct the address, then try again',
    );
  }
  const { status, location } = answer;
  if (location !== undefined && status >= 300 && status < 400) {
    const target = URL.parse(location, url);
    return failed(
      `${host} sends callers on to ${target === null ? 'another address' : target.origin + target.pathname}, and webhooks follow no redirect`,
      'the address',
      'give the address that it leads to',
    );
  }
  if (status >= 500) {
    return failed(
      `${host} answers ${status}`,
      'the backend, or the host in front of it',
      'see that the backend runs, then try again',
    );
  }
  return passed(
    `the backend's host answers (${status} to a GET; webhooks are POSTs)`,
    protocol === 'http:' ? 'the address is http: whoever is on the way can read the webhooks; use https' : undefined,
  );
}
