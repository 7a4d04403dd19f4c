/** `deploy/nats-users.conf`, out of the contract: one NATS user a service, with the subjects that it needs. */
import { type NatsPermissions, natsServices, permissionsOf } from '@pet-roast/shared';

export function natsUsersConf(): string {
  return `# Generated from packages/shared/src/nats-permissions.ts by \`npm run docs\`; a test fails when it is stale.
#
# One user a service, called as the service is, and one who may do everything: for operators, and for all services in one
# process. Their passwords come from the server's environment: 12 or more letters, digits, - and _, the first one a letter,
# as in "p$(openssl rand -hex 24)". Anything else may be read as a number, a comment or a variable. An unset variable keeps
# the server from starting; an EMPTY one makes a user whom everybody may be.

${natsServices.map((service) => `${variableOf(service)}: ${permissionsText(permissionsOf(service))}`).join('\n\n')}

authorization {
  users: [
${natsServices.map((service) => `    { user: "${service}", password: ${passwordOf(service)}, permissions: $${variableOf(service)} }`).join('\n')}
    { user: "admin", password: ${passwordOf('admin')} }
  ]
}
`;
}

function variableOf(service: string): string {
  return `MAY_${upper(service)}`;
}

function passwordOf(user: string): string {
  return `$NATS_${upper(user)}_PASSWORD`;
}

function upper(name: string): string {
  return name.toUpperCase().replaceAll('-', '_');
}

function permissionsText({ publish, subscribe }: NatsPermissions): string {
  const denied = publish.deny.length === 0 ? '' : `\n    deny: ${list(publish.deny)}`;
  return `{
  publish: {
    allow: ${list(publish.allow)}${denied}
  }
  subscribe: { allow: ${JSON.stringify(subscribe.allow)} }
}`;
}

function list(subjects: readonly string[]): string {
  return `[\n${subjects.map((subject) => `      ${JSON.stringify(subject)}`).join('\n')}\n    ]`;
}
