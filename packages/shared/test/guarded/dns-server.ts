/** A name server on loopback, over UDP, that says what a test wants: enough of RFC 1035 for A, AAAA and CNAME. */
import { createSocket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import { once } from 'node:events';
import ipaddr from 'ipaddr.js';

export type DnsRecord = { readonly owner: string; readonly cname: string } | { readonly address: string };
/** What is answered to the `nth` question (from 1) for a name and type; nothing: no such name; `silent`: no answer. */
export type DnsZone = (name: string, type: 'A' | 'AAAA', nth: number) => readonly DnsRecord[] | 'silent' | undefined;

const typeCodes = { A: 1, CNAME: 5, AAAA: 28 } as const;
const headerBytes = 12;

export async function startDnsServer(zone: DnsZone) {
  const asked = new Map<string, number>();
  const socket = createSocket('udp4').on('message', (query, from) => {
    const { name, end } = readName(query);
    const type = query.readUInt16BE(end) === typeCodes.AAAA ? 'AAAA' : 'A';
    const nth = (asked.get(`${name} ${type}`) ?? 0) + 1;
    asked.set(`${name} ${type}`, nth);
    const records = zone(name, type, nth);
    if (records !== 'silent') socket.send(answer(query.subarray(0, end + 4), records), from.port, from.address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const server = `127.0.0.1:${socket.address().port}`;

  return {
    /** How often a name was asked for. */
    asked: (name: string, type: 'A' | 'AAAA' = 'A') => asked.get(`${name} ${type}`) ?? 0,
    /** Both kinds of addresses of a name, from this server and no other; the `resolve` of a guarded fetcher. */
    resolve: async (hostname: string): Promise<string[]> => {
      const resolver = new Resolver({ timeout: 2_000, tries: 1 });
      resolver.setServers([server]);
      const answers = await Promise.allSettled([resolver.resolve4(hostname), resolver.resolve6(hostname)]);
      const addresses = answers.flatMap((one) => (one.status === 'fulfilled' ? one.value : []));
      const [first] = answers;
      if (addresses.length === 0 && first.status === 'rejected') throw first.reason;
      return addresses;
    },
    [Symbol.asyncDispose]: async () => void (await new Promise<void>((resolve) => socket.close(resolve))),
  };
}

function readName(query: Buffer): { readonly name: string; readonly end: number } {
  const labels: string[] = [];
  let at = headerBytes;
  for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join('.').toLowerCase(), end: at + 1 };
}

function answer(query: Buffer, records: readonly DnsRecord[] | undefined): Buffer {
  const header = Buffer.alloc(headerBytes);
  header.writeUInt16BE(query.readUInt16BE(0), 0);
  header.writeUInt16BE(records === undefined ? 0x8583 : 0x8580, 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(records?.length ?? 0, 6);
  const { name } = readName(query);
  let owner = name;
  const written = (records ?? []).map((record) => {
    if ('address' in record) return recordBytes(owner, ...addressOf(record.address));
    owner = record.cname;
    return recordBytes(record.owner, typeCodes.CNAME, nameBytes(record.cname));
  });
  return Buffer.concat([header, query.subarray(headerBytes), ...written]);
}

/** With a time to live of 0: nobody keeps it. */
function recordBytes(owner: string, type: number, data: Buffer): Buffer {
  const fixed = Buffer.alloc(10);
  fixed.writeUInt16BE(type, 0);
  fixed.writeUInt16BE(1, 2);
  fixed.writeUInt16BE(data.length, 8);
  return Buffer.concat([nameBytes(owner), fixed, data]);
}

function addressOf(text: string): [type: number, data: Buffer] {
  const address = ipaddr.parse(text);
  return [address.kind() === 'ipv6' ? typeCodes.AAAA : typeCodes.A, Buffer.from(address.toByteArray())];
}

function nameBytes(name: string): Buffer {
  const labels = name.split('.').map((label) => Buffer.from(label, 'latin1'));
  return Buffer.concat([...labels.flatMap((label) => [Buffer.of(label.length), label]), Buffer.of(0)]);
}
