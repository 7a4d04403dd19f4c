import type { Camera } from './camera.ts';
import { catDistance, headFrame, type Part, partAt } from './cat.ts';
import { eyeColor, furAt, noseColor } from './coat.ts';
import type { Film } from './film.ts';
import { fiberGlint, lightAt, lit } from './light.ts';
import { createRandom, noise } from './noise.ts';
import { add, clamp, dot, normalize, scale, subtract, tangential, type Vec3 } from './vector.ts';

const hairsPerSquareUnit = 150_000;
const hairWidth = 0.0033;

type Hit = { p: Vec3; normal: Vec3; part: Part; light: Vec3; depth: number };
type Hair = { root: Vec3; lean: Vec3; bend: Vec3; length: number; color: Vec3; depth: number; order: number };

/** Paints the cat: first its skin, eyes and nose, then every hair from the farthest to the nearest. */
export const paintCat = (film: Film, camera: Camera): void => {
  const random = createRandom(7);
  const skinDepth = new Float32Array(film.width * film.height).fill(1e9);
  const hairs: Hair[] = [];
  for (let y = 0; y < film.height; y++)
    for (let x = 0; x < film.width; x++) {
      const hit = trace(camera, x + 0.5, y + 0.5);
      if (!hit) continue;
      skinDepth[y * film.width + x] = hit.depth;
      film.blend(x, y, skinColor(hit, camera), 1);
      if (hit.part === 'eye' || hit.part === 'nose') continue;
      for (let n = hairsPerSquareUnit / camera.magnification(hit.depth) ** 2; n > random(); n--)
        hairs.push(growHair(hit, random));
    }
  hairs.sort((a, b) => b.order - a.order);
  for (const hair of hairs) paintHair(film, camera, hair, skinDepth);
  paintWhiskers(film, camera, random);
};

const paintWhiskers = (film: Film, camera: Camera, random: () => number): void => {
  for (const side of [-1, 1])
    for (let i = 0; i < 12; i++) {
      const row = (i % 4) / 3;
      const root = headFrame.fromLocal([side * (0.075 + 0.05 * random()), -0.115 - 0.05 * row, 0.4 - 0.02 * random()]);
      const lean = headFrame.toParent([side, 0.22 - 0.42 * row + 0.1 * random(), 0.12]);
      const span = 0.42 + 0.25 * random();
      for (let s = 0; s < 500; s++) {
        const t = s / 500;
        const { x, y } = camera.project(add(root, scale(add(lean, [0, -0.3 * t, -0.25 * t]), span * t)));
        film.dab(x, y, camera.magnification(7) * 0.0032 * (1 - 0.6 * t), [1.05, 1.02, 0.97], 0.6 * (1 - t));
      }
    }
};

const trace = (camera: Camera, x: number, y: number): Hit | undefined => {
  const ray = camera.ray(x, y);
  let t = 4;
  for (let i = 0; i < 90 && t < 11; i++) {
    const p = add(camera.eye, scale(ray, t));
    const d = catDistance(p[0], p[1], p[2]);
    if (d < 0.0015) {
      const normal = normalAt(p);
      return {
        p,
        normal,
        part: partAt(p),
        light: lightAt(p, normal),
        depth: dot(subtract(p, camera.eye), camera.front),
      };
    }
    t += d * 0.9;
  }
  return undefined;
};

const normalAt = ([x, y, z]: Vec3): Vec3 => {
  const e = 0.003;
  return normalize([
    catDistance(x + e, y, z) - catDistance(x - e, y, z),
    catDistance(x, y + e, z) - catDistance(x, y - e, z),
    catDistance(x, y, z + e) - catDistance(x, y, z - e),
  ]);
};

const skinColor = (hit: Hit, camera: Camera): Vec3 => {
  if (hit.part === 'eye') return lit(eyeColor(hit.p), add(scale(hit.light, 0.35), [0.55, 0.55, 0.55]));
  if (hit.part === 'nose') {
    const shine = clamp(dot(hit.normal, normalize(subtract(camera.eye, hit.p))), 0, 1) ** 30 * 0.12;
    return add(lit(noseColor(hit.p), hit.light), [shine, shine, shine]);
  }
  return scale(lit(furAt(hit.part, hit.p, hit.normal).color, hit.light), 0.4);
};

const growHair = (hit: Hit, random: () => number): Hair => {
  const jitter = (size: number): Vec3 => [(random() - 0.5) * size, (random() - 0.5) * size, (random() - 0.5) * size];
  const root = add(hit.p, tangential(jitter(0.006), hit.normal));
  const fur = furAt(hit.part, root, hit.normal);
  const comb = normalize(tangential(fur.comb, hit.normal));
  const clump = (k: number): number => noise([root[0] * 22 + k, root[1] * 14, root[2] * 22]);
  const tousled = add(scale([clump(0), clump(9), clump(18)], 0.35), jitter(0.35));
  const lean = normalize(add(add(comb, scale(hit.normal, 0.55)), tousled));
  const shade = 0.95 + 1.2 * (random() - 0.5) + 0.5 * clump(30);
  return {
    root,
    lean,
    bend: add(scale(comb, 0.35), [0, -0.18, 0]),
    length: fur.length * (0.65 + 0.7 * random()),
    color: scale(lit(fur.color, hit.light), shade),
    depth: hit.depth,
    order: hit.depth - fur.length * 0.4 * random() - 0.35 * Math.min(root[1], 0.85),
  };
};

const paintHair = (film: Film, camera: Camera, hair: Hair, skinDepth: Float32Array): void => {
  const pointAt = (t: number): Vec3 =>
    add(hair.root, scale(add(scale(hair.lean, t), scale(hair.bend, t * t)), hair.length));
  const steps = Math.max(3, Math.ceil(hair.length * camera.magnification(hair.depth) * 1.4));
  const thickness = camera.magnification(hair.depth) * hairWidth;
  const toEye = normalize(subtract(camera.eye, hair.root));
  const glint = fiberGlint(normalize(add(hair.lean, hair.bend)), toEye) * 0.22;
  for (let i = 0; i <= steps; i++) {
    const t = i / steps;
    const { x, y, depth } = camera.project(pointAt(t));
    const behind = skinDepth[Math.floor(y) * film.width + Math.floor(x)] ?? 1e9;
    if (depth > behind + 0.02) continue;
    const tone = 0.5 + 0.62 * t + glint * t;
    film.dab(x, y, thickness * (1 - 0.4 * t), scale(hair.color, tone), 0.55 * (1 - 0.75 * t * t));
  }
};
