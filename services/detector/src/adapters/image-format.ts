/** Which image format some bytes are of, of those that are accepted here. */
// Not through the package's index: the decoding process has no business with the broker's client.
import { type ImageFormat, sniffFormat as sniff } from '@pet-roast/shared/image-format';
import sharp from 'sharp';

export type { ImageFormat } from '@pet-roast/shared/image-format';

/** The format by its magic bytes; undefined for none that is accepted. */
export function sniffFormat(bytes: Uint8Array): ImageFormat | undefined {
  const format = sniff(bytes);
  return format === 'heic' && !decodesHeic() ? undefined : format;
}

/** sharp's prebuilt binaries decode AV1 only; a libvips of the system's may have HEVC as well. */
function decodesHeic(): boolean {
  return (sharp.format.heif.input.fileSuffix ?? []).includes('.heic');
}
