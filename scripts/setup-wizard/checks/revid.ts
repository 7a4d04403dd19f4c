/**
 * Revid.ai's API v3 without paying: the estimate (`POST /calculate-credits`, which its documentation says needs no key)
 * shows that the vendor is there, the project list (`GET /projects`) that it accepts the key.
 */
import { z } from 'zod';
import { configSchema } from '../../../services/revid-bridge/src/config.ts';
import { renderRequest } from '../../../services/revid-bridge/src/core/render-request.ts';
import { renderOptions } from '../../../services/revid-bridge/src/render-options.ts';
import { quote } from '../mask.ts';
import type { Values } from '../variables.ts';
import { type Failed, failed, passed, type Verdict } from '../verdict.ts';
import { type Answer, ask, checkTimeoutMs, deadlineIn } from './ask.ts';

/** Reads REVID_API_KEY, and REVID_BASE_URL and the render options where they are set. */
export async function checkRevid(values: Values, timeoutMs = checkTimeoutMs): Promise<Verdict> {
  const config = configFrom(values);
  if ('ok' in config) return config;
  const { REVID_API_KEY: key } = config;
  const at = (path: string) => `${config.REVID_BASE_URL.replace(/\/$/, '')}${path}`;

  const deadline = deadlineIn(timeoutMs);
  const json = renderRequest(sampleJob, renderOptions(config));
  const estimate = await ask(at('/calculate-credits'), { deadline, json });
  if ('unreachable' in estimate) return away(estimate.unreachable);
  const projects = await ask(at('/projects?limit=1'), { deadline, headers: { key } });
  if ('unreachable' in projects) return away(projects.unreachable);

  const refusal = refusalOf(projects, key);
  if (refusal !== undefined) return refusal;
  const credits = creditsIn(estimate);
  return passed(
    `Revid.ai accepts the key${credits === undefined ? '' : `; it estimates ${credits} credits for a short video`}`,
  );
}

const sampleJob = {
  jobId: 'estimate',
  run: 0,
  text: 'My cat thinks that she is the queen of this house.',
  language: 'en',
  imageUrl: 'https://photos.example/cat.jpg',
  webhookUrl: 'https://bridge.example/api/webhook/video-complete',
};

/** The bridge's own reading of its variables; those that are asked for later have stand-ins. */
function configFrom(values: Values): z.output<z.ZodObject<typeof configSchema>> | Failed {
  const own = Object.entries(values).filter(([name]) => name.startsWith('REVID_'));
  const standIns = { BRIDGE_PUBLIC_URL: 'https://bridge.example', CALLBACK_SECRET: 'x'.repeat(16) };
  const parsed = z.object(configSchema).safeParse({ ...Object.fromEntries(own), ...standIns });
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  return failed(
    `${String(issue?.path[0])} is not valid: ${issue?.message}`,
    'the environment or the file that set it',
    'correct or unset it',
  );
}

function refusalOf(answer: Answer, key: string): Failed | undefined {
  const { status, json } = answer;
  const words = errorIn(json) === undefined ? '' : `: ${quote(errorIn(json) ?? '', [key])}`;
  if (status === 401) {
    return failed(`Revid.ai refuses the key (401${words})`, 'the key', 'copy it again from your Revid.ai account');
  }
  if (status === 402 || status === 403) {
    return failed(
      `Revid.ai knows the key but answers ${status}${words}`,
      'the account',
      'check its plan and its credits',
    );
  }
  if (status === 429 || status >= 500) {
    return failed(`Revid.ai answers ${status}${words}`, 'Revid.ai', 'try again in a minute');
  }
  const isRevids = status >= 200 && status < 300 && typeof json === 'object' && json !== null;
  if (!isRevids) {
    const what = status < 300 ? 'with something that is not Revid.ai’s' : `${status}${words}`;
    return failed(
      `the address answers ${what}`,
      'REVID_BASE_URL, or a proxy in between',
      'unset REVID_BASE_URL unless you mean it',
    );
  }
  // The documentation asks callers to look at `success` too, whatever the status.
  if ('success' in json && json.success === 0)
    return failed(`Revid.ai refuses the call${words}`, 'the key', 'check it');
  return undefined;
}

function errorIn(json: unknown): string | undefined {
  return z.object({ error: z.string() }).safeParse(json).data?.error;
}

/** `creditsEstimate` in the documentation, `credits` in two clients of v3. */
function creditsIn({ json }: Answer): number | undefined {
  const { creditsEstimate, credits } =
    z.object({ creditsEstimate: z.number(), credits: z.number() }).partial().safeParse(json).data ?? {};
  return creditsEstimate ?? credits;
}

function away(why: string): Failed {
  return failed(`Revid.ai is not reached: ${why}`, 'the network, or Revid.ai', 'check the connection, then try again');
}
