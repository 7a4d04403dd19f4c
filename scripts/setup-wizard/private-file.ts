/** Files that hold secrets: mode 0600 from their first byte on, and never half written. */
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { access, open, readFile, realpath, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

/** The file's text; undefined where there is none. */
export async function readIfThere(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
}

/** Throws where a file could not be put there. */
export async function expectWritable(path: string): Promise<void> {
  await access(dirname(await targetOf(path)), constants.W_OK);
}

/** Puts the file in place in one step, over an old one if there is one; a symbolic link stays one. */
export async function replacePrivately(path: string, text: string): Promise<void> {
  const target = await targetOf(path);
  const temporary = `${target}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    await createPrivately(temporary, text);
    await rename(temporary, target);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** Writes a new file. Throws where there is one already. */
export async function createPrivately(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function targetOf(path: string): Promise<string> {
  return realpath(path).catch(() => path);
}
