/** PetNano as the detector's manifest has it, at any input size. */
import { type ModelEntry, modelEntry } from '../../services/detector/src/model-manifest.ts';

export const inputSizeDefault = 256;

export function petNanoEntry(inputSize = inputSizeDefault): ModelEntry {
  return {
    ...modelEntry('pet-nano'),
    inputSize,
  };
}
