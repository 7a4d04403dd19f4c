import { describe, expect, it } from 'vitest';
import { durableOf, type StepName, steps } from './journey.ts';
import { inboxPrefixOf, mayMakeStreams, natsServices, permissionsOf } from './nats-permissions.ts';

const everything = natsServices.map((service) => ({ service, ...permissionsOf(service) }));

describe('the permissions of a NATS user', () => {
  it('let every step be worked on by its owner alone', () => {
    for (const name of Object.keys(steps) as StepName[]) {
      const pull = `$JS.API.CONSUMER.MSG.NEXT.JOBS.${durableOf(name)}`;
      const workers = everything.filter(({ publish }) => publish.allow.includes(pull));
      expect(workers.map(({ service }) => service)).toEqual([steps[name].owner]);
    }
  });

  it('let nobody have a stream deleted or emptied, or stored bytes sent under a subject of choice', () => {
    for (const { publish } of everything) {
      for (const subject of publish.allow) {
        expect(subject).not.toMatch(/STREAM\.(DELETE|PURGE|SNAPSHOT|RESTORE)|DIRECT\.GET|^>|^\*|^\$JS\.API\.>/);
      }
    }
  });

  it('let each hear its own inbox alone, which its second user shares', () => {
    expect(everything.map(({ subscribe }) => subscribe.allow)).toEqual(
      natsServices.map((service) => [`_INBOX_${service}.>`]),
    );
    expect(inboxPrefixOf('notifier-next')).toBe('_INBOX_notifier');
    expect(inboxPrefixOf('admin')).toBe('_INBOX_admin');
    expect(inboxPrefixOf('ops.*@example')).toBe('_INBOX_ops___example');
  });

  it('let the gateway make the streams; who is no service may too', () => {
    const makers = [...natsServices, 'gateway-next', 'notifier-next', 'admin', undefined].filter(mayMakeStreams);
    expect(makers).toEqual(['gateway', 'gateway-next', 'admin', undefined]);
  });
});
