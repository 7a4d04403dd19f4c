/**
 * The five services as five NATS users, on a server with the configuration of `deploy/`: they can do all they have to,
 * they wait for what only the gateway may make, and passwords change while they run.
 */
import { readFile } from 'node:fs/promises';
import { type ServiceName, serviceNames, startSystem, until } from '@pet-roast/testing';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startNatsWithUsers } from './helpers/nats-with-users.ts';
import { redisPassword, type SystemWithUsers, startSystemWithUsers } from './helpers/system-with-users.ts';

const pet = await readFile(new URL('../packages/sandbox/assets/pet.jpg', import.meta.url));
const images = { 'pet.jpg': Buffer.from(pet) };
const withoutGateway = serviceNames.filter((name) => name !== 'gateway');
let t: SystemWithUsers;
let otherServices: Promise<unknown>;

beforeAll(async () => {
  t = await startSystemWithUsers({ images, revid: { behaviour: { renderMs: 200, video: 'sample' } } });
});
afterAll(async () => {
  await t?.[Symbol.asyncDispose]();
});

/** A job from the request to the webhook. */
async function wholeJob(): Promise<string> {
  const { status, body } = await t.api.generate({ text: 'मेरा कुत्ता बहुत आलसी है।' });
  expect(status).toBe(202);
  expect(await t.api.ended(body.job_id, 60_000)).toMatchObject({ status: 'completed', stage: 'notified' });
  expect(t.api.webhooks(body.job_id)).toMatchObject([{ signature_valid: true, body: { status: 'completed' } }]);
  return body.job_id;
}

describe('services that are NATS users of their own', () => {
  it('wait for the streams, which the gateway makes, and say so once', async () => {
    otherServices = Promise.all(withoutGateway.map((name) => t.start(name)));
    const waiting = () => t.output().match(/the stream JOBS is not there yet; the gateway makes it/g)?.length;
    await until(() => waiting() === withoutGateway.length, { what: 'all others to wait', timeoutMs: 30_000 });
    await Promise.all([t.start('gateway'), otherServices]);
    expect(waiting()).toBe(withoutGateway.length);
  });

  it('do a whole job', async () => {
    const jobId = await wholeJob();
    const stream = await fetch(`${t.gatewayUrl}/api/jobs/${jobId}/events`);
    expect(await stream.text()).toContain('"stage":"notified"');
  });

  it('do one with an uploaded photo', async () => {
    const form = new FormData();
    form.append('text', 'My dog is lazy.');
    form.append('image', new Blob([images['pet.jpg']], { type: 'image/jpeg' }), 'pet.jpg');
    const { status, body } = await t.api.call('/api/generate-video', { method: 'POST', body: form });
    expect(status).toBe(202);
    await t.api.completes(body.job_id);
    await t.api.ended(body.job_id);
  });

  it('cancel one', async () => {
    t.world.revid.pushFaults({ at: 'render', kind: 'behave', behaviour: { result: 'never' } });
    const { body } = await t.api.generate();
    const following = fetch(`${t.gatewayUrl}/api/jobs/${body.job_id}/events`).then((stream) => stream.text());
    await t.api.reaches(body.job_id, 'rendering');
    expect((await t.api.cancel(body.job_id)).status).toBe(202);
    expect(await t.api.ended(body.job_id)).toMatchObject({ status: 'cancelled' });
    // Told by the gateway's follower of the stream, which is a consumer of its own making.
    expect(await following).toMatch(/"stage":"rendering"[\s\S]*"status":"cancelled"/);
  });

  it('give one up, list and replay it, and erase it', async () => {
    t.world.revid.pushFaults({ at: 'render', kind: 'refused_200', times: 1 });
    const { body } = await t.api.generate();
    expect(await t.api.ended(body.job_id)).toMatchObject({ status: 'failed' });
    const { letters } = (await t.api.admin<{ letters: { id: number; job_id: string }[] }>('/dead-letters')).body;
    expect(letters.map((letter) => letter.job_id)).toEqual([body.job_id]);
    expect((await t.api.admin(`/dead-letters/${letters[0]?.id}/replay`, {})).status).toBe(200);
    await t.api.completes(body.job_id);
    await t.api.ended(body.job_id);
    const erased = await fetch(`${t.gatewayUrl}/api/jobs/${body.job_id}`, { method: 'DELETE' });
    expect(erased.status).toBe(204);
    expect((await t.api.get(`/api/video-status/${body.job_id}`)).status).toBe(404);
  });

  it('write the projection again after Redis was emptied', async () => {
    const redis = new Redis(t.redisUrl);
    await redis.flushall();
    const epoch = () => redis.get('pet_roast:epoch');
    await until(async () => (await epoch())?.startsWith('complete since'), { what: 'the projection to be whole' });
    redis.disconnect();
  });

  it('make the streams and their consumers again, each what it may, when they are lost', async () => {
    const admin = await t.nats.connectAs('admin');
    const manager = await admin.jetstreamManager();
    for (const stream of ['JOBS', 'DEAD']) await manager.streams.delete(stream);
    const consumersOf = async (stream: string) => (await manager.streams.info(stream)).state.consumer_count;
    const stepsAndAdvisories = async () => (await consumersOf('JOBS')) >= 8 && (await consumersOf('DEAD')) >= 1;
    await until(stepsAndAdvisories, { what: 'all consumers to be there again', timeoutMs: 60_000 });
    await admin.close();
    await wholeJob();
  });
});

describe('a password', () => {
  it('is changed without a gap: the service goes on as its second user while the first one is closed', async () => {
    const next = 'a-new-password-of-notifier';
    const second = `    { user: "notifier-next", password: ${next}, permissions: $MAY_NOTIFIER }\n`;
    const first = /^ *\{ user: "notifier", .*\n/m;
    await t.nats.reload((conf) => conf.replace(first, (line) => line + second));
    await wholeJob();

    await t.stop('notifier');
    await t.start('notifier', { NATS_USER: 'notifier-next', NATS_PASSWORD: next });
    await t.nats.reload((conf) => conf.replace(first, ''));
    await expect(t.nats.connectAs('notifier')).rejects.toThrow('Authorization Violation');
    await wholeJob();
    for (const name of withoutGateway) expect(t.service(name).output()).not.toMatch(/NATS: disconnected/);
  });
});

describe('the admin', () => {
  it('is whom all services are in one process', async () => {
    await using nats = await startNatsWithUsers();
    const login = { NATS_USER: 'admin', NATS_PASSWORD: nats.passwords.admin };
    const env = { ...t.world.env, ...login, LOG_LEVEL: 'info' };
    await using system = await startSystem({ inOneProcess: true, natsUrl: nats.url, redisUrl: t.redisUrl, env });
    const answer = await fetch(`${system.gatewayUrl}/readyz`);
    expect(await answer.json()).toMatchObject({ status: 'ready', checks: { nats: 'ok' } });
    expect(nats.output()).not.toMatch(/violation/i);
  });
});

describe('what was written meanwhile', () => {
  it('tells of nothing that a service was refused', () => {
    const refusals = t.nats.output().match(/.*(Publish|Subscription) Violation.*/g) ?? [];
    expect(refusals).toEqual([]);
    expect(t.output()).not.toContain('may not');
  });

  it('holds no password', () => {
    const secrets = [redisPassword, ...serviceNames.map((name: ServiceName) => t.nats.passwords[name])];
    for (const secret of secrets) {
      expect(t.output()).not.toContain(secret);
      expect(t.nats.output()).not.toContain(secret);
    }
  });
});
