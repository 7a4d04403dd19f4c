/**
 * What each service's NATS user may do, derived from the contract: publish the events of its own, read jobs, work
 * through its own consumers, hear its own inbox. `deploy/nats-users.conf` is generated from this.
 *
 * The server judges subjects, not contents: of events that share a subject it cannot let one through and refuse another.
 */
import { durableOf, type EventKind, events, type Service, type StepName, steps, subjectOf } from './journey.ts';
import {
  advisoriesDurable,
  advisoriesFilter,
  deadStream,
  deadSubjectPrefix,
  filterOf,
  jobsStream,
  photosBucket,
  photosStream,
} from './streams.ts';

/** Subjects in NATS' own patterns; what is not allowed, or denied, is refused. */
export type NatsPermissions = {
  readonly publish: { readonly allow: readonly string[]; readonly deny: readonly string[] };
  readonly subscribe: { readonly allow: readonly string[] };
};

/** The services, each of which is a NATS user of the same name. */
export const natsServices: readonly Service[] = [...new Set(Object.values(events).map(({ owner }) => owner))];

const stepNames = Object.keys(steps) as readonly StepName[];

/** What a service may do: least of all what only the gateway has business with, streams and dead letters. */
export function permissionsOf(service: Service): NatsPermissions {
  const own = stepNames.filter((name) => steps[name].owner === service);
  const extra = extras[service] ?? { allow: [], deny: [] };
  const allow = [
    ...publishedSubjectsOf(service),
    ...own.map((name) => `${deadSubjectPrefix}.${name}.*`),
    ...readingOf(jobsStream),
    ...own.flatMap((name) => workingThrough(jobsStream, durableOf(name), filterOf(name))),
    // A letter is taken back where its job turns out to have ended otherwise, or to be erased.
    api('STREAM.MSG.GET', deadStream),
    api('STREAM.MSG.DELETE', deadStream),
    ...extra.allow,
  ];
  return {
    publish: { allow: [...new Set(allow)], deny: extra.deny },
    subscribe: { allow: [`${inboxPrefixOf(service)}.>`] },
  };
}

/** The kinds of event that a service has business publishing: those it owns, and those of its steps. */
export function publishedKindsOf(service: Service): EventKind[] {
  const owned = (Object.keys(events) as EventKind[]).filter((kind) => events[kind].owner === service);
  const bySteps = stepNames.filter((name) => steps[name].owner === service).flatMap((name) => steps[name].publishes);
  // What the server gave up on in the notifier is recorded by the gateway (given-up-to-failed.ts).
  const forOthers: EventKind[] = service === 'gateway' ? ['undeliverable'] : [];
  return [...new Set([...owned, ...bySteps, ...forOthers])];
}

/**
 * What answers to a user's requests are sent below: a word of its own, so that nobody hears another's. While a password
 * is rotated a service may have a second user, `<service>-next`, which does and hears the same.
 */
export function inboxPrefixOf(user: string): string {
  return `_INBOX_${(serviceOfUser(user) ?? user).replace(/[^\w-]/g, '_')}`;
}

/** Whether a user (none: on a server without users) makes the streams that are missing; who may not waits for them. */
export function mayMakeStreams(user: string | undefined): boolean {
  const service = user === undefined ? undefined : serviceOfUser(user);
  return service === undefined || permissionsOf(service).publish.allow.includes(api('STREAM.CREATE', jobsStream));
}

function serviceOfUser(user: string): Service | undefined {
  return natsServices.find((service) => user === service || user === `${service}-next`);
}

function publishedSubjectsOf(service: Service): string[] {
  return publishedKindsOf(service).map((kind) => subjectOf(events[kind].subject, '*'));
}

/** What lies beyond the contract's events and steps, by service. */
const extras: { readonly [S in Service]?: { readonly allow: readonly string[]; readonly deny: readonly string[] } } = {
  gateway: {
    allow: [
      // Makes the streams and sets their limits; erases jobs; lists, replays and deletes dead letters.
      ...[jobsStream, deadStream].flatMap(making),
      api('STREAM.MSG.DELETE', jobsStream),
      `${deadSubjectPrefix}.*.*`,
      ...readingOf(deadStream),
      ...workingThrough(deadStream, advisoriesDurable, advisoriesFilter),
      // Follows and replays through consumers without a name of their own, and looks at the backlog of all.
      ...[jobsStream, deadStream].flatMap(following),
      // Takes uploaded photos, serves and deletes them.
      ...making(photosStream),
      ...readingOf(photosStream),
      api('STREAM.MSG.DELETE', photosStream),
      `$O.${photosBucket}.C.*`,
      `$O.${photosBucket}.M.*`,
    ],
    deny: stepNames
      .filter((name) => steps[name].owner !== 'gateway')
      .flatMap((name) => [
        api('CONSUMER.CREATE', jobsStream, `${durableOf(name)}.>`),
        api('CONSUMER.DELETE', jobsStream, durableOf(name)),
        api('CONSUMER.MSG.NEXT', jobsStream, durableOf(name)),
      ]),
  },
  detector: { allow: [api('STREAM.MSG.GET', photosStream)], deny: [] },
};

/**
 * Never `DIRECT.GET`: that answer is the stored bytes themselves, sent to whatever subject the question names. Who may
 * ask for it could have a piece of an uploaded photo published as any event (tried on nats-server 2.9.10 and 2.15.1).
 */
function readingOf(stream: string): string[] {
  return [api('STREAM.INFO', stream), api('STREAM.MSG.GET', stream)];
}

function making(stream: string): string[] {
  return [api('STREAM.CREATE', stream), api('STREAM.UPDATE', stream)];
}

/** One durable consumer with one filter: the server holds a request's name and filter against its subject. */
function workingThrough(stream: string, durable: string, filter: string): string[] {
  return [
    api('CONSUMER.CREATE', stream, `${durable}.${filter}`),
    api('CONSUMER.INFO', stream, durable),
    api('CONSUMER.MSG.NEXT', stream, durable),
    `$JS.ACK.${stream}.${durable}.>`,
  ];
}

function following(stream: string): string[] {
  return [
    api('CONSUMER.CREATE', stream, '>'),
    ...['CONSUMER.INFO', 'CONSUMER.MSG.NEXT', 'CONSUMER.DELETE'].map((call) => api(call, stream, '*')),
  ];
}

/** A subject of the JetStream API (nats-server `jetstream_api.go`). */
function api(call: string, stream: string, rest?: string): string {
  return `$JS.API.${call}.${stream}${rest === undefined ? '' : `.${rest}`}`;
}
