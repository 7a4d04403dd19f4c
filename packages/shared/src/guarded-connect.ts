import { lookup as dnsLookup } from 'node:dns/promises';
import { isIP, isIPv4, type LookupFunction, type Socket } from 'node:net';
import ipaddr from 'ipaddr.js';
import { Agent, buildConnector } from 'undici';
import { Permanent } from './errors.ts';

/**
 * The door that every guarded connection goes through: which URLs may be asked for and which addresses connected to.
 *
 * undici's connector gets its addresses from `guardedLookup`, which asks the resolver once, refuses the name if *any*
 * answer is not global unicast, and hands over exactly what it checked; nothing resolves the name again. Literal
 * addresses, for which Node skips the lookup, are checked in the connector. Connections are not reused, so no request
 * rides on an older check. An own Agent obeys no proxy variables.
 */

export type GuardedConnectOptions = {
  /** For everything together: DNS, connecting (at most 5 s), redirects, headers and body. */
  readonly timeoutMs: number;
  /** Default: 80 and 443. */
  readonly portsAllowed?: readonly number[];
  /** For development only: every address and every port. The other rules stay. */
  readonly allowPrivate?: boolean;
  /** Addresses of a host name, instead of the system's resolver. */
  readonly resolve?: (hostname: string) => Promise<readonly string[]>;
  /** Bytes that one connection may bring, headers and framing included; unset: as many as the time allows. */
  readonly wireBytesMax?: number;
};

const portsAllowedDefault: readonly number[] = [80, 443];
const connectTimeoutMsMax = 5_000;
/** Node's own quarter of a second gives up on hosts a continent away. */
const familyAttemptTimeoutMs = 1_000;
/** Addresses of one name that are tried: its owner chooses them, and a name with a thousand would make a scanner of us. */
const addressesTriedMax = 8;
/** Room for a signed URL that a redirect may lead to. */
const urlCharsMax = 8_192;

/**
 * Whether a connection to this address may be made: `allowed`, or the reason against it (the name of a special range
 * in ipaddr.js's words, or one of our own). Only global unicast passes. IPv6 forms that carry an IPv4 address (mapped,
 * compatible, NAT64, 6to4, Teredo, ISATAP) are refused whatever they carry.
 */
export function checkAddress(address: string): string {
  if (address.includes('%')) return 'zone_id';
  // Node's strict grammar first: ipaddr.js also reads "0177.1", and what two parsers read differently is an attack.
  if (isIP(address) === 0) return 'not_an_address';
  if (isIPv4(address)) {
    // Azure's host services answer every guest on this one address of a public range.
    if (address === '168.63.129.16') return 'cloud_service';
    return allowedIfUnicast(ipaddr.IPv4.parse(address).range());
  }
  const ip = ipaddr.IPv6.parse(address);
  const [first = 0, , , , fifth = 0, sixth = 0] = ip.parts;
  // ipaddr.js calls everything that it does not list unicast, but IANA has given out 2000::/3 alone.
  if (ip.range() === 'unicast' && (first & 0xe000) !== 0x2000) return 'not_global_unicast';
  if ((fifth & 0xfdff) === 0 && sixth === 0x5efe) return 'isatap';
  return allowedIfUnicast(ip.range());
}

/** The agent whose every connection is checked. The caller closes it. */
export function createGuardedAgent(options: GuardedConnectOptions): Agent {
  const connectTimeoutMs = Math.min(options.timeoutMs, connectTimeoutMsMax);
  const connect = buildConnector({
    timeout: connectTimeoutMs,
    lookup: guardedLookup(options),
    // Happy eyeballs over the checked addresses: a name with a dead IPv6 address is still reached.
    autoSelectFamily: true,
    autoSelectFamilyAttemptTimeout: familyAttemptTimeoutMs,
    allowH2: false,
  });
  return new Agent({
    pipelining: 0,
    allowH2: false,
    connect: (target, callback) => {
      if (isIP(target.hostname) !== 0 && !options.allowPrivate) {
        const verdict = checkAddress(target.hostname);
        if (verdict !== 'allowed') return callback(refused(`${target.hostname} is ${verdict}`), null);
      }
      connect(target, (...result) => {
        const [error, socket] = result;
        if (error === null && options.wireBytesMax !== undefined) boundSocket(socket, options.wireBytesMax);
        callback(...result);
      });
    },
  });
}

/**
 * A URL that may be asked for: http(s), an allowed port, no credentials. Parsed by the WHATWG rules that the
 * connection uses too, so "0x7f.1" and "①②⑦.0.0.1" are 127.0.0.1 to both.
 *
 * @throws {Permanent} `image_address_refused`.
 */
export function parseGuardedUrl(text: string, { allowPrivate, portsAllowed }: GuardedConnectOptions, base?: URL): URL {
  // The WHATWG rules drop line breaks and tabs, other parsers do not: what two of them read differently is an attack.
  if (/\p{Cc}/u.test(text)) throw refused('control characters in the URL');
  const url = text.length <= urlCharsMax ? URL.parse(text, base?.href) : null;
  if (url === null) throw refused('not a URL, or longer than this fetcher takes');
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw refused(`scheme ${url.protocol}`);
  if (url.username !== '' || url.password !== '') throw refused('credentials in the URL');
  const port = Number(url.port || (url.protocol === 'https:' ? 443 : 80));
  if (!allowPrivate && !(portsAllowed ?? portsAllowedDefault).includes(port)) throw refused(`port ${port}`);
  return url;
}

/** Node connects to what this answers and asks no one else. */
function guardedLookup({ allowPrivate = false, resolve = resolveBySystem }: GuardedConnectOptions): LookupFunction {
  return (hostname, { all }, callback) => {
    resolve(hostname).then(
      (addresses) => {
        const bad = addresses.find((address) =>
          allowPrivate ? isIP(address) === 0 : checkAddress(address) !== 'allowed',
        );
        // One bad answer condemns the name: an honest host has no private address beside its public one.
        if (bad !== undefined) return callback(refused(`${hostname} is at ${bad}, ${checkAddress(bad)}`), '');
        const tried = addresses.slice(0, addressesTriedMax);
        const checked = tried.map((address) => ({ address, family: isIP(address) }));
        const [only] = checked;
        if (only === undefined) return callback(new Error(`${hostname} has no address`), '');
        if (all) callback(null, checked);
        else callback(null, only.address, only.family);
      },
      (error: Error) => callback(error, ''),
    );
  };
}

/**
 * Cuts a connection off at its bound. The HTTP parser gives the body alone to be counted: an endless status line, blank
 * lines, interim answers or chunk extensions bring a gigabyte a second otherwise, until the deadline.
 */
function boundSocket(socket: Socket, wireBytesMax: number): void {
  socket.on('readable', () => {
    if (socket.bytesRead <= wireBytesMax) return;
    socket.destroy(new Permanent('image_too_large', { detail: `more than ${wireBytesMax} bytes on the wire` }));
  });
}

/** getaddrinfo has no deadline of its own; the total one covers it, and libuv keeps half its threads free of it. */
async function resolveBySystem(hostname: string): Promise<string[]> {
  const answers = await dnsLookup(hostname, { all: true });
  return answers.map(({ address }) => address);
}

function allowedIfUnicast(range: string): string {
  return range === 'unicast' ? 'allowed' : range;
}

function refused(detail: string): Permanent {
  return new Permanent('image_address_refused', { detail });
}
