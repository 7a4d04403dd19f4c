import { describe, expect, it } from 'vitest';
import { reasonOf } from './server-errors.ts';

const withCode = (code: string, message = 'as the library says') => Object.assign(new Error(message), { code });

describe('the reason why a server cannot be used', () => {
  it.each([
    ['SELF_SIGNED_CERT_IN_CHAIN', 'NATS_TLS_CA_FILE has to name the authority'],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'for another name than NATS_URL has'],
    ['CERT_HAS_EXPIRED', 'has expired; whoever runs the server has to renew it'],
    ['SERVER_OPT_NA', 'speaks no TLS there, which NATS_URL asks for'],
    ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', 'NATS_TLS_CERT_FILE and NATS_TLS_KEY_FILE have to hold one'],
    ['AUTHORIZATION_VIOLATION', 'refuses the user gateway; NATS_USER and NATS_PASSWORD have to be'],
  ])('behind %s says whose fault it is and what to do', (code, says) => {
    expect(reasonOf(withCode(code), { name: 'NATS', user: 'gateway' })).toContain(says);
  });

  it('is found beneath the errors that a client wraps around it', () => {
    const wrapped = Object.assign(new Error('TLS'), {
      chainedError: new Error('x', { cause: withCode('CERT_HAS_EXPIRED') }),
    });
    expect(reasonOf(wrapped, { name: 'Redis' })).toContain('has expired');
  });

  it('names Redis’ variables for Redis', () => {
    expect(reasonOf(withCode('DEPTH_ZERO_SELF_SIGNED_CERT'), { name: 'Redis' })).toContain('REDIS_TLS_CA_FILE');
    expect(reasonOf(new Error('WRONGPASS invalid username-password pair'), { name: 'Redis' })).toContain('REDIS_URL');
  });

  it('stays the error’s own where that says enough', () => {
    expect(reasonOf(withCode('ECONNREFUSED', 'connect ECONNREFUSED 127.0.0.1:4222'), { name: 'NATS' })).toBe(
      'connect ECONNREFUSED 127.0.0.1:4222',
    );
    expect(reasonOf('odd', { name: 'NATS' })).toBe('odd');
  });
});
