/** Everything outside the product, on this machine: Revid, both translators, the backend and a host of photos. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Backend, type BackendOptions, startBackend } from './backend.ts';
import { type Bhashini, startBhashini } from './bhashini.ts';
import type { SandboxServer } from './http-server.ts';
import { type HostedFile, type ImageHost, startImageHost } from './image-host.ts';
import { type Indictrans, startIndictrans } from './indictrans.ts';
import { type Revid, type RevidOptions, startRevid } from './revid.ts';

/** The keys that the fakes ask for. They protect nothing; fixed, so that separate processes agree on them. */
export const worldKeys = {
  revidApiKey: 'sandbox-revid-key',
  bhashiniUserId: 'sandbox-user',
  bhashiniApiKey: 'sandbox-ulca-key',
  bhashiniPipelineId: '64392f96daac500b55c543cd',
  indictransApiKey: 'sandbox-indictrans-key',
  /** `whsec_` and 32 bytes in base64. */
  webhookSecret: `whsec_${Buffer.from('pet-roast sandbox webhook secret').toString('base64')}`,
} as const;
export type WorldKeys = { readonly [Name in keyof typeof worldKeys]: string };

type Server = 'revid' | 'bhashini' | 'indictrans' | 'backend' | 'images';
const noPorts: Readonly<Partial<Record<Server, number>>> = {};

export type WorldOptions = {
  /** Address that all listen on; 127.0.0.1 unless told. */
  readonly host?: string;
  /** Host name by which the services reach this process, where that is not the address. */
  readonly publicHost?: string;
  /** Any free port for those left out. */
  readonly ports?: Readonly<Partial<Record<Server, number>>>;
  readonly keys?: Partial<WorldKeys>;
  readonly translator?: TranslatorProvider;
  /** Photos by path, beside those in `imagesDir`. */
  readonly images?: Readonly<Record<string, HostedFile>>;
  /** A folder whose files are served by their names. */
  readonly imagesDir?: string;
  readonly revid?: Pick<RevidOptions, 'behaviour' | 'workDir' | 'videoMaker'>;
  readonly backend?: Pick<BackendOptions, 'behaviour'>;
};

export type TranslatorProvider = 'bhashini' | 'indictrans';

/** The environment by which the services find this world. */
export type WorldEnv = {
  readonly SANDBOX: 'true';
  readonly REVID_BASE_URL: string;
  readonly REVID_API_KEY: string;
  readonly TRANSLATOR_PROVIDER: TranslatorProvider;
  readonly BHASHINI_CONFIG_URL: string;
  readonly BHASHINI_USER_ID: string;
  readonly BHASHINI_API_KEY: string;
  readonly BHASHINI_PIPELINE_ID: string;
  readonly INDICTRANS_URL: string;
  readonly INDICTRANS_API_KEY: string;
  readonly BACKEND_WEBHOOK_URL: string;
  readonly BACKEND_WEBHOOK_SECRET: string;
};

export type World = {
  readonly revid: Revid;
  readonly bhashini: Bhashini;
  readonly indictrans: Indictrans;
  readonly backend: Backend;
  readonly images: ImageHost;
  readonly urls: Readonly<Record<Server, string>>;
  readonly env: WorldEnv;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
};

/** Starts all of it. Throws, with nothing left running, where one of them cannot start. */
export async function startWorld(options: WorldOptions = {}): Promise<World> {
  const keys: WorldKeys = { ...worldKeys, ...options.keys };
  const ports = options.ports ?? noPorts;
  const listen = (server: Server) => ({
    port: ports[server] ?? 0,
    ...(options.host === undefined ? {} : { host: options.host }),
    ...(options.publicHost === undefined ? {} : { publicHost: options.publicHost }),
  });
  const folder = options.imagesDir === undefined ? {} : await filesIn(options.imagesDir);

  await using starting = new AsyncDisposableStack();
  const started = async <T extends SandboxServer>(server: Promise<T>): Promise<T> => starting.use(await server);
  const revid = await started(startRevid({ ...listen('revid'), apiKey: keys.revidApiKey, ...options.revid }));
  const bhashini = await started(
    startBhashini({
      ...{ ...listen('bhashini'), userId: keys.bhashiniUserId, apiKey: keys.bhashiniApiKey },
      pipelineId: keys.bhashiniPipelineId,
    }),
  );
  const indictrans = await started(startIndictrans({ ...listen('indictrans'), apiKey: keys.indictransApiKey }));
  const backend = await started(startBackend({ ...listen('backend'), secret: keys.webhookSecret, ...options.backend }));
  const images = await started(startImageHost({ ...listen('images'), files: { ...folder, ...options.images } }));

  const stack = starting.move();
  const close = (): Promise<void> => stack.disposeAsync();
  return {
    ...{ revid, bhashini, indictrans, backend, images, close },
    urls: {
      revid: revid.url,
      bhashini: bhashini.url,
      indictrans: indictrans.url,
      backend: backend.url,
      images: images.url,
    },
    env: {
      SANDBOX: 'true',
      REVID_BASE_URL: revid.baseUrl,
      REVID_API_KEY: keys.revidApiKey,
      TRANSLATOR_PROVIDER: options.translator ?? 'bhashini',
      BHASHINI_CONFIG_URL: bhashini.configUrl,
      BHASHINI_USER_ID: keys.bhashiniUserId,
      BHASHINI_API_KEY: keys.bhashiniApiKey,
      BHASHINI_PIPELINE_ID: keys.bhashiniPipelineId,
      INDICTRANS_URL: indictrans.url,
      INDICTRANS_API_KEY: keys.indictransApiKey,
      BACKEND_WEBHOOK_URL: backend.webhookUrl,
      BACKEND_WEBHOOK_SECRET: keys.webhookSecret,
    },
    [Symbol.asyncDispose]: close,
  };
}

async function filesIn(folder: string): Promise<Record<string, HostedFile>> {
  const entries = await readdir(folder, { withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  return Object.fromEntries(files.map(({ name }) => [name, join(folder, name)]));
}
