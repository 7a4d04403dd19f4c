import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { takeDataDir } from './data-dir.ts';

test('a data folder has one owner at a time; one that has died leaves it', async () => {
  const parent = await mkdtemp(join(tmpdir(), 'pet-roast-data-'));
  const folder = join(parent, 'new');
  {
    await using _owner = await takeDataDir(folder);
    await expect(takeDataDir(folder)).rejects.toThrow(`in use by another npm start (process ${process.pid})`);
  }
  expect(await readdir(folder)).toEqual([]);

  const dead = spawn(process.execPath, ['-e', '']);
  await once(dead, 'exit');
  for (const left of [String(dead.pid), '', 'nonsense', '-1']) {
    await writeFile(join(folder, 'owner.pid'), left);
    await using _next = await takeDataDir(folder);
  }
  await rm(parent, { recursive: true });
});
