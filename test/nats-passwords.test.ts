/** Passwords for NATS' users come through variables that nats-server reads as a part of its configuration. */
import { randomInt } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { passwordsFor, startNatsWithUsers, userNames } from './helpers/nats-with-users.ts';

const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const characters = `${letters}0123456789-_`;
const oneOf = (text: string) => text[randomInt(text.length)] ?? '';
/** As deploy/nats-users.conf asks for them. */
const fitting = () => oneOf(letters) + Array.from({ length: randomInt(11, 40) }, () => oneOf(characters)).join('');

describe('a NATS password', () => {
  it('of 12 or more letters, digits, - and _ with a letter first lets its user in, and nobody else', async () => {
    const edges = ['e12345678901', 'true12345678', 'p------------', 'includeXabcd', 'x2026-01-01T', 'INF000000000'];
    const rounds = [edges, ...Array.from({ length: 6 }, () => userNames.map(fitting))];
    for (const round of rounds) {
      await using nats = await startNatsWithUsers(passwordsFor((user) => round[userNames.indexOf(user)] ?? ''));
      for (const user of userNames) {
        await (await nats.connectAs(user)).close();
        await expect(nats.connectAs(user, `${nats.passwords[user]}x`)).rejects.toThrow('Authorization Violation');
      }
    }
  });

  it.each(['123456789012', '1234567890MB', 'true', '2026-01-02T03:04:05Z', '[abcdefghijkl]', '-abcdefghijkl'])(
    'like %s, which reads as something else, keeps the server from starting',
    async (password) => {
      const starting = startNatsWithUsers(passwordsFor((user) => (user === 'gateway' ? password : fitting())));
      await expect(starting).rejects.toThrow('nats-server did not start');
    },
  );

  it('that is not set keeps the server from starting, and the server names its variable', async () => {
    const { notifier: _unset, ...others } = passwordsFor(fitting);
    const starting = startNatsWithUsers(others as ReturnType<typeof passwordsFor>);
    await expect(starting).rejects.toThrow(/NATS_NOTIFIER_PASSWORD.*can not be found/);
  });
});
