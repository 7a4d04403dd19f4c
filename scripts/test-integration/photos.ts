/** The two pictures: those that were given, or, for a service on this machine or network, two that are served from here. */
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { startImageHost } from '@pet-roast/sandbox';
import { checkAddress } from '@pet-roast/shared';
import sharp from 'sharp';
import type { Options } from './options.ts';

export type Photos = {
  /** Undefined where none was given, and the service is too far away for one that is served here. */
  readonly pet: string | undefined;
  readonly noPet: string | undefined;
  /** Why there is none. */
  readonly whyNone: string;
  /** Addresses that begin with this are served here. */
  readonly servedAt: string | undefined;
  [Symbol.asyncDispose](): Promise<void>;
};

const whyNone = 'the service is not on this machine or network, so no picture can be served from here';
const connectTimeoutMs = 5_000;
const builtIn = new URL('../../packages/sandbox/assets/pet.jpg', import.meta.url);

/** Never throws for a service that is not there: that is for the checks to say. */
export async function openPhotos(options: Options, signal: AbortSignal): Promise<Photos> {
  const { imageUrl: pet, noPetImageUrl: noPet } = options;
  const given = { pet, noPet, whyNone, servedAt: undefined, [Symbol.asyncDispose]: async () => {} };
  if (pet !== undefined && noPet !== undefined) return given;
  const host = await addressFacing(options.aiServiceUrl, signal);
  if (host === undefined) return given;
  const images = await startImageHost({ host });
  return {
    whyNone,
    pet: pet ?? images.add('pet.jpg', await readFile(builtIn)),
    noPet: noPet ?? images.add('sky.jpg', await drawSky()),
    servedAt: images.url,
    [Symbol.asyncDispose]: images.close,
  };
}

/** This machine's address as the service would see it, where the service's own is no public one; else undefined. */
async function addressFacing(serviceUrl: string, signal: AbortSignal): Promise<string | undefined> {
  const { hostname, port, protocol } = new URL(serviceUrl);
  const socket = connect({
    host: hostname.replace(/^\[(.*)\]$/, '$1'),
    port: Number(port || (protocol === 'https:' ? 443 : 80)),
  });
  try {
    await once(socket, 'connect', { signal: AbortSignal.any([signal, AbortSignal.timeout(connectTimeoutMs)]) });
    const isPrivate = checkAddress(socket.remoteAddress ?? '') !== 'allowed';
    return isPrivate ? socket.localAddress : undefined;
  } catch {
    return undefined;
  } finally {
    socket.on('error', () => {}).destroy();
  }
}

/** Nothing but a sky. */
function drawSky(): Promise<Buffer> {
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="640" height="480"><defs><linearGradient id="g" y2="1" x2="0">
    <stop offset="0" stop-color="#2a6fd0"/><stop offset="1" stop-color="#d8ecff"/></linearGradient></defs>
    <rect width="640" height="480" fill="url(#g)"/></svg>`;
  return sharp(Buffer.from(svg)).jpeg().toBuffer();
}
