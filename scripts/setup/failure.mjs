/** A set-up that cannot go on, told as: what, why, whose matter it is, and what to do. */
export class Failure extends Error {
  /** @param {string} what @param {{ why: string, whose: string, todo: string, log?: string }} details */
  constructor(what, { why, whose, todo, log }) {
    const lines = [`${what}.`, `  Why:   ${why}`, `  Whose: ${whose}`, `  To do: ${todo}`];
    super([...lines, ...(log === undefined ? [] : [`  Log:   ${log}`])].join('\n'));
    this.name = 'Failure';
  }
}

const again = 'then run the same command again';

/** What npm's and pnpm's words mean for a person. The first that fits is taken, so the surest signs come first. */
const meanings = [
  {
    sign: /ENOSPC|no space left/i,
    whose: 'this machine: its disk is full',
    todo: `free about 1 GB, ${again}`,
  },
  {
    sign: /ERR_PNPM_OUTDATED_LOCKFILE|frozen-lockfile/,
    whose: 'this repository: a package.json was changed and pnpm-lock.yaml was not',
    todo: 'run .cache/runtime/node_modules/.bin/pnpm install, and commit pnpm-lock.yaml with the change',
  },
  {
    sign: /EINTEGRITY|ERR_PNPM_TARBALL_INTEGRITY|integrity check/i,
    whose: 'something between the npm registry and here: a package arrived changed or broken',
    todo: `npm cache clean --force, ${again}; if it stays, a proxy alters downloads`,
  },
  {
    sign: /CERT_|SELF_SIGNED|UNABLE_TO_(VERIFY|GET)|certificate/i,
    whose: 'this network: it presents a certificate that this machine does not trust',
    todo: `set NODE_EXTRA_CA_CERTS to your organisation's certificate file, ${again}`,
  },
  {
    sign: /E40[137]\b|ERR_PNPM_FETCH_40[137]/,
    whose: 'your npm registry: it wants other credentials or forbids this package',
    todo: `check "npm config get registry" and your login there, ${again}`,
  },
  {
    sign: /E404|ETARGET|ERR_PNPM_FETCH_404|ERR_PNPM_NO_MATCHING_VERSION/,
    whose: 'your npm registry: it does not have that package in that version',
    todo: `check "npm config get registry" (a mirror may lag behind), ${again}`,
  },
  {
    sign: /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|SOCKET_TIMEOUT|error sending request|META_FETCH_FAIL/i,
    whose: 'the network: the npm registry cannot be reached from this machine',
    todo: `check the connection (behind a proxy, set HTTPS_PROXY; for a mirror, "npm config set registry …"), ${again}`,
  },
  {
    sign: /E5\d\d\b|ERR_PNPM_FETCH_5|Internal Server Error|Bad Gateway|Service Unavailable/i,
    whose: 'the npm registry: it has trouble of its own',
    todo: 'wait some minutes and run the same command again',
  },
  {
    sign: /EACCES|EPERM|EROFS|permission denied|read-only file system/i,
    whose: 'this machine: a folder cannot be written to by you (often one that root made)',
    todo: `make the folder named in the log yours, ${again}`,
  },
];

const unknown = { whose: 'not clear from what was said', todo: 'read the log' };

/** The failure of a step from the output of the program that failed. */
export function failureFrom(what, output, ending, log) {
  const meaning = meanings.find(({ sign }) => sign.test(output)) ?? unknown;
  return new Failure(what, { ...meaning, why: tellingLine(output, meaning.sign) ?? ending, log });
}

function tellingLine(output, sign) {
  const lines = output.split('\n').map((line) => line.replace(/^npm (error|ERR!) ?/, '').trim());
  const told =
    sign === undefined ? lines.filter((line) => /error|ERR/i.test(line)) : lines.filter((line) => sign.test(line));
  return told.sort((a, b) => b.length - a.length)[0]?.slice(0, 300);
}
