import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
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

  const takeover = join(folder, 'owner.pid.takeover');
  const starters = 8;
  for (let round = 0; round < 50; round++) {
    await writeFile(join(folder, 'owner.pid'), String(dead.pid));
    const tries = await Promise.allSettled(Array.from({ length: starters }, () => takeDataDir(folder)));
    const taken = tries.filter((result) => result.status === 'fulfilled');
    expect(taken).toHaveLength(1);
    await taken[0]?.value[Symbol.asyncDispose]();
  }

  await writeFile(join(folder, 'owner.pid'), String(dead.pid));
  await mkdir(takeover);
  await expect(takeDataDir(folder)).rejects.toThrow('was just taken by another npm start');
  await utimes(takeover, 0, 0);
  await using _last = await takeDataDir(folder);
  expect(await readdir(folder)).toEqual(['owner.pid']);
  await rm(parent, { recursive: true });
});
