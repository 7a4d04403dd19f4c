import { catDistance } from './cat.ts';
import { add, clamp, dot, multiply, normalize, scale, type Vec3 } from './vector.ts';

const sun = normalize([-0.55, 0.75, 0.65]);
const sunColor: Vec3 = [2.1, 1.92, 1.62];
const sky: Vec3 = [0.3, 0.34, 0.4];
const ground: Vec3 = [0.2, 0.14, 0.09];
const backlight = normalize([0.65, 0.55, -0.6]);
const backlightColor: Vec3 = [1.3, 1.15, 0.85];

/** The light that falls on a point of a surface: a soft sun, the sky, the lawn's glow and a light from behind. */
export const lightAt = (p: Vec3, normal: Vec3): Vec3 => {
  const facing = clamp((dot(normal, sun) + 0.35) / 1.35, 0, 1);
  const open = openness(p, normal);
  const key = scale(sunColor, facing * sunlit(add(p, scale(normal, 0.03))));
  const fill = add(scale(sky, 0.55 + 0.45 * normal[1]), scale(ground, 0.5 - 0.5 * normal[1]));
  const rim = scale(backlightColor, clamp(dot(normal, backlight), 0, 1) ** 1.5);
  return add(add(key, scale(fill, open)), scale(rim, open));
};

/** The glint of a smooth fibre lying along `tangent`, seen from `toEye`. */
export const fiberGlint = (tangent: Vec3, toEye: Vec3): number => {
  const along = dot(tangent, normalize(add(sun, toEye)));
  return Math.max(1 - along * along, 0) ** 12;
};

export const lit = (albedo: Vec3, light: Vec3): Vec3 => multiply(albedo, light);

/** How much of the sun's disc a point sees past the cat, 0..1. */
export const sunlit = (p: Vec3): number => {
  let light = 1;
  for (let t = 0.05, i = 0; i < 24 && t < 2.6; i++) {
    const d = catDistance(p[0] + sun[0] * t, p[1] + sun[1] * t, p[2] + sun[2] * t);
    light = Math.min(light, 0.5 + (5 * d) / t / 2);
    if (light <= 0) return 0;
    t += clamp(d, 0.035, 0.4);
  }
  return light * light * (3 - 2 * light);
};

/** How much of the sky a point sees past the cat and the ground, 0..1. */
export const openness = (p: Vec3, normal: Vec3): number => {
  let hidden = 0;
  for (const [reach, weight] of [
    [0.04, 5],
    [0.1, 2.2],
    [0.22, 1.0],
    [0.4, 0.45],
  ] as const) {
    const q = add(p, scale(normal, reach));
    hidden += weight * Math.max(reach - Math.min(catDistance(q[0], q[1], q[2]), q[1] + 0.02), 0);
  }
  return Math.exp(-1.5 * hidden);
};
