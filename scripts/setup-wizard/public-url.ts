/** Whether an address is one that a vendor on the internet can call, as far as its text tells. */
import { isIP } from 'node:net';
import { checkAddress } from '@pet-roast/shared';

/** Ends of names that are never in public DNS (RFC 6761 and RFC 6762; `internal` is reserved by ICANN for private use). */
const privateEnds = ['localhost', 'local', 'internal', 'invalid', 'test', 'home.arpa'];

/** Why Revid.ai could not call back there, as the end of "it …"; undefined where nothing speaks against it. */
export function publicUrlProblem(value: string): string | undefined {
  const url = URL.parse(value);
  if (url === null) return 'is not an address; it looks like https://bridge.example.com';
  // Hosts redirect http to https, and a redirected POST arrives as a GET without its body.
  if (url.protocol !== 'https:') return 'does not begin with https://';
  if (url.username !== '' || url.password !== '') return 'has a user name or a password in it';
  if (url.search !== '' || url.hash !== '') return 'has a ? or # part; the callback’s own is added to it';
  const host = url.hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');
  if (isIP(host) !== 0) {
    const verdict = checkAddress(host);
    return verdict === 'allowed' ? undefined : `names ${host} (${verdict}), which Revid.ai cannot reach`;
  }
  const isPrivate = !host.includes('.') || privateEnds.some((end) => host === end || host.endsWith(`.${end}`));
  return isPrivate ? `names ${host}, which only this machine or network knows; Revid.ai calls from outside` : undefined;
}
