/**
 * The body of `POST /render` as Revid.ai's public API v3 reference documents it (OpenAPI 3.6.0, read through the
 * vendor's published skills). Unknown fields are refused, so that a misspelt option is seen here and not on the bill.
 */
import { z } from 'zod';

const workflows = [
  ...['script-to-video', 'prompt-to-video', 'article-to-video', 'avatar-to-video', 'ad-generator', 'music-to-video'],
  ...['motion-transfer', 'caption-video', 'static-background-video', 'audio-to-video'],
] as const;
/** `9 / 16` is no documented spelling, but three clients of v3 send it. */
const aspectRatios = [
  ...['9:16', '1:1', '16:9', 'portrait', 'landscape', 'square', 'auto'],
  ...['9 / 16', '1 / 1', '16 / 9'],
] as const;

const bool = z.boolean().optional();
const text = z.string().optional();
const number = z.number().optional();

const mediaItem = z.strictObject({
  url: z.url(),
  type: z.enum(['image', 'video', 'audio']).optional(),
  ...{ title: text, urlLowRes: text, imagePreview: text, noReencode: bool },
});

const media = z.strictObject({
  type: z.enum(['moving-image', 'ai-video', 'video', 'stock-video', 'custom']).optional(),
  density: z.enum(['low', 'medium', 'high']).optional(),
  animation: z.enum(['none', 'soft', 'dynamic', 'depth']).optional(),
  quality: z.enum(['standard', 'pro', 'ultra']).optional(),
  imageModel: z.enum(['cheap', 'good', 'ultra']).optional(),
  videoModel: z.enum(['base', 'pro', 'ultra', 'veo3', 'sora2']).optional(),
  ...{ maxItems: number, bRollType: text, useOnlyProvided: bool, mergeVideos: bool, mergeVideosFull: bool },
  ...{ addAudioToVideos: bool, turnImagesIntoVideos: bool, applyStyleTransfer: bool, placeAvatarInContext: bool },
  ...{ mediaPreset: text, provided: z.array(mediaItem).optional(), backgroundVideo: mediaItem.optional() },
});

const voice = z.strictObject({
  ...{ enabled: bool, voiceId: text, speed: number, language: text, enhanceAudio: bool, useLegacyModel: bool },
  stability: z.number().min(0).max(1).optional(),
});

const captions = z.strictObject({
  ...{ enabled: bool, preset: text, autoCrop: bool },
  position: z.enum(['top', 'middle', 'bottom']).optional(),
});

const render = z.strictObject({
  resolution: z.enum(['720p', '1080p', '4k']).optional(),
  compression: z.number().min(0).max(100).optional(),
  frameRate: number,
});

export const renderRequestSchema = z
  .strictObject({
    workflow: z.enum(workflows),
    source: z.looseObject({ text, prompt: text, url: text }),
    aspectRatio: z.enum(aspectRatios).optional(),
    webhookUrl: z.url().optional(),
    projectId: text,
    media: media.optional(),
    voice: voice.optional(),
    captions: captions.optional(),
    music: z.looseObject({ enabled: bool }).optional(),
    audio: z.looseObject({ enabled: bool }).optional(),
    avatar: z.looseObject({ enabled: bool, url: text }).optional(),
    options: z.looseObject({ useOnlyProvidedMedia: bool }).optional(),
    render: render.optional(),
    characterIds: z.array(z.string()).optional(),
    advanced: z.strictObject({ customCreationParams: z.looseObject({ title: text }).optional() }).optional(),
    metadata: z.record(z.string(), z.unknown()).optional(),
  })
  .superRefine((body, context) => {
    const field = sourceFieldOf(body.workflow);
    if (!body.source[field]) {
      context.addIssue({ code: 'custom', path: ['source', field], message: `required for ${body.workflow}` });
    }
    if (body.workflow === 'avatar-to-video' && !body.avatar?.url) {
      context.addIssue({ code: 'custom', path: ['avatar', 'url'], message: 'required for avatar-to-video' });
    }
  });

export type RenderRequest = z.output<typeof renderRequestSchema>;

/** The photo that a render is made from. */
export function photoUrlOf(body: RenderRequest): string | undefined {
  return body.media?.provided?.find((item) => item.type !== 'audio')?.url ?? body.avatar?.url;
}

/** The words that a render says. */
export function scriptOf(body: RenderRequest): string {
  return body.source.text ?? body.source.prompt ?? body.source.url ?? '';
}

/** The title that the project list shows. */
export function titleOf(body: RenderRequest): string {
  const given = body.advanced?.customCreationParams?.title ?? body.media?.provided?.[0]?.title;
  return given ?? scriptOf(body).slice(0, titleCharactersMax);
}

/** Our own job's id, where the request carries one: in its metadata, or in the callback address. */
export function jobIdOf(body: RenderRequest): string | undefined {
  const query = body.webhookUrl === undefined ? undefined : new URL(body.webhookUrl).searchParams;
  for (const name of ['job_id', 'jobId', 'job']) {
    const value = body.metadata?.[name] ?? query?.get(name);
    if (typeof value === 'string' && value !== '') return value;
  }
  return undefined;
}

/** What it costs, with the knobs that the vendor's pricing page names. */
export function creditsOf(body: RenderRequest): { creditsEstimate: number; breakdown: Record<string, number> } {
  const expensive = ['ultra', 'veo3', 'sora2'];
  const breakdown = {
    base: 1,
    voice: body.voice?.enabled === false ? 0 : 1,
    visualsModel: [body.media?.quality, body.media?.videoModel].some((it) => expensive.includes(it ?? '')) ? 4 : 1,
    resolution: { '720p': 0, '1080p': 1, '4k': 3 }[body.render?.resolution ?? '1080p'],
  };
  return { creditsEstimate: Object.values(breakdown).reduce((sum, part) => sum + part, 0), breakdown };
}

const titleCharactersMax = 60;

function sourceFieldOf(workflow: RenderRequest['workflow']): 'text' | 'prompt' | 'url' {
  if (['script-to-video', 'avatar-to-video', 'static-background-video'].includes(workflow)) return 'text';
  return ['prompt-to-video', 'ad-generator'].includes(workflow) ? 'prompt' : 'url';
}
