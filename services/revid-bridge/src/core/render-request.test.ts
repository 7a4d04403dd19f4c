import { describe, expect, it } from 'vitest';
import { renderRequest } from './render-request.ts';

const job = {
  jobId: 'job-1',
  run: 1,
  text: 'My dog is lazy.',
  language: 'en',
  imageUrl: 'https://photos.example/1.jpg',
  webhookUrl: 'https://bridge.example/api/webhook/video-complete?token=t',
};
const options = {
  workflow: 'script-to-video',
  aspectRatio: '9:16',
  resolution: '1080p',
  frameRate: 30,
  voice: { enabled: true, id: undefined, speed: 1 },
  captions: { enabled: true, preset: 'Wrap 1', position: 'bottom' },
  animation: 'soft',
  extra: {},
};

describe('the render request', () => {
  it('is the vendor’s documented form for one’s own photo, with both flags against stock footage', () => {
    expect(renderRequest(job, options)).toMatchObject({
      workflow: 'script-to-video',
      source: { text: 'My dog is lazy.' },
      aspectRatio: '9:16',
      webhookUrl: job.webhookUrl,
      media: { type: 'custom', useOnlyProvided: true, provided: [{ url: job.imageUrl, type: 'image' }] },
      voice: { enabled: true, speed: 1, language: 'en-US' },
      captions: { enabled: true, preset: 'Wrap 1', position: 'bottom' },
      options: { useOnlyProvidedMedia: true, summarizationPreference: 'no-summarization' },
      render: { resolution: '1080p', frameRate: 30 },
      metadata: { job_id: 'job-1' },
    });
  });

  it('lays every other option over it, object by object', () => {
    const extra = { voice: { stability: 0.5 }, music: { enabled: false }, aspectRatio: '16:9' };
    expect(renderRequest(job, { ...options, extra })).toMatchObject({
      voice: { enabled: true, stability: 0.5 },
      music: { enabled: false },
      aspectRatio: '16:9',
    });
  });
});
