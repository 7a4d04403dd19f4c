/** What the detector's manifest must say of PetNano: YOLOX's family with ten classes and one scale. */
import { petLabels } from '../../services/detector/src/core/decode-boxes.ts';
import { type ModelEntry, modelEntry } from '../../services/detector/src/model-manifest.ts';

export const inputSizeDefault = 256;

export function petNanoEntry(inputSize = inputSizeDefault): ModelEntry {
  return {
    ...modelEntry('yolox-nano'),
    name: 'pet-nano',
    licence: 'MIT',
    classes: petLabels,
    inputSize,
    strides: [16],
    files: [],
  };
}
