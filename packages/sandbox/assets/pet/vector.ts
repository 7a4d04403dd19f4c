/** A point, a direction or a linear RGB colour. */
export type Vec3 = readonly [number, number, number];

export const add = (a: Vec3, b: Vec3): Vec3 => [a[0] + b[0], a[1] + b[1], a[2] + b[2]];
export const subtract = (a: Vec3, b: Vec3): Vec3 => [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
export const scale = (a: Vec3, s: number): Vec3 => [a[0] * s, a[1] * s, a[2] * s];
export const multiply = (a: Vec3, b: Vec3): Vec3 => [a[0] * b[0], a[1] * b[1], a[2] * b[2]];
export const mix = (a: Vec3, b: Vec3, t: number): Vec3 => add(scale(a, 1 - t), scale(b, t));
export const dot = (a: Vec3, b: Vec3): number => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
export const length = (a: Vec3): number => Math.sqrt(dot(a, a));
export const normalize = (a: Vec3): Vec3 => scale(a, 1 / Math.max(length(a), 1e-9));
export const cross = (a: Vec3, b: Vec3): Vec3 => [
  a[1] * b[2] - a[2] * b[1],
  a[2] * b[0] - a[0] * b[2],
  a[0] * b[1] - a[1] * b[0],
];

/** The part of `a` that lies in the plane with unit normal `n`. */
export const tangential = (a: Vec3, n: Vec3): Vec3 => subtract(a, scale(n, dot(a, n)));

export const clamp = (v: number, low: number, high: number): number => Math.min(Math.max(v, low), high);

/** 0 at `from`, 1 at `to`, an S-curve between; `from` may exceed `to`. */
export const smoothstep = (from: number, to: number, v: number): number => {
  const t = clamp((v - from) / (to - from), 0, 1);
  return t * t * (3 - 2 * t);
};

/** A linear colour from its sRGB hexadecimal spelling, `0xrrggbb`. */
export const srgb = (hex: number): Vec3 => {
  const linear = (byte: number): number => (byte / 255) ** 2.2;
  return [linear((hex >> 16) & 255), linear((hex >> 8) & 255), linear(hex & 255)];
};

/** A local frame placed inside a parent one. */
export type Frame = { size: number; toLocal(p: Vec3): Vec3; fromLocal(p: Vec3): Vec3; toParent(direction: Vec3): Vec3 };

/** Turned by `roll` about z, then `pitch` about x, then `yaw` about y, in radians; one local unit is `size` parent units long. */
type Pose = { yaw: number; pitch: number; roll: number; size: number };

export const createFrame = (origin: Vec3, { yaw, pitch, roll, size }: Pose): Frame => {
  const turn = (p: Vec3): Vec3 => {
    const [x, y, z] = [
      p[0] * Math.cos(roll) - p[1] * Math.sin(roll),
      p[0] * Math.sin(roll) + p[1] * Math.cos(roll),
      p[2],
    ];
    const [y2, z2] = [y * Math.cos(pitch) - z * Math.sin(pitch), y * Math.sin(pitch) + z * Math.cos(pitch)];
    return [x * Math.cos(yaw) + z2 * Math.sin(yaw), y2, z2 * Math.cos(yaw) - x * Math.sin(yaw)];
  };
  const right = turn([1, 0, 0]);
  const up = turn([0, 1, 0]);
  const front = turn([0, 0, 1]);
  const toParent = (d: Vec3): Vec3 => add(add(scale(right, d[0]), scale(up, d[1])), scale(front, d[2]));
  return {
    size,
    toLocal: (p) => {
      const q = subtract(p, origin);
      return [dot(q, right) / size, dot(q, up) / size, dot(q, front) / size];
    },
    fromLocal: (p) => add(origin, scale(toParent(p), size)),
    toParent,
  };
};
