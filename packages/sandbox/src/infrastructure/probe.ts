/** Readiness by connecting: what a server says of itself to a bare socket, without any client library. */
import { connect } from 'node:net';

export type Address = { readonly host: string; readonly port: number };

const answerTimeoutMs = 1_000;
const answerBytesMax = 64 * 1024;

/** Connects to a NATS server and reads the INFO line that it greets with. Throws when there is none within 1 s. */
export async function natsInfo(address: Address): Promise<{ readonly version: string; readonly jetstream: boolean }> {
  const answer = await converse(address, '', (text) => text.includes('\r\n'));
  const greeting = /^INFO (\{.*\})/.exec(answer)?.[1];
  if (greeting === undefined) throw new Error(`no NATS server: it greeted with ${JSON.stringify(answer.slice(0, 80))}`);
  const info: { version?: string; jetstream?: boolean } = JSON.parse(greeting);
  return { version: info.version ?? '', jetstream: info.jetstream === true };
}

/** Asks a Redis server who it is. Throws while it is loading its data, or when it gives no answer within 1 s. */
export async function redisInfo(address: Address): Promise<{ readonly version: string; readonly pid: number }> {
  // INFO is answered while the data is still loading, PING is not: `-LOADING` comes first then.
  const answer = await converse(address, 'PING\r\nINFO server\r\n', (text) => /^-|process_id:\d+\r/.test(text));
  const [, version, pid] = /^\+PONG[\s\S]*redis_version:(\S+)[\s\S]*process_id:(\d+)/.exec(answer) ?? [];
  if (version === undefined) throw new Error(`Redis is not ready: ${answer.slice(0, 80).trim()}`);
  return { version, pid: Number(pid) };
}

/** Connects and hangs up. Throws when nothing accepts within 1 s. */
export async function knock(address: Address): Promise<void> {
  await converse(address, undefined, () => true);
}

/** Says one thing and collects the answer until there is enough of it; with nothing to say, a connection is enough. */
function converse(address: Address, say: string | undefined, enough: (text: string) => boolean): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const socket = connect({ ...address, timeout: answerTimeoutMs });
    const finish = (error?: Error): void => {
      socket.destroy();
      if (error === undefined) resolve(text);
      else reject(error);
    };
    socket.setEncoding('utf8');
    socket.once('connect', () => {
      if (say === undefined) finish();
      else socket.write(say);
    });
    socket.on('data', (chunk: string) => {
      text += chunk;
      if (enough(text) || text.length > answerBytesMax) finish();
    });
    socket.once('timeout', () => finish(new Error(`no answer from ${address.host}:${address.port}`)));
    socket.once('error', finish);
    socket.once('close', () => finish(new Error(`${address.host}:${address.port} closed the connection`)));
  });
}
