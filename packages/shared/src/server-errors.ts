/** Why NATS or Redis cannot be used, in words that say whose fault it is and what to do. No word of it holds a secret. */

export type Server = {
  readonly name: 'NATS' | 'Redis';
  /** Whom this process logs in as, if it does. */
  readonly user?: string | undefined;
  /** Whether a first connection is tried with TLS. */
  readonly connectsByTls?: boolean;
};

/** What of a client's error is looked at: Node's and the vendors' codes, and what lies beneath. */
type Failure = {
  readonly message: string;
  readonly code?: string | undefined;
  readonly cause?: unknown;
  readonly chainedError?: unknown;
  readonly permissionContext?: { readonly operation: string; readonly subject: string };
};

/** The reason for an error of a server's client, or for what lies beneath it; its own message where it says enough. */
export function reasonOf(error: unknown, server: Server): string {
  let beneath: unknown = error;
  for (let depth = 0; depth < 4 && isFailure(beneath); depth++) {
    const reason = refusalOf(beneath, server) ?? tlsReasonOf(beneath, server);
    if (reason !== undefined) return reason;
    beneath = beneath.cause ?? beneath.chainedError;
  }
  return isFailure(error) ? error.message : String(error);
}

/** What a NATS user may not do, as a sentence. */
export function notPermitted(user: string | undefined, operation: string, subject: string): string {
  const who = user === undefined ? 'a connection without a user' : `the user ${user}`;
  return `${who} may not ${operation === 'subscription' ? 'subscribe to' : 'publish to'} ${subject} (deploy/nats-users.conf)`;
}

function refusalOf({ code, message, permissionContext }: Failure, { name, user }: Server): string | undefined {
  if (code === 'PERMISSIONS_VIOLATION' && permissionContext) {
    return notPermitted(user, permissionContext.operation, permissionContext.subject);
  }
  if (code === 'AUTHORIZATION_VIOLATION') {
    return user === undefined
      ? 'the server lets nobody in without a user; set NATS_USER and NATS_PASSWORD'
      : `the server refuses the user ${user}; NATS_USER and NATS_PASSWORD have to be those of its configuration (deploy/nats-users.conf)`;
  }
  if (name === 'Redis' && /^(WRONGPASS|NOAUTH|ERR AUTH)/.test(message)) {
    return 'the server refuses the password, or the lack of one; REDIS_URL has to carry the one it was given';
  }
  return undefined;
}

const unknownIssuer = [
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
];

/** Codes are OpenSSL's and Node's (https://nodejs.org/api/tls.html#x509-certificate-error-codes). */
function tlsReasonOf({ code = '', message }: Failure, { name, connectsByTls }: Server): string | undefined {
  const prefix = name.toUpperCase();
  if (unknownIssuer.includes(code)) {
    return `nobody that is trusted here signed the server’s certificate (${code}); ${prefix}_TLS_CA_FILE has to name the authority that did`;
  }
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return `the server’s certificate is for another name than ${prefix}_URL has: ${message}`;
  }
  if (code === 'CERT_HAS_EXPIRED')
    return 'the server’s certificate has expired; whoever runs the server has to renew it';
  if (
    code === 'SERVER_OPT_NA' ||
    code === 'ERR_SSL_WRONG_VERSION_NUMBER' ||
    code === 'ERR_SSL_PACKET_LENGTH_TOO_LONG'
  ) {
    return `the server speaks no TLS there, which ${prefix}_URL asks for`;
  }
  if (code === 'TIMEOUT' && connectsByTls) {
    // TLS 1.3 lets the client finish before the server has looked at its certificate; nats.js then waits in vain.
    return `no answer in time; a server that refuses this side’s certificate, or the lack of one, is silent too (${prefix}_TLS_CERT_FILE)`;
  }
  if (code.startsWith('ERR_SSL_') && code.includes('ALERT')) {
    const files = name === 'NATS' ? '; NATS_TLS_CERT_FILE and NATS_TLS_KEY_FILE have to hold one that it trusts' : '';
    return `the server refuses this side’s certificate, or the lack of one (${code})${files}`;
  }
  return undefined;
}

function isFailure(error: unknown): error is Failure {
  return typeof error === 'object' && error !== null && typeof (error as Failure).message === 'string';
}
