import { add, cross, dot, normalize, scale, subtract, type Vec3 } from './vector.ts';

/** A pinhole camera over a picture of the given size in pixels. */
export type Camera = ReturnType<typeof createCamera>;

export const createCamera = (eye: Vec3, target: Vec3, pixelsPerUnitAtTarget: number, width: number, height: number) => {
  const front = normalize(subtract(target, eye));
  const right = normalize(cross(front, [0, 1, 0]));
  const up = cross(right, front);
  const focal = pixelsPerUnitAtTarget * Math.hypot(...subtract(target, eye));
  return {
    eye,
    front,
    /** The direction of sight through a point of the picture. */
    ray: (x: number, y: number): Vec3 =>
      normalize(add(add(scale(front, focal), scale(right, x - width / 2)), scale(up, height / 2 - y))),
    /** Where a point falls on the picture, and how far it lies before the lens. */
    project: (p: Vec3): { x: number; y: number; depth: number } => {
      const d = subtract(p, eye);
      const depth = Math.max(dot(d, front), 1e-3);
      return { x: width / 2 + (dot(d, right) * focal) / depth, y: height / 2 - (dot(d, up) * focal) / depth, depth };
    },
    /** The picture's pixels per unit of length at a depth. */
    magnification: (depth: number): number => focal / depth,
  };
};
