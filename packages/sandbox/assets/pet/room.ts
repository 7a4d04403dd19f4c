import type { Camera } from './camera.ts';
import type { Film } from './film.ts';
import { openness, sunlit } from './light.ts';
import { createRandom, noise, turbulence } from './noise.ts';
import { add, mix, scale, smoothstep, srgb, type Vec3 } from './vector.ts';

const wallZ = -5;
const wallPaint = srgb(0x8fa3a0);
const daylight: Vec3 = [1.5, 1.6, 1.5];
const upwards: Vec3 = [0, 1, 0];

/** Paints a living room: a wall far out of focus, and a plank floor that comes into focus at the cat. */
export const paintRoom = (film: Film, camera: Camera): void => {
  const unit = film.height / 1200;
  paintSurfaces(film, camera, () => 1);
  paintPlant(film, camera, unit);
  paintLamps(film, camera, unit);
  film.blur(12 * unit);
  paintSurfaces(film, camera, (z) => 0.6 * smoothstep(-2.6, -1.2, z));
  film.blur(3 * unit);
  paintSurfaces(film, camera, (z) => smoothstep(-1.4, -0.3, z));
};

/** Paints every pixel of wall and floor, as opaque as `opacity` says for its distance. */
const paintSurfaces = (film: Film, camera: Camera, opacity: (z: number) => number): void => {
  for (let y = 0; y < film.height; y++)
    for (let x = 0; x < film.width; x++) {
      const ray = camera.ray(x + 0.5, y + 0.5);
      const toFloor = ray[1] < 0 ? -camera.eye[1] / ray[1] : 1e9;
      const toWall = (wallZ - camera.eye[2]) / ray[2];
      const p = add(camera.eye, scale(ray, Math.min(toFloor, toWall)));
      const shown = opacity(p[2]);
      if (shown > 0) film.blend(x, y, toFloor < toWall ? floorColor(p, ray) : wallColor(p), shown);
    }
};

const wallColor = ([x, y]: Vec3): Vec3 => {
  const plain = y < 0.35 ? srgb(0xd9d4c8) : scale(wallPaint, 0.75 + 0.1 * noise([x, y, 0]));
  const frame = Math.max(
    ...[inside(x, -2.08, -1.98), inside(x, -3.1, -3.0), inside(x, -1.05, -0.95)],
    ...[inside(y, 2.45, 2.55), inside(y, 1.1, 1.2)],
  );
  const garden = mix(daylight, srgb(0x9db878), smoothstep(2.6, 1.2, y + 0.4 * noise([x * 2, y * 2, 5])));
  const window = inside(x, -3.1, -0.95) * inside(y, 1.1, 4.5);
  return furnish(mix(plain, mix(garden, srgb(0xe8e4da), frame), window), x, y);
};

/** A blue sofa with a mustard cushion, before the wall's right half. */
const furnish = (wall: Vec3, x: number, y: number): Vec3 => {
  const back = roundedBox(x - 0.4, y - 0.4, 1.3, 0.65, 0.15);
  const seat = roundedBox(x - 0.5, y - 0.25, 1.2, 0.25, 0.1);
  const arm = roundedBox(x + 1.05, y - 0.3, 0.08, 0.4, 0.14);
  const cushion = roundedBox(x + 0.45 + 0.25 * y, y - 0.85 - 0.2 * x, 0.16, 0.2, 0.12);
  let color = mix(wall, scale(srgb(0x4d5f6e), 0.7 + 0.2 * y), back);
  color = mix(color, srgb(0x5f7484), seat);
  color = mix(color, scale(srgb(0x586d7d), 0.8 + 0.4 * y), arm);
  return mix(color, scale(srgb(0xcf9a3c), 0.6 + 0.4 * y), cushion);
};

const floorColor = (p: Vec3, ray: Vec3): Vec3 => {
  const [x, , z] = p;
  const plank = Math.floor(x / 0.3);
  const offset = noise([plank * 7.3, 1, 1]) * 3;
  const board = Math.floor((z + offset) / 2.2);
  const grain = turbulence([x * 28, board * 5, z * 1.6 + plank * 3]) * 0.6 + 0.4 * noise([x * 90, plank, z * 5]);
  const tone = 0.5 + 0.35 * grain + 0.45 * noise([plank * 3.7, board * 9.1, 4]);
  const seam = Math.max(edge(x / 0.3, 0.018), edge((z + offset) / 2.2, 0.003));
  const wood = scale(mix(srgb(0x6f4526), srgb(0xb98352), tone), 1 - 0.65 * seam);
  const open = openness(p, upwards);
  const light = 0.32 * open ** 1.3 + 0.8 * open * sunlit(add(p, [0, 0.02, 0]));
  const mirrored = mix(wallPaint, daylight, smoothstep(0.4, -1.2, x + ray[0] * 4));
  const gloss = 0.03 + 0.15 * (1 + ray[1]) ** 5;
  return mix(scale(wood, light), mirrored, gloss * open);
};

/** A leafy plant in the left corner. */
const paintPlant = (film: Film, camera: Camera, unit: number): void => {
  const random = createRandom(5);
  for (let i = 0; i < 60; i++) {
    const { x, y } = camera.project([-4.0 + 0.75 * (random() - 0.5), 0.75 + 1.3 * random(), wallZ]);
    film.disc(x, y, (8 + 14 * random()) * unit, 4 * unit, mix(srgb(0x26402a), srgb(0x7d9c58), random()), 0.8);
  }
};

/** A string of small lamps along the wall's upper right. */
const paintLamps = (film: Film, camera: Camera, unit: number): void => {
  const random = createRandom(11);
  for (let i = 0; i < 6; i++) {
    const t = i / 5;
    const { x, y } = camera.project([-0.78 + 1.3 * t, 3.3 - 2.2 * t * (1 - t) - 0.2 * t + 0.04 * random(), wallZ]);
    film.disc(x, y, (12 + 6 * random()) * unit, 3 * unit, [2.2, 1.6, 0.8], 0.75);
  }
};

const inside = (v: number, from: number, to: number): number => (v > from && v < to ? 1 : 0);

/** 1 inside a box of the given half sizes, its corners rounded outwards by `radius`. */
const roundedBox = (x: number, y: number, halfWidth: number, halfHeight: number, radius: number): number =>
  Math.hypot(Math.max(Math.abs(x) - halfWidth, 0), Math.max(Math.abs(y) - halfHeight, 0)) < radius ? 1 : 0;

/** 1 on the whole numbers, where one plank meets the next. */
const edge = (v: number, halfWidth: number): number =>
  smoothstep(halfWidth * 1.6, halfWidth * 0.6, Math.abs(v - Math.round(v)));
