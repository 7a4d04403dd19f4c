/** Draws caption pages as transparent pictures, with a font that the project ships: a bare machine has none. */
import { createRequire } from 'node:module';
import sharp from 'sharp';

const font = 'DejaVu Sans Condensed Bold';
const require = createRequire(import.meta.url);
const fontfile = require.resolve('dejavu-fonts-ttf/ttf/DejaVuSansCondensed-Bold.ttf');

/** Font sizes from the comfortable to the smallest that is still read, as a share of the frame's width. */
const fontSizes = [0.068, 0.056, 0.046, 0.039, 0.034];
const textWidth = 0.86;
const paddingWidth = 0.024;

export type Overlay = { readonly png: Buffer; readonly left: number; readonly top: number };
export type Frame = { readonly width: number; readonly height: number };
/** The band of a frame that belongs to the captions, as shares of its height. */
export const captionBand = { top: 0.735, bottom: 0.97 } as const;

/**
 * One overlay a page, all in the largest font size with which every page fits the caption band. White on a dark
 * rounded box, centred. A page that does not fit even in the smallest size is shrunk.
 */
export async function drawCaptions(pages: readonly string[], frame: Frame): Promise<readonly Overlay[]> {
  const heightMax = Math.floor((captionBand.bottom - captionBand.top) * frame.height - 2 * padding(frame));
  let texts: readonly Picture[] = [];
  for (const size of fontSizes) {
    texts = await Promise.all(pages.map((page) => drawText(page, Math.round(size * frame.width), frame)));
    if (texts.every(({ info }) => info.height <= heightMax)) break;
  }
  return Promise.all(texts.map(async (text) => onBox(await shrunkTo(heightMax, text), frame)));
}

type Picture = { readonly data: Buffer; readonly info: Frame };

function drawText(text: string, sizePx: number, frame: Frame): Promise<Picture> {
  return sharp({
    text: {
      text: `<span foreground="white">${escapeMarkup(text)}</span>`,
      font: `${font} ${sizePx}`,
      fontfile,
      // At 72 dpi a point is a pixel.
      dpi: 72,
      width: Math.round(textWidth * frame.width),
      wrap: 'word-char',
      align: 'centre',
      rgba: true,
    },
  })
    .png()
    .toBuffer({ resolveWithObject: true });
}

async function shrunkTo(heightMax: number, text: Picture): Promise<Picture> {
  if (text.info.height <= heightMax) return text;
  return sharp(text.data).resize({ height: heightMax }).png().toBuffer({ resolveWithObject: true });
}

async function onBox(text: Picture, frame: Frame): Promise<Overlay> {
  const pad = padding(frame);
  const width = text.info.width + 2 * pad;
  const height = text.info.height + 2 * pad;
  const box = `<svg width="${width}" height="${height}"><rect width="100%" height="100%" rx="${pad}" fill-opacity="0.62"/></svg>`;
  const png = await sharp(Buffer.from(box))
    .composite([{ input: text.data, left: pad, top: pad }])
    .png()
    .toBuffer();
  const bandMiddle = ((captionBand.top + captionBand.bottom) / 2) * frame.height;
  return { png, left: Math.round((frame.width - width) / 2), top: Math.round(bandMiddle - height / 2) };
}

function padding(frame: Frame): number {
  return Math.round(paddingWidth * frame.width);
}

function escapeMarkup(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
