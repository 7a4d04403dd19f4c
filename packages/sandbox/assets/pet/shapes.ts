import type { Frame, Vec3 } from './vector.ts';

/** A signed distance field: negative inside, at most the distance to the surface outside. */
export type Shape = (x: number, y: number, z: number) => number;

export const ellipsoid = ([cx, cy, cz]: Vec3, [rx, ry, rz]: Vec3): Shape => {
  const smallest = Math.min(rx, ry, rz);
  return (x, y, z) => {
    const [dx, dy, dz] = [(x - cx) / rx, (y - cy) / ry, (z - cz) / rz];
    const k = Math.sqrt(dx * dx + dy * dy + dz * dz);
    const [gx, gy, gz] = [dx / rx, dy / ry, dz / rz];
    const gradient = Math.sqrt(gx * gx + gy * gy + gz * gz);
    return gradient < 1e-6 ? -smallest : (k * (k - 1)) / gradient;
  };
};

/** A limb from `a` to `b` whose radius runs from `ra` to `rb`. */
export const limb = (a: Vec3, b: Vec3, ra: number, rb: number): Shape => {
  const [ax, ay, az] = a;
  const [bx, by, bz] = [b[0] - ax, b[1] - ay, b[2] - az];
  const squared = bx * bx + by * by + bz * bz;
  return (x, y, z) => {
    const [px, py, pz] = [x - ax, y - ay, z - az];
    const along = Math.min(Math.max((px * bx + py * by + pz * bz) / squared, 0), 1);
    const [dx, dy, dz] = [px - bx * along, py - by * along, pz - bz * along];
    return Math.sqrt(dx * dx + dy * dy + dz * dz) - (ra + (rb - ra) * along);
  };
};

/** Joins shapes, filling the creases between them over a width of about `softness`. */
export const join =
  (softness: number, ...shapes: readonly Shape[]): Shape =>
  (x, y, z) => {
    let distance = 1e9;
    for (const shape of shapes) distance = softMin(distance, shape(x, y, z), softness);
    return distance;
  };

/** `body` with `hole` taken out of it. */
export const carve =
  (softness: number, body: Shape, hole: Shape): Shape =>
  (x, y, z) =>
    -softMin(-body(x, y, z), hole(x, y, z), softness);

/** The shape and its mirror image across x = 0. */
export const paired =
  (shape: Shape): Shape =>
  (x, y, z) =>
    shape(Math.abs(x), y, z);

export const placed =
  (frame: Frame, shape: Shape): Shape =>
  (x, y, z) => {
    const p = frame.toLocal([x, y, z]);
    return shape(p[0], p[1], p[2]) * frame.size;
  };

const softMin = (a: number, b: number, softness: number): number => {
  const overlap = Math.max(softness - Math.abs(a - b), 0) / softness;
  return Math.min(a, b) - overlap * overlap * softness * 0.25;
};
