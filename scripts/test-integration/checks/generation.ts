/** The job whose photo was accepted becomes a video, and the video can be had. */
import { isCompleted, isOver } from '../../../packages/client/src/index.ts';
import { Broken, type Check, readable, Skipped } from '../check.ts';
import { look, shown, Unreachable } from '../http.ts';
import { failureOf, follow } from '../job.ts';

export const generation: Check = {
  id: 'generation',
  title: 'A whole generation',
  needs: ['pet'],
  async run(context) {
    const { job } = context.facts;
    if (job === undefined) throw new Skipped('because of --no-generation: no video was made, and nothing paid');
    const status = await follow(context, job, isOver);
    context.facts.ended = status;
    if (!isCompleted(status)) throw failureOf(context, job, status);
    const way = job.stages.map(({ stage, at_ms }) => `${stage} ${readable(at_ms)}`).join(', ');
    const { translation } = status;
    return {
      message: `completed: ${way} after the request`,
      details: { job_id: job.id, stages: job.stages, translation },
    };
  },
};

/** Enough for the signature of every container. */
const bytesMax = 64;

export const video: Check = {
  id: 'video',
  title: 'The video’s address answers, with a video',
  needs: [generation.id],
  async run({ facts: { ended }, signal }) {
    const url = ended?.video_url ?? '';
    const vendor = {
      part: 'Revid.ai’s address of the video',
      next: ['Open it in a browser: does it ask for a login, or has it expired?'],
    };
    const answer = await look(url, { signal, bytesMax, redirect: 'follow' }).catch((error: unknown) => {
      throw error instanceof Unreachable
        ? new Broken(`${shown(url)} cannot be reached: ${error.message}.`, vendor)
        : error;
    });
    const type = answer.headers.get('content-type') ?? 'no content type';
    if (answer.status !== 200) throw new Broken(`${shown(url)} answers HTTP ${answer.status}.`, vendor);
    const container = containerOf(answer.bytes);
    if (container === undefined) throw new Broken(`${shown(url)} answers with ${type}, which is no video.`, vendor);
    const length = answer.headers.get('content-length');
    const size = length === null ? '' : `, ${Math.ceil(Number(length) / 1_000)} kB`;
    return { message: `${container}, ${type}${size}`, details: { video_url: url, container, content_type: type } };
  },
};

/** By the first bytes: ISO base media (ISO/IEC 14496-12, `ftyp`), Matroska and WebM (EBML), AVI; animated WebP is the sandbox's. */
function containerOf(bytes: Buffer): string | undefined {
  const text = bytes.toString('latin1');
  if (text.slice(4, 8) === 'ftyp') return 'MP4';
  if (text.startsWith('\x1a\x45\xdf\xa3')) return 'WebM';
  if (text.startsWith('RIFF') && text.slice(8, 12) === 'AVI ') return 'AVI';
  const isAnimated = text.slice(12, 16) === 'VP8X' && ((bytes[20] ?? 0) & 0x02) !== 0;
  return text.startsWith('RIFF') && text.slice(8, 12) === 'WEBP' && isAnimated ? 'animated WebP' : undefined;
}
