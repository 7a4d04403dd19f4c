/** The bridge's public address. The bridge is not there yet, so only its name can be looked up. */
import { lookup } from 'node:dns/promises';
import { checkAddress } from '@pet-roast/shared';
import type { Values } from '../variables.ts';
import { failed, passed, type Verdict } from '../verdict.ts';
import { checkTimeoutMs } from './ask.ts';
import { within } from './within.ts';

export type Resolve = (hostname: string) => Promise<readonly string[]>;

/** Reads BRIDGE_PUBLIC_URL, which must be valid. A name that has no address yet is no failure: it may get one later. */
export async function checkBridgeUrl(
  values: Values,
  timeoutMs = checkTimeoutMs,
  resolve: Resolve = resolveBySystem,
): Promise<Verdict> {
  const hostname = new URL(values['BRIDGE_PUBLIC_URL'] ?? '').hostname.replace(/^\[|\]$/g, '');
  const addresses = await within(timeoutMs, resolve(hostname)).catch(() => []);
  if (addresses.length === 0) {
    return passed(
      'the address has the right form',
      `no address is known for ${hostname} from here; Revid.ai must be able to look it up by the time the first job runs`,
    );
  }
  const hidden = addresses.find((address) => checkAddress(address) !== 'allowed');
  if (hidden === undefined) return passed(`the address has the right form, and ${hostname} is in public DNS`);
  return failed(
    `${hostname} is at ${hidden} (${checkAddress(hidden)}), which Revid.ai cannot reach`,
    'the address, or the DNS here',
    'give the public one; keep it if outside this network the name leads elsewhere',
  );
}

async function resolveBySystem(hostname: string): Promise<string[]> {
  const answers = await lookup(hostname, { all: true });
  return answers.map(({ address }) => address);
}
