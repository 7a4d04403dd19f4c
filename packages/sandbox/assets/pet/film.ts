import sharp from 'sharp';
import type { Vec3 } from './vector.ts';

/** A linear-light picture that strokes are painted on. Coordinates in pixels, y down. */
export type Film = ReturnType<typeof createFilm>;

export const createFilm = (width: number, height: number) => {
  const light = new Float32Array(width * height * 3);

  const blend = (x: number, y: number, color: Vec3, opacity: number): void => {
    if (x < 0 || y < 0 || x >= width || y >= height || opacity <= 0) return;
    const at = (y * width + x) * 3;
    for (let c = 0; c < 3; c++) light[at + c] = (light[at + c] ?? 0) * (1 - opacity) + (color[c] ?? 0) * opacity;
  };

  /** One soft round dot, `size` pixels across. */
  const dab = (x: number, y: number, size: number, color: Vec3, opacity: number): void => {
    const reach = size / 2 + 0.5;
    for (let py = Math.floor(y - reach); py <= y + reach; py++)
      for (let px = Math.floor(x - reach); px <= x + reach; px++) {
        const [dx, dy] = [px + 0.5 - x, py + 0.5 - y];
        blend(px, py, color, opacity * Math.min(Math.max(reach - Math.sqrt(dx * dx + dy * dy), 0), 1));
      }
  };

  /** A disc with an edge about `softness` pixels wide, as a lens out of focus draws a point of light. */
  const disc = (x: number, y: number, radius: number, softness: number, color: Vec3, opacity: number): void => {
    const reach = radius + softness;
    for (let py = Math.floor(y - reach); py <= y + reach; py++)
      for (let px = Math.floor(x - reach); px <= x + reach; px++) {
        const inside = (radius + softness / 2 - Math.hypot(px + 0.5 - x, py + 0.5 - y)) / softness;
        blend(px, py, color, opacity * Math.min(Math.max(inside, 0), 1));
      }
  };

  /** Three box blurs, close to a Gaussian of that radius. */
  const blur = (radius: number): void => {
    for (let pass = 0; pass < 3; pass++) {
      boxBlur(light, width, height, 3, width * 3, radius);
      boxBlur(light, height, width, width * 3, 3, radius);
    }
  };

  /** The developed picture, exposed so that a linear 1 is nearly white. */
  const develop = () => {
    const bytes = new Uint8Array(light.length);
    for (let i = 0; i < light.length; i++) bytes[i] = Math.round(255 * toneCurve(light[i] ?? 0) ** (1 / 2.2));
    return sharp(bytes, { raw: { width, height, channels: 3 } });
  };

  return { width, height, blend, dab, disc, blur, develop };
};

const boxBlur = (
  data: Float32Array,
  along: number,
  across: number,
  step: number,
  stride: number,
  radius: number,
): void => {
  const reach = Math.max(1, Math.round(radius));
  const line = new Float32Array(along);
  for (let row = 0; row < across; row++)
    for (let c = 0; c < 3; c++) {
      const start = row * stride + c;
      const at = (i: number): number => data[start + Math.min(Math.max(i, 0), along - 1) * step] ?? 0;
      let sum = 0;
      for (let i = -reach; i <= reach; i++) sum += at(i);
      for (let i = 0; i < along; i++) {
        line[i] = sum / (2 * reach + 1);
        sum += at(i + reach + 1) - at(i - reach);
      }
      for (let i = 0; i < along; i++) data[start + i * step] = line[i] ?? 0;
    }
};

/** Leaves the shadows alone and rolls the highlights off towards white. */
const toneCurve = (v: number): number => Math.min(Math.max((v * (1 + v * 0.25)) / (1 + v * 0.65), 0), 1);
