import { scale, type Vec3 } from './vector.ts';

/** A reproducible source of numbers in 0..1 (a 32-bit mixing generator). */
export const createRandom = (seed: number): (() => number) => {
  let state = seed | 0;
  return () => {
    state = (state + 0x9e3779b9) | 0;
    return mixBits(state) / 4294967296;
  };
};

/** Smooth value noise, -1..1, with features about one unit wide. */
export const noise = ([x, y, z]: Vec3): number => {
  const [ix, iy, iz] = [Math.floor(x), Math.floor(y), Math.floor(z)];
  const [fx, fy, fz] = [fade(x - ix), fade(y - iy), fade(z - iz)];
  const row = (dy: number, dz: number): number => {
    const a = lattice(ix, iy + dy, iz + dz);
    return a + (lattice(ix + 1, iy + dy, iz + dz) - a) * fx;
  };
  const sheet = (dz: number): number => {
    const a = row(0, dz);
    return a + (row(1, dz) - a) * fy;
  };
  const near = sheet(0);
  return near + (sheet(1) - near) * fz;
};

/** Three octaves of `noise`, about -1..1. */
export const turbulence = (p: Vec3): number =>
  (noise(p) + noise(scale(p, 2.03)) * 0.5 + noise(scale(p, 4.1)) * 0.25) / 1.5;

const fade = (t: number): number => t * t * (3 - 2 * t);

const lattice = (x: number, y: number, z: number): number =>
  mixBits(Math.imul(x, 0x1f123bb5) ^ Math.imul(y, 0x5f356495) ^ Math.imul(z, 0x3c6ef372)) / 2147483648 - 1;

const mixBits = (bits: number): number => {
  let h = bits;
  h = Math.imul(h ^ (h >>> 16), 0x7feb352d);
  h = Math.imul(h ^ (h >>> 15), 0x2c1b3c6d);
  return (h ^ (h >>> 16)) >>> 0;
};
