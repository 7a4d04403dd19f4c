/** The render options out of the environment. */
import type { BridgeConfig } from './config.ts';
import type { RenderOptions } from './core/render-request.ts';

export function renderOptions(config: BridgeConfig): RenderOptions {
  return {
    workflow: config.REVID_WORKFLOW,
    aspectRatio: config.REVID_ASPECT_RATIO,
    resolution: config.REVID_RESOLUTION,
    frameRate: config.REVID_FRAME_RATE,
    voice: { enabled: config.REVID_VOICE_ENABLED, id: config.REVID_VOICE_ID, speed: config.REVID_VOICE_SPEED },
    captions: {
      enabled: config.REVID_CAPTIONS_ENABLED,
      preset: config.REVID_CAPTIONS_PRESET,
      position: config.REVID_CAPTIONS_POSITION,
    },
    animation: config.REVID_ANIMATION,
    extra: config.REVID_EXTRA,
  };
}
