import { carve, ellipsoid, join, limb, paired, placed, type Shape } from './shapes.ts';
import { createFrame, type Vec3 } from './vector.ts';

/** What a point of the cat's surface belongs to. */
export type Part = 'torso' | 'head' | 'ear' | 'nose' | 'eye' | 'tail';

/** The head's own frame: origin between the ears' bases and the chin, +y up, +z out of the face. */
export const headFrame = createFrame([0.02, 1.4, 0.24], { yaw: 0.1, pitch: 0.02, roll: -0.1, size: 0.88 });

const eyeCenter: Vec3 = [0.162, 0.03, 0.25];
const eyeRadius = 0.118;

const ear = carve(
  0.02,
  join(
    0.05,
    limb([0.215, 0.22, 0.0], [0.34, 0.6, -0.03], 0.185, 0.02),
    limb([0.11, 0.24, -0.02], [0.3, 0.5, -0.03], 0.11, 0.06),
  ),
  limb([0.24, 0.24, 0.15], [0.352, 0.58, 0.035], 0.17, 0.02),
);

const skull = join(
  0.08,
  ellipsoid([0, 0.02, 0], [0.385, 0.345, 0.36]),
  paired(ellipsoid([0.19, -0.11, 0.1], [0.2, 0.16, 0.2])),
  limb([0, 0.12, 0.3], [0, -0.06, 0.37], 0.075, 0.052),
  ellipsoid([0, -0.215, 0.29], [0.075, 0.065, 0.075]),
);
const muzzle = paired(ellipsoid([0.066, -0.14, 0.335], [0.086, 0.068, 0.085]));
const face = placed(headFrame, join(0.035, skull, muzzle));
const ears = placed(headFrame, paired(ear));
const nose = placed(headFrame, ellipsoid([0, -0.082, 0.412], [0.052, 0.034, 0.034]));
const eyes = placed(headFrame, paired(ellipsoid(eyeCenter, [eyeRadius, eyeRadius, eyeRadius])));

const paw = (x: number, z: number): Shape =>
  join(
    0.02,
    ellipsoid([x, 0.075, z], [0.11, 0.08, 0.14]),
    ...[-0.082, -0.028, 0.028, 0.082].map((dx) =>
      ellipsoid([x + dx, 0.06, z + 0.12 - dx * dx * 6], [0.036, 0.055, 0.065]),
    ),
  );

const trunk = join(
  0.16,
  ellipsoid([0, 0.98, 0.1], [0.3, 0.42, 0.29]),
  ellipsoid([0, 0.55, -0.2], [0.4, 0.56, 0.48]),
  limb([0, 1.05, 0.1], [0, 1.35, 0.16], 0.26, 0.25),
);
const haunch = paired(join(0.1, ellipsoid([0.35, 0.29, 0.0], [0.18, 0.29, 0.42]), paw(0.38, 0.38)));
const frontLeg = paired(join(0.06, limb([0.17, 0.86, 0.22], [0.145, 0.12, 0.42], 0.15, 0.088), paw(0.15, 0.47)));
const torso = join(0.05, join(0.06, trunk, haunch), frontLeg);

/** The tail lies along a circle about the vertical axis, from behind round to the front. */
const tailPoint = (t: number): Vec3 => {
  const angle = -0.9 + t * 1.95;
  const radius = 0.66 + 0.1 * Math.sin(t * 3);
  return [Math.cos(angle) * radius, 0.085 + 0.02 * t, Math.sin(angle) * radius * 0.95 + 0.08];
};
const tail = join(
  0.03,
  ...[0, 1, 2, 3, 4, 5, 6, 7].map((i) => limb(tailPoint(i / 8), tailPoint((i + 1) / 8), 0.085, i === 7 ? 0.07 : 0.085)),
);

const parts: ReadonlyArray<readonly [Part, Shape]> = [
  ['torso', torso],
  ['head', face],
  ['ear', ears],
  ['nose', nose],
  ['eye', eyes],
  ['tail', tail],
];

const skin = join(0.07, join(0.03, face, ears), torso);
const whole = join(0.004, skin, eyes, nose, tail);
const inBounds = ellipsoid([0, 1.0, 0], [1.15, 1.5, 1.15]);

/** Distance from a point to the cat, units of about 30 cm; a cheap lower bound far from it. */
export const catDistance: Shape = (x, y, z) => {
  const far = inBounds(x, y, z);
  return far > 0.5 ? far * 0.7 : whole(x, y, z);
};

/**
 * Where a point of an eyeball lies as seen along the gaze: `x` to the cat's left, `y` up, in radii, and `lid`, which is
 * 1 on the almond-shaped edge of the lids and grows outwards.
 */
export const onEye = (p: Vec3): { x: number; y: number; lid: number } => {
  const q = headFrame.toLocal(p);
  const outward = (Math.abs(q[0]) - eyeCenter[0]) / eyeRadius - 0.16;
  const y = (q[1] - eyeCenter[1]) / eyeRadius - 0.02;
  const [u, v] = [outward * 0.94 + y * 0.34, y * 0.94 - outward * 0.34];
  return { x: outward * Math.sign(q[0]), y, lid: Math.hypot(u / 0.84, v / (v > 0 ? 0.56 : 0.64)) };
};

/** The part nearest to a point of the surface; closed lids count as the head. */
export const partAt = (p: Vec3): Part => {
  const part = nearestPart(p);
  return part === 'eye' && onEye(p).lid > 1.08 ? 'head' : part;
};

const nearestPart = ([x, y, z]: Vec3): Part => {
  let nearest: Part = 'torso';
  let best = 1e9;
  for (const [part, shape] of parts) {
    const distance = shape(x, y, z);
    if (distance < best) [nearest, best] = [part, distance];
  }
  return nearest;
};
