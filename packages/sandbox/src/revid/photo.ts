/** Fetches the photo by its address, as the vendor does. */
import { fetch } from 'undici';

const fetchMsMax = 15_000;
const photoBytesMax = 30 * 1024 * 1024;

/** The photo's bytes. Throws, with the vendor's kind of message, where they cannot be had in 15 s and 30 MiB. */
export async function fetchPhoto(url: string, closing: AbortSignal): Promise<Buffer> {
  try {
    const answer = await fetch(url, { signal: AbortSignal.any([closing, AbortSignal.timeout(fetchMsMax)]) });
    if (!answer.ok || answer.body === null) throw new Error(`HTTP ${answer.status}`);
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    for await (const chunk of answer.body) {
      bytes += chunk.length;
      if (bytes > photoBytesMax) throw new Error(`more than ${photoBytesMax} bytes`);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  } catch (cause) {
    throw new Error(`media download failed: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}
