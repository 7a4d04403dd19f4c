/** docker-compose.yml and .railway/railway.ts as values, read without starting anything. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Shape } from '@pet-roast/shared';
import { createRailwayContext, project, type RailwayGraph, type ServiceNode } from 'railway/iac';
import { parse } from 'yaml';
import { configSchema as detector } from '../../services/detector/src/config.ts';
import { configSchema as gateway } from '../../services/gateway/src/config.ts';
import { configSchema as notifier } from '../../services/notifier/src/config.ts';
import { configSchema as bridge } from '../../services/revid-bridge/src/config.ts';
import { configSchema as translator } from '../../services/translator/src/config.ts';

/** What each of the five reads from its environment. */
export const configSchemas: Record<string, Shape> = { gateway, detector, translator, 'revid-bridge': bridge, notifier };

/** Where the repository lies. */
export const root = fileURLToPath(new URL('../..', import.meta.url));

export type ComposeService = {
  readonly image?: string;
  readonly build?: { readonly dockerfile?: string; readonly args?: Record<string, string> };
  readonly environment?: Record<string, unknown>;
  readonly command?: string[];
  readonly volumes?: string[];
  readonly restart?: string;
  readonly stop_grace_period?: string;
  readonly user?: string;
  readonly read_only?: boolean;
  readonly tmpfs?: string[];
  readonly cap_drop?: string[];
  readonly security_opt?: string[];
};
type Variables = NonNullable<ServiceNode['variables']>;

export type Railway = {
  readonly graph: RailwayGraph;
  service(name: string): ServiceNode;
  variables(name: string): Variables;
  /** A variable's value where it stands in the file itself, or a text that says that it does not. */
  literal(name: string, variable: string): string;
};

/** The services of docker-compose.yml, merge keys resolved. */
export function composeServices(): Record<string, ComposeService> {
  return (parse(readFromRoot('docker-compose.yml'), { merge: true }) as { services: Record<string, ComposeService> })
    .services;
}

/**
 * The graph of .railway/railway.ts as Railway's CLI makes it: what the program answers, by way of JSON, and an edge for
 * each reference.
 */
export async function railway(): Promise<Railway> {
  const { default: program } = await import('../../.railway/railway.ts');
  const definition = JSON.parse(JSON.stringify(await program(createRailwayContext(), project)));
  const resources: RailwayGraph['resources'] = definition.resources;
  const edges = resources.filter((resource) => resource.type === 'service').flatMap(referencesOf);
  const graph = { version: 1 as const, project: { name: definition.name }, environments: [], resources, edges };

  const service = (name: string): ServiceNode => {
    const found = resources.find((resource) => resource.type === 'service' && resource.name === name);
    if (found?.type !== 'service') throw new Error(`.railway/railway.ts has no service ${name}`);
    return found;
  };
  const variables = (name: string): Variables => service(name).variables ?? {};
  return {
    graph,
    service,
    variables,
    literal(name, variable) {
      const value = variables(name)[variable];
      return value?.type === 'literal' ? String(value.value) : `${variable} is not in the file`;
    },
  };
}

/** The value with each reference replaced as Railway would, by an address of the form that it gives. */
export function withExampleAddresses(value: string): string {
  return value.replaceAll(/\$\{\{(?:([\w-]+)\.)?RAILWAY_(PRIVATE|PUBLIC)_DOMAIN\}\}/g, (_match, name, kind) =>
    kind === 'PRIVATE' ? `${name}.railway.internal` : 'example.up.railway.app',
  );
}

/** A project's own directory and those of the workspace's packages that it runs with, at any depth. */
export function projectsOf(directory: string): string[] {
  const manifest = JSON.parse(readFromRoot(`${directory}/package.json`)) as { dependencies?: Record<string, string> };
  const names = Object.entries(manifest.dependencies ?? {})
    .filter(([, range]) => range.startsWith('workspace:'))
    .map(([name]) => name);
  return [...new Set([directory, ...names.flatMap((name) => projectsOf(name.replace('@pet-roast/', 'packages/')))])];
}

export function readFromRoot(path: string): string {
  return readFileSync(join(root, path), 'utf8');
}

function referencesOf({ address, variables = {} }: ServiceNode): RailwayGraph['edges'] {
  return Object.entries(variables).flatMap(([key, value]) =>
    value.type === 'reference' ? [{ from: address, to: value.resource, type: 'variable' as const, key }] : [],
  );
}
