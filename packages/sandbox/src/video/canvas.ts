/** The still that the video moves over: the whole photo above a blurred, darkened copy of it that fills the frame. */
import sharp from 'sharp';
import type { Frame } from './caption-images.ts';

/** How much the picture has grown when the video ends; the photo then just fills the frame's width. */
export const zoomEnd = 1.12;
/** The photo's share of the frame at the start, and where it begins; at the end of the zoom it is still whole. */
const photoShare = { width: 0.88, height: 0.64 };
const photoTop = 0.065;
const backdropShrink = 6;
const backdropBlurSigma = 6;
const backdropBrightness = 0.6;

/** Draws the still as opaque PNG. Follows the photo's EXIF orientation. Throws where the bytes are no image. */
export async function drawCanvas(photo: Buffer, frame: Frame): Promise<Buffer> {
  const small = { width: Math.ceil(frame.width / backdropShrink), height: Math.ceil(frame.height / backdropShrink) };
  const backdrop = await sharp(photo)
    .autoOrient()
    .resize({ ...small, fit: 'cover' })
    .flatten({ background: '#202028' })
    .blur(backdropBlurSigma)
    .modulate({ brightness: backdropBrightness })
    .toColourspace('srgb')
    .png()
    .toBuffer();
  const box = {
    width: Math.round(frame.width * photoShare.width),
    height: Math.round(frame.height * photoShare.height),
  };
  const picture = await sharp(photo)
    .autoOrient()
    .resize({ ...box, fit: 'inside' })
    .toColourspace('srgb')
    .png({ compressionLevel: 1 })
    .toBuffer({ resolveWithObject: true });
  return sharp(backdrop)
    .resize({ ...frame, fit: 'fill', kernel: 'cubic' })
    .composite([
      {
        input: picture.data,
        left: Math.round((frame.width - picture.info.width) / 2),
        top: Math.round(frame.height * photoTop + (box.height - picture.info.height) / 2),
      },
    ])
    .removeAlpha()
    .png({ compressionLevel: 1 })
    .toBuffer();
}
