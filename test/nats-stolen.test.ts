/**
 * A stolen NATS password, tried against the server as `deploy/` configures it: it publishes its own service's events and
 * no other's, works through its own consumers, hears its own inbox, and changes no stream.
 */
import { createHash } from 'node:crypto';
import {
  createLog,
  deletePhoto,
  type EventKind,
  eventKinds,
  events,
  findPhoto,
  inboxPrefixOf,
  parseEvent,
  putPhoto,
  readPhoto,
  type StoredPhoto,
  steps,
  subjectOf,
  UnreadableEvent,
} from '@pet-roast/shared';
import { brokerForTest, type NatsConnection, type ServiceName, serviceNames } from '@pet-roast/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { examples } from '../packages/shared/test/examples.ts';
import { type NatsWithUsers, startNatsWithUsers } from './helpers/nats-with-users.ts';

/** What each service publishes; written out here, since the server's configuration is derived. */
const publishes: Record<ServiceName, EventKind[]> = {
  gateway: ['received', 'answered', 'failed', 'cancelled', 'undeliverable', 'erased'],
  detector: ['detected', 'rejected', 'failed'],
  translator: ['translated', 'failed'],
  'revid-bridge': ['claimed', 'released', 'rendering', 'callback', 'rendered', 'failed'],
  notifier: ['attempted', 'notified', 'undeliverable'],
};
/** What gets through besides, since the server judges subjects: these share one with the service's own. */
const alsoGetsThrough: Record<ServiceName, EventKind[]> = {
  gateway: ['detected', 'rejected', 'rendered', 'attempted', 'notified'],
  detector: ['answered', 'rendered', 'cancelled'],
  translator: ['rendered', 'cancelled'],
  'revid-bridge': ['cancelled'],
  notifier: [],
};
const table = serviceNames.flatMap((service) => eventKinds.map((kind) => ({ service, kind })));
const getsThrough = ({ service, kind }: { service: ServiceName; kind: EventKind }) =>
  [...publishes[service], ...alsoGetsThrough[service]].includes(kind);

let nats: NatsWithUsers;
let admin: NatsConnection;
const thieves = new Map<ServiceName, NatsConnection>();

beforeAll(async () => {
  nats = await startNatsWithUsers();
  // The gateway makes the streams, each service its consumers.
  for (const user of serviceNames) {
    const broker = await brokerForTest(nats.url, { user, password: nats.passwords[user] });
    const own = (Object.keys(steps) as (keyof typeof steps)[]).filter((name) => steps[name].owner === user);
    await Promise.all(own.map((name) => broker.openStep(name)));
    await broker.close();
    thieves.set(user, await nats.connectAs(user));
  }
  admin = await nats.connectAs('admin');
});
afterAll(async () => {
  await Promise.all([admin, ...thieves.values()].map((connection) => connection?.close()));
  await nats?.[Symbol.asyncDispose]();
});

const stolen = (user: ServiceName) => thieves.get(user) as NatsConnection;
const others = (user: ServiceName) => serviceNames.filter((name) => name !== user);
const refused = { code: 'PERMISSIONS_VIOLATION' };
let jobs = 0;

/** Tries a request; gives the server's answer. Rejects with what the server says of permissions. */
async function ask(user: ServiceName, subject: string, body: unknown = ''): Promise<{ error?: { err_code: number } }> {
  const payload = typeof body === 'string' ? body : JSON.stringify(body);
  const answer = await stolen(user).request(subject, payload, { timeout: 5_000 });
  return answer.data.length === 0 ? {} : (answer.json() as { error?: { err_code: number } });
}

describe('a stolen password', () => {
  it.each(table.filter(getsThrough))('of the $service publishes $kind', async ({ service, kind }) => {
    const subject = subjectOf(events[kind].subject, `job-${jobs++}`);
    const ack = await stolen(service).jetstream().publish(subject, JSON.stringify(examples[kind]));
    expect(ack).toMatchObject({ stream: 'JOBS', duplicate: false });
  });

  it.each(table.filter((row) => !getsThrough(row)))(
    'of the $service cannot publish $kind',
    async ({ service, kind }) => {
      const subject = subjectOf(events[kind].subject, `job-${jobs++}`);
      const publishing = stolen(service).jetstream().publish(subject, JSON.stringify(examples[kind]));
      await expect(publishing).rejects.toMatchObject(refused);
      const manager = await admin.jetstreamManager();
      await expect(manager.streams.getMessage('JOBS', { last_by_subj: subject })).rejects.toThrow('no message found');
    },
  );

  it.each(serviceNames)('of the %s hears no other service, no event, no photo and no dead letter', async (service) => {
    const connection = stolen(service);
    const foreign = ['>', 'jobs.>', 'jobs.v1.outcome.*', 'dead.>', '$JS.>', '$JS.ACK.>', '$SYS.>', '$O.>', '_INBOX.>'];
    const inboxes = others(service).flatMap((other) => [`${inboxPrefixOf(other)}.>`, `${inboxPrefixOf(other)}.x`]);
    for (const subject of [...foreign, ...inboxes, '_INBOX_admin.>', '*.>']) {
      const hearing = new Promise<never>((_resolve, reject) => {
        connection.subscribe(subject, { callback: (error) => error && reject(error) });
      });
      await expect(Promise.race([hearing, connection.flush()]), subject).rejects.toMatchObject(refused);
    }
    const own = connection.subscribe(`${inboxPrefixOf(service)}.own`, { max: 1 });
    await connection.flush();
    admin.publish(`${inboxPrefixOf(service)}.own`);
    for await (const message of own) expect(message.subject).toBe(`${inboxPrefixOf(service)}.own`);
  });

  it.each(serviceNames)('of the %s can neither delete, purge, add nor copy a stream', async (service) => {
    for (const stream of ['JOBS', 'DEAD']) {
      for (const call of ['STREAM.DELETE', 'STREAM.PURGE', 'STREAM.SNAPSHOT', 'STREAM.RESTORE', 'STREAM.PEER.REMOVE']) {
        await expect(ask(service, `$JS.API.${call}.${stream}`, {}), call).rejects.toMatchObject(refused);
      }
    }
    const mirror = { name: 'COPY', mirror: { name: 'JOBS' } };
    await expect(ask(service, '$JS.API.STREAM.CREATE.COPY', mirror)).rejects.toMatchObject(refused);
    for (const call of ['STREAM.LIST', 'ACCOUNT.PURGE.$G', 'SERVER.REMOVE', 'META.LEADER.STEPDOWN']) {
      await expect(ask(service, `$JS.API.${call}`, {}), call).rejects.toMatchObject(refused);
    }
  });

  it.each(serviceNames.filter((name) => name !== 'gateway'))(
    'of the %s changes no stream and deletes no event; that is the gateway’s alone',
    async (service) => {
      for (const call of ['STREAM.CREATE.JOBS', 'STREAM.UPDATE.JOBS', 'STREAM.MSG.DELETE.JOBS', 'STREAM.UPDATE.DEAD']) {
        await expect(ask(service, `$JS.API.${call}`, { seq: 1 }), call).rejects.toMatchObject(refused);
      }
    },
  );

  it.each(serviceNames)('of the %s works through no consumer of another', async (service) => {
    const foreign = Object.entries(steps).filter(([, step]) => step.owner !== service);
    for (const [name, { owner }] of foreign) {
      const durable = `${owner}-${name}`;
      const config = { durable_name: durable, filter_subject: 'jobs.v1.>', ack_policy: 'none' };
      const create = { stream_name: 'JOBS', config };
      for (const call of [
        `$JS.API.CONSUMER.CREATE.JOBS.${durable}.jobs.v1.>`,
        `$JS.API.CONSUMER.DURABLE.CREATE.JOBS.${durable}`,
        `$JS.API.CONSUMER.DELETE.JOBS.${durable}`,
        `$JS.API.CONSUMER.MSG.NEXT.JOBS.${durable}`,
        `$JS.API.CONSUMER.PAUSE.JOBS.${durable}`,
        `$JS.ACK.JOBS.${durable}.1.1.1.1.0`,
      ]) {
        await expect(ask(service, call, create), call).rejects.toMatchObject(refused);
      }
    }
  });

  it.each(serviceNames.filter((name) => name !== 'gateway'))(
    'of the %s makes no consumer but its own, and that one takes what the contract says and no more',
    async (service) => {
      const [name = '', { consumes }] = Object.entries(steps).find(([, step]) => step.owner === service) ?? ['', {}];
      const durable = `${service}-${name}`;
      const own = `$JS.API.CONSUMER.CREATE.JOBS.${durable}.jobs.v1.${consumes}.*`;
      const everything = { durable_name: durable, filter_subject: 'jobs.v1.>', ack_policy: 'explicit' };
      for (const call of [
        '$JS.API.CONSUMER.CREATE.JOBS',
        '$JS.API.CONSUMER.CREATE.JOBS.mine.jobs.v1.>',
        `$JS.API.CONSUMER.CREATE.JOBS.${durable}`,
        `$JS.API.CONSUMER.CREATE.JOBS.${durable}.jobs.v1.>`,
        `$JS.API.CONSUMER.DURABLE.CREATE.JOBS.${durable}`,
        '$JS.API.CONSUMER.CREATE.DEAD.mine.dead.v1.>',
        '$JS.API.CONSUMER.LIST.JOBS',
      ]) {
        await expect(ask(service, call, { stream_name: 'JOBS', config: everything }), call).rejects.toMatchObject(
          refused,
        );
      }
      // The subject says one filter and the request another: JetStream itself compares them (10131, 10137).
      const { filter_subject, ...unfiltered } = everything;
      for (const config of [everything, { ...unfiltered, filter_subjects: [filter_subject] }, unfiltered]) {
        const { error } = await ask(service, own, { stream_name: 'JOBS', config });
        expect([10131, 10137]).toContain(error?.err_code);
      }
    },
  );

  it.each(serviceNames)(
    'of the %s carries no event to another subject through the server’s answers',
    async (service) => {
      const [name = ''] = Object.entries(steps).find(([, step]) => step.owner === service) ?? [];
      const connection = stolen(service);
      const manager = await admin.jetstreamManager();
      const victim = `jobs.v1.callback.victim-of-${service}`;
      const pull = JSON.stringify({ batch: 100, no_wait: true });
      connection.publish(`$JS.API.CONSUMER.MSG.NEXT.JOBS.${service}-${name}`, pull, { reply: victim });
      connection.publish('$JS.API.STREAM.MSG.GET.JOBS', JSON.stringify({ seq: 1 }), { reply: victim });
      await connection.flush();
      // What lands there is the server's own words, which are no event; a delivered event stays on its own subject.
      const { state } = await manager.streams.info('JOBS');
      for (let seq = state.first_seq; seq <= state.last_seq; seq++) {
        const stored = await manager.streams.getMessage('JOBS', { seq });
        if (stored.subject === victim) expect(() => parseEvent(stored.data)).toThrow(UnreadableEvent);
      }
    },
  );
});

describe('photos', () => {
  it('are stored and deleted by the gateway, read by the detector, and nobody else’s', async () => {
    const photos = { bytesMax: 10_000_000, maxAgeMs: 3_600_000 };
    const open = (user: ServiceName) => brokerForTest(nats.url, { user, password: nats.passwords[user], photos });
    const gateway = await open('gateway');
    const detector = await open('detector');
    const bytes = new Uint8Array(300_000).fill(7);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    const photo = { id: 'photo', format: 'jpeg', bytes: bytes.length, sha256 } as const;
    await putPhoto(gateway.photos, { ...photo, parts: [bytes] });
    const found = (await findPhoto(detector.photos, 'photo')) as StoredPhoto;
    const pieces: Uint8Array[] = [];
    for await (const piece of readPhoto(detector.photos, found)) pieces.push(piece);
    expect(Buffer.concat(pieces)).toEqual(Buffer.from(bytes));
    await expect(deletePhoto(detector.photos, 'photo')).rejects.toThrow('the user detector may not publish');
    await deletePhoto(gateway.photos, 'photo');
    await Promise.all([gateway.close(), detector.close()]);

    await expect(ask('detector', '$O.photos.C.mine', {})).rejects.toMatchObject(refused);
    for (const service of serviceNames) {
      const calls = ['STREAM.PURGE', 'STREAM.DELETE', 'DIRECT.GET', 'CONSUMER.CREATE'];
      if (!['gateway', 'detector'].includes(service)) calls.push('STREAM.INFO', 'STREAM.MSG.GET');
      for (const call of calls) {
        await expect(ask(service, `$JS.API.${call}.OBJ_photos`, {}), call).rejects.toMatchObject(refused);
      }
    }
  });
});

describe('the server', () => {
  it('lets nobody in without a user, with another’s password, or with an empty one', async () => {
    for (const login of [[], ['gateway', nats.passwords.notifier], ['admin', ''], ['nobody', 'a-password-of-nobody']]) {
      await expect(nats.connectAs(...login)).rejects.toMatchObject({ code: 'AUTHORIZATION_VIOLATION' });
    }
  });
});

describe('a service that is refused', () => {
  it('is told at once who may not do what, and its log has it once', async () => {
    const lines: object[] = [];
    const error = (fields: object, msg: string) => lines.push({ ...fields, msg });
    const log = Object.assign(createLog('test', 'silent'), { error });
    const login = { user: 'notifier', password: nats.passwords.notifier };
    const broker = await brokerForTest(nats.url, { ...login, log });
    for (const job_id of ['first', 'second']) {
      const publishing = broker.publish({ ...examples.detected, job_id, id: `${job_id}:detected` }, 0);
      await expect(publishing).rejects.toThrow(`the user notifier may not publish to jobs.v1.verdict.${job_id}`);
    }
    await expect(broker.openStep('detect')).rejects.toThrow(
      /consumer detector-detect: the user notifier may not publish to \$JS\.API\.CONSUMER\.CREATE\.JOBS\.detector-detect/,
    );
    await broker.close();
    expect(lines).toMatchObject([
      { msg: expect.stringContaining('may not publish to jobs.v1.verdict.*'), user: 'notifier' },
      { subject: '$JS.API.CONSUMER.CREATE.JOBS.detector-detect.jobs.v1.received.*', user: 'notifier' },
    ]);
  });

  it('its login is told so within its time, without the password', async () => {
    const login = { user: 'notifier', password: 'a-wrong-password', connectTimeoutMs: 300 };
    const opening = brokerForTest(nats.url, login);
    await expect(opening).rejects.toThrow(/the server refuses the user notifier; NATS_USER and NATS_PASSWORD/);
    await expect(opening).rejects.not.toThrow('a-wrong-password');
  });
});
