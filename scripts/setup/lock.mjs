import { mkdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Failure } from './failure.mjs';
import { say } from './step.mjs';

const waitMsMax = 20 * 60_000;
const everyMs = 200;
const heartbeatMs = 2_000;
const silentMsMax = 30_000; // an owner that shows no life for so long is dead, wherever it ran
const stealMsMax = 10_000;

/**
 * Does work that only one process may do at a time, in this folder of the machine. The lock is a folder, since making
 * one either succeeds or fails. Its owner touches it every 2 s; one whose owner is gone is taken over.
 */
export async function withLock(folder, work) {
  let isOurs = false;
  const release = () => isOurs && rmSync(folder, { recursive: true, force: true });
  process.once('exit', release).once('SIGINT', exitOn).once('SIGTERM', exitOn);
  try {
    await take(folder);
    isOurs = true;
    const heartbeat = setInterval(() => touch(folder), heartbeatMs);
    return await work().finally(() => clearInterval(heartbeat));
  } finally {
    process.off('exit', release).off('SIGINT', exitOn).off('SIGTERM', exitOn);
    release();
  }
}

/** By way of the exit handlers, which end what runs and free the lock. */
function exitOn(signal) {
  process.exit(signal === 'SIGINT' ? 130 : 143);
}

async function take(folder) {
  const deadline = Date.now() + waitMsMax;
  let told = false;
  while (!make(folder)) {
    const owner = ownerOf(folder);
    if (owner.isGone) {
      removeStale(folder);
      continue;
    }
    if (!told) say(`Setting up: waiting for another set-up that is under way here (process ${owner.pid ?? '?'}) …`);
    told = true;
    if (Date.now() > deadline) {
      throw new Failure('The set-up could not start', {
        why: `another set-up (process ${owner.pid ?? '?'}) has held ${folder} for ${waitMsMax / 60_000} minutes`,
        whose: 'that process',
        todo: `end it if it hangs, remove ${folder}, and run the same command again`,
      });
    }
    await delay(everyMs);
  }
}

/** The folder appears with its owner's name in it, never without. */
function make(folder) {
  const draft = `${folder}.${process.pid}`;
  try {
    mkdirSync(draft, { recursive: true });
    writeFileSync(join(draft, 'owner.json'), JSON.stringify({ pid: process.pid, host: hostname() }));
  } catch (error) {
    if (error.code === 'ENOSPC') {
      throw new Failure('The set-up cannot write here', {
        why: `${dirname(folder)}: there is no space left`,
        whose: 'this machine: its disk is full',
        todo: 'free about 1 GB, then run the same command again',
      });
    }
    if (!['EACCES', 'EPERM', 'EROFS'].includes(error.code)) throw error;
    throw new Failure('The set-up cannot write here', {
      why: `${dirname(folder)}: ${error.code}`,
      whose: 'whoever owns that folder; a container started as root may have made it',
      todo: `make it yours (sudo chown -R $(id -u) ${dirname(folder)}), and run the same command again`,
    });
  }
  try {
    renameSync(draft, folder); // fails on a folder that is there, since that one is not empty
    return true;
  } catch (error) {
    rmSync(draft, { recursive: true, force: true });
    if (['ENOTEMPTY', 'EEXIST', 'EPERM'].includes(error.code)) return false;
    throw error;
  }
}

function ownerOf(folder) {
  try {
    const file = join(folder, 'owner.json');
    const { pid, host } = JSON.parse(readFileSync(file, 'utf8'));
    const silent = Date.now() - statSync(file).mtimeMs > silentMsMax;
    return { pid, isGone: silent || (host === hostname() && !isRunning(pid)) };
  } catch {
    return { pid: undefined, isGone: false }; // just released: the next try settles it
  }
}

/** Of several who see a dead owner one removes the lock: whoever makes the second folder, after a second look. */
function removeStale(folder) {
  const claim = `${folder}.steal`;
  try {
    mkdirSync(claim);
  } catch {
    try {
      if (Date.now() - statSync(claim).mtimeMs > stealMsMax) rmSync(claim, { recursive: true, force: true });
    } catch {
      // gone already
    }
    return;
  }
  try {
    if (ownerOf(folder).isGone) rmSync(folder, { recursive: true, force: true });
  } finally {
    rmSync(claim, { recursive: true, force: true });
  }
}

function touch(folder) {
  try {
    utimesSync(join(folder, 'owner.json'), new Date(), new Date());
  } catch {
    // the lock was taken from us; the work is repeatable
  }
}

function isRunning(pid) {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return error.code === 'EPERM';
  }
}
