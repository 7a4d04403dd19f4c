/** A process that fetches one URL, with the fetcher and with what Node brings along, and prints what each got. */
import { createGuardedFetch } from '../../src/guarded-fetch.ts';

const [url = ''] = process.argv.slice(2);
const fetcher = createGuardedFetch({ bytesMax: 1_000, timeoutMs: 5_000, allowPrivate: true });
const guarded = new TextDecoder().decode((await fetcher.fetch(url)).bytes);
await fetcher.close();
const node = await (await fetch(url)).text();
process.stdout.write(JSON.stringify({ guarded, node }));
