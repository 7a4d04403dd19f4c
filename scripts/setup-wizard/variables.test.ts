import { describe, expect, it } from 'vitest';
import { checkedAgainst, plan } from './plan.ts';
import { about, isSecret, problemWith, serviceSchemas } from './variables.ts';

const fields = plan.flatMap((group) => group.fields);
const names = ['SANDBOX', ...fields.map(({ name }) => name), ...checkedAgainst.map(({ name }) => name)];

describe('the plan', () => {
  it('asks only for variables that a service reads, and each has its line of explanation', () => {
    const read = new Set(Object.values(serviceSchemas).flatMap((schema) => Object.keys(schema)));
    for (const name of names) {
      expect(read.has(name), name).toBe(true);
      expect(about(name), name).toMatch(/^\S.{5,200}$/);
    }
  });

  it('asks for every variable that some service cannot start without', () => {
    const required = Object.values(serviceSchemas).flatMap((schema) =>
      Object.entries(schema).flatMap(([name, field]) => (field.safeParse(undefined).success ? [] : [name])),
    );
    expect(required).toContain('REVID_API_KEY');
    expect(names).toEqual(expect.arrayContaining(required));
  });

  it('takes what must not be seen only where typing is hidden', () => {
    const shown = fields.filter(({ kind, name }) => (kind === 'text' || kind === 'choice') && isSecret(name));
    expect(shown).toEqual([]);
  });

  it('makes secrets that the services take, each time others', () => {
    const made = fields.flatMap((field) => (field.kind === 'generated' ? [field] : []));
    expect(made.map(({ name }) => name)).toEqual([
      'BACKEND_WEBHOOK_SECRET',
      'CALLBACK_SECRET',
      'ADMIN_TOKEN',
      'API_KEYS',
    ]);
    for (const { name, make } of made) {
      const value = make();
      expect(problemWith(name, value), name).toBeUndefined();
      expect(make()).not.toBe(value);
    }
    expect(made.at(-1)?.make()).toMatch(/^backend:pr_[\w-]{43}$/);
  });
});

describe('a value', () => {
  it.each([
    ['REVID_API_KEY', 'key with space', /copied whole/],
    ['BACKEND_WEBHOOK_SECRET', 'whsec_short', /24 bytes/],
    ['BACKEND_WEBHOOK_URL', 'ftp://backend.example', /not valid/],
    ['CALLBACK_SECRET', 'short', /not valid/],
    ['API_KEYS', 'backend:short', /not valid/],
    ['INDICTRANS_URL', 'file:///etc/passwd', /http or https/],
    ['NATS_URL', 'nats://one:4222,http://two', /nats:\/\//],
    ['NATS_URL', 'nats://user:pass@one', /no password/],
    ['REDIS_URL', '127.0.0.1:6379', /redis:\/\//],
    ['NATS_PASSWORD', `'"$`, /\.env file/],
    ['NATS_PASSWORD', 'two\nlines', /\.env file/],
  ])('of %s is refused with the reason: %j', (name, value, why) => {
    expect(problemWith(name, value)).toMatch(why);
  });

  it('that is right is taken', () => {
    expect(problemWith('NATS_URL', 'nats://one:4222, tls://two:4222')).toBeUndefined();
    expect(problemWith('REDIS_URL', 'rediss://user:a,b@host:6380/1')).toBeUndefined();
  });
});
