/** The folder that NATS and Redis keep their data in belongs to one `npm start` at a time. */
import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** Whoever was killed while it took a folder over, in a few milliseconds, holds nobody up for longer. */
const takeoverMsMax = 10_000;

/**
 * Takes the folder until it is disposed of. Two NATS on one folder would each let a bridge claim a job, and both would be
 * paid. Throws where another process that lives has it; one that has died leaves it to whoever comes next.
 */
export async function takeDataDir(dataDir: string): Promise<AsyncDisposable> {
  await mkdir(dataDir, { recursive: true });
  const file = join(dataDir, 'owner.pid');
  if (!(await claim(file))) {
    await using _takeover = await startTakeover(`${file}.takeover`);
    const owner = Number(await readFile(file, 'utf8').catch(() => ''));
    if (isAlive(owner)) {
      throw new Error(
        `${dataDir} is in use by another npm start (process ${owner}): end that one, or name another folder in DATA_DIR. ` +
          `If process ${owner} is something else, remove ${file}.`,
      );
    }
    await rm(file, { force: true });
    if (!(await claim(file))) throw justTaken(dataDir);
  }
  return { [Symbol.asyncDispose]: () => rm(file, { force: true }) };
}

/** Of several that see a dead owner one at a time looks again and removes its file, or it would remove the next one's. */
async function startTakeover(folder: string): Promise<AsyncDisposable> {
  const leftMs = await stat(folder).then(
    ({ mtimeMs }) => Date.now() - mtimeMs,
    () => 0,
  );
  if (leftMs > takeoverMsMax) await rm(folder, { recursive: true, force: true });
  await mkdir(folder).catch((error: NodeJS.ErrnoException) => {
    throw error.code === 'EEXIST' ? justTaken(dirname(folder)) : error;
  });
  return { [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) };
}

function justTaken(dataDir: string): Error {
  return new Error(`${dataDir} was just taken by another npm start.`);
}

async function claim(file: string): Promise<boolean> {
  try {
    await writeFile(file, String(process.pid), { flag: 'wx' });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

function isAlive(pid: number): boolean {
  if (!Number.isSafeInteger(pid) || pid <= 0) return false;
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
