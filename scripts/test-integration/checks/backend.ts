/** Can the backend be reached, from here and by the notifier, and does it take a signed test webhook? */
import {
  type ConnectionReport,
  createClient,
  PetRoastError,
  UnavailableError,
} from '../../../packages/client/src/index.ts';
import { type Blame, Broken, type Check, type Context, Skipped } from '../check.ts';
import { look, shown, Unreachable } from '../http.ts';

export const backendAddress: Check = {
  id: 'backend_address',
  title: 'The backend answers from here',
  needs: [],
  async run({ options: { backendUrl }, signal, facts }) {
    if (backendUrl === undefined) throw new Skipped('no --backend-url was given');
    facts.backendAnswersHere = false;
    const part = 'the backend, or the address --backend-url';
    try {
      const { status } = await look(backendUrl, { signal });
      if (status >= 502 && status <= 504) {
        const next = ['A proxy answers for it: is the backend’s process up?'];
        throw new Broken(`${shown(backendUrl)} answers HTTP ${status}.`, { part, next });
      }
      facts.backendAnswersHere = true;
      return { message: `it answers HTTP ${status}, and any answer will do here` };
    } catch (error) {
      if (!(error instanceof Unreachable)) throw error;
      const next = ['Is --backend-url right, port included?', 'Is the backend’s process up, and reachable from here?'];
      throw new Broken(`${shown(backendUrl)} cannot be reached: ${error.message}.`, { part, next });
    }
  },
};

export const testWebhook: Check = {
  id: 'test_webhook',
  title: 'The backend takes a signed test webhook',
  needs: ['gateway_alive'],
  async run(context) {
    const report = await askNotifier(context);
    if (report === undefined) {
      context.facts.webhooksCannotArrive = 'the notifier does not answer';
      throw new Broken('The gateway gets no answer from the notifier.', {
        part: 'the notifier, or the gateway’s way to it',
        next: [
          'Is the notifier’s process up, and does its /readyz answer 200?',
          'Is NOTIFIER_URL of the gateway its address?',
        ],
      });
    }
    const details = { ...report };
    const blame = blameOf(report, context);
    if (blame === undefined) {
      const message = `${report.backend_url} answers HTTP ${report.response_code} in ${report.response_time_ms} ms`;
      return { message, warnings: otherHost(report, context), details };
    }
    // Where the gateway cannot ask, webhooks may well arrive.
    if (!isGatewayUnset(report)) context.facts.webhooksCannotArrive = 'the backend does not take the test webhook';
    throw new Broken(sentenceOf(report), blame, details);
  },
};

/** What the backend makes of a test webhook now, undefined where the notifier does not answer. Throws the client's other errors. */
export async function askNotifier({ options, signal, facts }: Context): Promise<ConnectionReport | undefined> {
  // Tried once: it is how it is that is wanted. The notifier itself waits 15 s for the backend.
  const { aiServiceUrl: baseUrl, apiKey } = options;
  try {
    return await createClient({ baseUrl, apiKey, retriesMax: 0 }).testBackendConnection({ signal });
  } catch (error) {
    if (error instanceof UnavailableError) return undefined;
    if (error instanceof PetRoastError && error.code === 'unauthorized')
      facts.jobsCannotStart = 'the API key is refused';
    throw error;
  }
}

/** What happened, as a sentence. */
export function sentenceOf(report: ConnectionReport): string {
  const { status, message, backend_url: url, response_code: code, response_body: body, error } = report;
  if (status === 'not_configured') return message;
  if (status === 'timeout') return `${url} did not answer the test webhook in time.`;
  if (code == null) return `The notifier cannot reach ${url}: ${error}.`;
  const words = (body ?? '').replace(/\s+/g, ' ').trim();
  return `${url} answers the test webhook with HTTP ${code}${words === '' ? '' : `: ${words}`}`;
}

/** Who is to blame for a test webhook that was not taken; undefined where it was. */
export function blameOf(report: ConnectionReport, { facts }: Context): Blame | undefined {
  const code = report.response_code ?? 0;
  if (report.status === 'success') return undefined;
  if (isGatewayUnset(report)) {
    return { part: 'the gateway’s settings', next: ['Set NOTIFIER_URL of the gateway to the notifier’s address.'] };
  }
  if (report.status === 'not_configured') {
    return { part: 'the notifier’s settings', next: ['Set BACKEND_WEBHOOK_URL of the notifier.'] };
  }
  if (report.status === 'timeout') {
    return { part: 'the backend: it is too slow', next: ['Answer 2xx at once, and do the work afterwards.'] };
  }
  if (code === 0) {
    const fromHere = facts.backendAnswersHere
      ? 'It answers from here: is its address reachable from where the notifier runs (private networks, firewalls)?'
      : 'Is the backend’s process up?';
    return {
      part: 'the backend, or BACKEND_WEBHOOK_URL of the notifier',
      next: ['Is BACKEND_WEBHOOK_URL right?', fromHere],
    };
  }
  if (code === 400 || code === 401 || code === 403) return secret;
  if (code === 404 || code === 405) {
    return {
      part: 'BACKEND_WEBHOOK_URL of the notifier, or the backend’s route',
      next: [
        'Is its path the backend’s (usual: /webhooks/pet-roast-complete)?',
        'Does the backend have that route for POST?',
      ],
    };
  }
  if (code >= 300 && code < 400) {
    return {
      part: 'BACKEND_WEBHOOK_URL of the notifier',
      next: ['No redirect is followed: name the last address, with https.'],
    };
  }
  return { part: 'the backend: it fails at the webhook', next: ['The backend’s log has the error.'] };
}

const secret: Blame = {
  part: 'the backend: it refuses the webhook’s signature, or its sender',
  next: [
    'Is BACKEND_WEBHOOK_SECRET the same in the notifier and in the backend, whsec_ included?',
    'Does the backend verify the raw body, before anything parses it, and is its clock right to five minutes?',
    'Does a login or a firewall stand before the route? Webhooks bring a signature and nothing else.',
  ],
};

function isGatewayUnset({ status, message }: ConnectionReport): boolean {
  return status === 'not_configured' && message.includes('NOTIFIER_URL');
}

function otherHost({ backend_url: used }: ConnectionReport, { options: { backendUrl } }: Context): string[] {
  if (backendUrl === undefined || used == null || new URL(used).host === new URL(backendUrl).host) return [];
  return [`The notifier sends to ${used}, and --backend-url is ${shown(backendUrl)}: is that the same backend?`];
}
