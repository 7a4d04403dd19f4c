/**
 * `npm run bench -- detector-scale [--photos DIR] [--images 120] [--rounds 3] [--write]`: one to four detectors on this machine,
 * all jobs waiting from the start, and what a million photos cost by the time on a core that the detectors took for one.
 * NATS, the photos' host and this program work on the same cores.
 */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { machine, table, writeBlock } from './detector/page.ts';
import { choosePhotos } from './detector/photos.ts';
import { cpuMsOf, familyOf } from './detector/processes.ts';
import { startService } from './detector/service.ts';
import { median } from './detector/statistics.ts';
import { openVariants } from './detector/variants.ts';

const counts = [1, 2, 3, 4];
/** Railway's, as its documentation lists them (railwayapp/docs@135863d8, content/docs/pricing/plans.md). */
const usdPerVcpuMinute = 0.000463;

export async function run(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      photos: { type: 'string', default: process.env['PET_PHOTOS'] ?? '' },
      images: { type: 'string', default: '120' },
      rounds: { type: 'string', default: '3' },
      write: { type: 'boolean', default: false },
    },
  });
  const images = Number(values.images);
  const variants = await openVariants();
  const photos = await choosePhotos(values.photos, variants.detector);
  await variants[Symbol.asyncDispose]();

  const rows: string[][] = [];
  for (const replicas of counts) {
    await using service = await startService(photos, replicas);
    await service.rate(images);
    const rates: number[] = [];
    const cpuMs: number[] = [];
    for (let round = 0; round < Number(values.rounds); round++) {
      const pids = service.pids.flatMap(familyOf);
      const before = cpuMsOf(pids);
      rates.push(await service.rate(images));
      cpuMs.push((cpuMsOf(pids) - before) / images);
    }
    const usd = ((median(cpuMs) / 60_000) * usdPerVcpuMinute * 1e6).toFixed(2);
    rows.push([String(replicas), median(rates).toFixed(1), median(cpuMs).toFixed(0), usd]);
  }
  const text = [
    `${machine()}; ${images} photos a round, median of ${values.rounds} rounds; ${availableParallelism()} cores for all.`,
    '',
    table(['detectors', 'images a second', 'ms on a core, a photo', 'USD of CPU, a million photos'], rows),
  ].join('\n');
  process.stdout.write(`${text}\n`);
  if (values.write) await writeBlock('scale', text);
  return 0;
}
