import sharp from 'sharp';

/** A photo-like picture: a gradient with a disc, so that scaling and cutting are seen. */
export async function makePhoto(width = 640, height = 480): Promise<Buffer> {
  const svg = `<svg width="${width}" height="${height}">
    <defs><linearGradient id="g"><stop offset="0" stop-color="#246"/><stop offset="1" stop-color="#c84"/></linearGradient></defs>
    <rect width="100%" height="100%" fill="url(#g)"/>
    <circle cx="50%" cy="50%" r="${Math.min(width, height) / 4}" fill="#3a3"/>
  </svg>`;
  return sharp(Buffer.from(svg)).jpeg({ quality: 90 }).toBuffer();
}
