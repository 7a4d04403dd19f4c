/** What a thread that looks at nothing is asked to look at. */
import { planLetterbox } from '../../src/core/letterbox.ts';

const side = 416;
export const photo = { width: side, height: side };
export const emptyPicture = {
  rgb: new Uint8Array(3 * side * side),
  letterbox: planLetterbox(side, side, side, 'top-left'),
};
