import { headFrame, onEye, type Part } from './cat.ts';
import { noise, turbulence } from './noise.ts';
import { add, clamp, dot, mix, normalize, scale, smoothstep, srgb, subtract, type Vec3 } from './vector.ts';

/** How the fur grows at one point: its colour, its length (same unit as the cat) and the way it is combed. */
export type Fur = { color: Vec3; length: number; comb: Vec3 };

const ginger = srgb(0xcf9250);
const cream = srgb(0xf0dcc0);
const stripe = srgb(0x7a3f1a);
const white = srgb(0xf7efe4);
const pink = srgb(0xd99a8c);
const noseInHead: Vec3 = [0, -0.08, 0.4];

export const furAt = (part: Part, p: Vec3, normal: Vec3): Fur => {
  const wobble = turbulence(scale(p, 5)) * 0.5;
  if (part === 'head' || part === 'ear' || part === 'nose' || part === 'eye') {
    const q = headFrame.toLocal(p);
    return part === 'ear' ? earFur(q, p) : faceFur(q, p, wobble);
  }
  return part === 'tail' ? tailFur(p, wobble) : torsoFur(p, normal, wobble);
};

const faceFur = (q: Vec3, p: Vec3, wobble: number): Fur => {
  const [x, y, z] = [Math.abs(q[0]), q[1], q[2]];
  const muzzle =
    smoothstep(0.2, 0.1, Math.hypot(x * 0.95, (y + 0.17) * 1.1) - 0.03 + wobble * 0.04) * smoothstep(0.1, 0.25, z);
  const chin = smoothstep(-0.2, -0.28, y + wobble * 0.05);
  const spectacles = smoothstep(1.7, 1.25, onEye(p).lid + wobble * 0.2);
  const eyeliner = smoothstep(1.16, 1.08, onEye(p).lid);

  const brow = smoothstep(0.09, 0.17, y - x * 0.1);
  const forehead = brow * band(Math.atan2(x, y + 0.25) * 26 - 1.3 + wobble * 0.9, 0.3);
  const corner =
    smoothstep(0.2, 0.27, x) * smoothstep(0.16, 0.02, y) * band((y + 0.05 + x * 0.42) * 40 + 1.2 + wobble * 1.6, 0.25);
  const stripes = clamp(forehead + corner, 0, 1) * (1 - muzzle) * (1 - chin);

  let color = mix(ginger, cream, clamp(0.15 + wobble * 0.25, 0, 1));
  color = mix(color, stripe, stripes * 0.95);
  color = mix(color, cream, spectacles * 0.75);
  color = mix(color, white, clamp(muzzle + chin, 0, 1));
  const mouth = smoothstep(0.013, 0.006, mouthDistance(x, y)) * smoothstep(0.2, 0.28, z);
  const freckle =
    muzzle * smoothstep(0.55, 0.75, Math.sin(x * 150) * Math.sin((y + 0.1) * 170 + x * 40)) * smoothstep(0.05, 0.07, x);
  color = mix(color, srgb(0x3a1f16), clamp(mouth * 0.9 + freckle * 0.45 + eyeliner * 0.95, 0, 1));
  const cheek = smoothstep(0.2, 0.42, x) * smoothstep(0.15, -0.15, y);
  const fromNose = subtract(q, noseInHead);
  return {
    color,
    length: 0.022 + 0.05 * smoothstep(0.1, 0.5, Math.hypot(...fromNose)) + 0.035 * cheek,
    comb: headFrame.toParent(normalize(add(normalize(fromNose), [0, -0.25 * cheek, -0.2]))),
  };
};

/** How far a point of the face, right half, lies from the line under the nose and the lips' parting. */
const mouthDistance = (x: number, y: number): number => {
  const philtrum = Math.hypot(x, Math.max(-0.17 - y, y + 0.1, 0));
  const lips = Math.abs(y + 0.172 + 0.035 * Math.sin((Math.PI * Math.min(x, 0.13)) / 0.12)) + Math.max(x - 0.12, 0) * 2;
  return Math.min(philtrum, lips);
};

const earFur = (q: Vec3, p: Vec3): Fur => {
  const x = Math.abs(q[0]);
  const along = clamp((q[1] - 0.22) / 0.38, 0, 1);
  const axis = 0.235 + 0.11 * along;
  const inner = smoothstep(0.02, -0.01, Math.abs(x - axis) - 0.12 * (1 - along)) * smoothstep(0.02, 0.06, q[1] - 0.2);
  const tuft = noise(scale(p, 40)) > 0.25 ? 0.6 : 0.15;
  const back = mix(ginger, stripe, 0.25 + 0.5 * along);
  return {
    color: mix(back, mix(pink, cream, tuft), inner),
    length: 0.035 + 0.05 * inner * (1 - along),
    comb: headFrame.toParent(normalize([Math.sign(q[0]) * (0.3 - 0.7 * inner), 1, 0.1])),
  };
};

const torsoFur = (p: Vec3, normal: Vec3, wobble: number): Fur => {
  const [x, y, z] = [Math.abs(p[0]), p[1], p[2]];
  const legs = smoothstep(0.75, 0.55, y) * smoothstep(0.3, 0.24, x);
  const bib =
    smoothstep(0.17, 0.07, x * (1.25 - 0.35 * y) + wobble * 0.12) *
    smoothstep(0.55, 0.75, y) *
    smoothstep(-0.05, 0.2, z);
  const sock = smoothstep(0.24, 0.14, y + wobble * 0.08) * smoothstep(0.2, 0.3, z);
  const flank = smoothstep(0.12, 0.26, x) * band(y * 38 + x * 10 + z * 9 + wobble * 4, 0.1);
  const legBars = legs * band(y * 40 + x * 10 + wobble * 2.5, 0.25) * 0.9;
  let color = mix(ginger, cream, clamp(0.2 + wobble * 0.3 - 0.2 * normal[1], 0, 1));
  color = mix(color, stripe, clamp(flank + legBars, 0, 1) * 0.9);
  color = mix(color, white, clamp(bib + sock, 0, 1));
  const short = Math.max(legs, smoothstep(0.2, 0.08, y));
  return {
    color,
    length: 0.075 + 0.05 * bib - 0.035 * short - 0.012 * smoothstep(0.16, 0.1, y),
    comb: normalize([p[0] * 0.35, -1, z * 0.1 + 0.1 * short]),
  };
};

const tailFur = (p: Vec3, wobble: number): Fur => {
  const angle = Math.atan2(p[2] - 0.08, p[0]);
  const rings = band(angle * 9 + wobble * 1.2, 0.3);
  const tip = smoothstep(1.15, 1.35, angle);
  return {
    color: mix(mix(ginger, stripe, rings * 0.8), stripe, tip),
    length: 0.09,
    comb: [-Math.sin(angle), -0.1, Math.cos(angle)],
  };
};

/** Stripes along a phase: 1 on a stripe, 0 between; `threshold` near 1 makes them thin. */
const band = (phase: number, threshold: number): number =>
  smoothstep(threshold - 0.25, threshold + 0.35, Math.sin(phase));

/** The eyeball at a surface point: a green iris, a slit pupil, a dark rim and the sky's reflection. */
export const eyeColor = (p: Vec3): Vec3 => {
  const { x: across, y: up, lid } = onEye(p);
  const radius = Math.hypot(across, up);
  const spokes = noise([Math.atan2(up, across) * 9, radius * 3, 0]) * 0.25;
  let color = mix(srgb(0xd2bf5c), srgb(0x7d9440), clamp(radius * 1.3 + spokes, 0, 1));
  color = mix(color, srgb(0x1d2a12), smoothstep(0.58, 0.76, radius));
  color = mix(color, srgb(0x0a0705), smoothstep(1.05, 0.9, Math.hypot(across / 0.24, up / 0.46)));
  color = scale(color, 1 - 0.6 * smoothstep(0.25, 0.7, up));
  color = mix(color, srgb(0x120b08), Math.max(smoothstep(0.74, 0.86, radius), smoothstep(0.86, 0.96, lid)));
  const lamp = Math.hypot(across + 0.26, up - 0.34);
  const glint = smoothstep(0.17, 0.12, lamp) + 0.5 * smoothstep(0.08, 0.04, Math.hypot(across - 0.25, up + 0.3));
  return mix(color, [1.6, 1.6, 1.6], clamp(glint, 0, 1) * 0.95);
};

/** The bare nose leather, darker in the nostrils. */
export const noseColor = (p: Vec3): Vec3 => {
  const q = headFrame.toLocal(p);
  const nostril = smoothstep(0.016, 0.008, Math.hypot(Math.abs(q[0]) - 0.028, (q[1] + 0.092) * 1.4));
  return scale(mix(srgb(0xcf8578), srgb(0x30110e), nostril), 1 + 0.1 * dot(q, [0, 1, 0]));
};
