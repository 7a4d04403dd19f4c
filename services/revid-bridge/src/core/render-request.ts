/** The render request as Revid.ai's API v3 documents it (script-with-custom-media): the pet's photo and nothing else. */
export type RenderOptions = {
  readonly workflow: string;
  readonly aspectRatio: string;
  readonly resolution: string;
  readonly frameRate: number;
  readonly voice: { readonly enabled: boolean; readonly id: string | undefined; readonly speed: number };
  readonly captions: { readonly enabled: boolean; readonly preset: string; readonly position: string };
  readonly animation: string;
  /** Laid over the request, object by object. */
  readonly extra: Readonly<Record<string, unknown>>;
};

export type RenderJob = {
  readonly jobId: string;
  readonly run: number;
  readonly text: string;
  readonly language: string;
  readonly imageUrl: string;
  readonly webhookUrl: string;
};

/** Builds the body of `POST /render`. The job's id is in `metadata`, so that a lost answer can be looked up later. */
export function renderRequest(job: RenderJob, options: RenderOptions): Record<string, unknown> {
  const request = {
    workflow: options.workflow,
    source: { text: job.text },
    aspectRatio: options.aspectRatio,
    webhookUrl: job.webhookUrl,
    media: {
      type: 'custom',
      // Both flags (this one and options.useOnlyProvidedMedia), or stock footage is mixed in.
      useOnlyProvided: true,
      turnImagesIntoVideos: true,
      animation: options.animation,
      // One asset alone may leave dead air; looping it fills the narration.
      mergeVideos: true,
      provided: [{ url: job.imageUrl, type: 'image', title: projectTitle(job.jobId, job.run) }],
    },
    voice: {
      enabled: options.voice.enabled,
      ...(options.voice.id === undefined ? {} : { voiceId: options.voice.id }),
      speed: options.voice.speed,
      language: localeOf(job.language),
    },
    captions: {
      enabled: options.captions.enabled,
      preset: options.captions.preset,
      position: options.captions.position,
    },
    options: { useOnlyProvidedMedia: true, summarizationPreference: 'no-summarization' },
    render: { resolution: options.resolution, frameRate: options.frameRate },
    metadata: { job_id: job.jobId, title: projectTitle(job.jobId, job.run) },
  };
  return overlay(request, options.extra);
}

/** What a project of ours is found by at the vendor: of a replayed job, each run is its own. */
export function projectTitle(jobId: string, run: number): string {
  return `pet-roast ${jobId} run ${run}`;
}

/** The vendor takes locales; its sample is `en-US`. India's for the rest. */
function localeOf(language: string): string {
  return language === 'en' ? 'en-US' : `${language}-IN`;
}

function overlay(base: Record<string, unknown>, extra: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const result = { ...base };
  for (const [key, value] of Object.entries(extra)) {
    const old = result[key];
    result[key] = isObject(old) && isObject(value) ? overlay(old, value) : value;
  }
  return result;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
