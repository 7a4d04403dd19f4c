/** How the fake behaves, and the faults that it knows. */
import { z } from 'zod';
import type { Patch } from '../controls.ts';
import { delayMsMax, faultFields, plainFaults } from '../faults.ts';

const ms = z.number().min(0).max(delayMsMax);

export const revidBehaviourSchema = z.strictObject({
  /** From the acceptance to the end of a render. */
  renderMs: ms.default(3_000),
  /** Up to so much longer, by chance. */
  jitterMs: ms.default(0),
  /** How renders end; one that never does waits for `finish`. */
  result: z.enum(['ready', 'failed', 'never']).default('ready'),
  /** The vendor's words for a render that failed. */
  error: z.string().default('media generation timed out'),
  /** `sample` gives every render one video made once, where many renders matter more than what is seen in them. */
  video: z.enum(['full', 'sample']).default('full'),
  callback: z
    .strictObject({
      /** From the end of the render to the callback. */
      delayMs: ms.default(0),
      /** How often it is sent; the vendor asks receivers to expect repeats. */
      copies: z.number().int().min(1).max(100).default(1),
      /** The render ends at once, and its callback is answered before `POST /render` is. */
      early: z.boolean().default(false),
      none: z.boolean().default(false),
      /** The vendor's status payload, or the former system's `{job_id,status,video_url,error}`. */
      form: z.enum(['revid', 'v1']).default('revid'),
    })
    .prefault({}),
});
export type RevidBehaviour = z.output<typeof revidBehaviourSchema>;

const behaviourPatch = z.custom<Patch<RevidBehaviour>>(
  (value) => revidBehaviourSchema.safeParse(value).success,
  'not settings of the behaviour',
);
const render = z.literal('render').default('render');
const status = z.literal('status');

export const revidFaultSchema = z.union([
  // On `POST /render`, before it is accepted: nothing is paid.
  ...plainFaults(render),
  z.strictObject({
    ...{ at: render, kind: z.literal('refused_200'), error: z.string().default('insufficient_credits') },
    ...faultFields,
  }),
  // On `POST /render`, after it was accepted: it is paid and goes on, but the answer is late, lost or wrong.
  z.strictObject({ at: render, kind: z.literal('accept_then_hang'), ms: ms.optional(), ...faultFields }),
  z.strictObject({ at: render, kind: z.literal('accept_then_reset'), ...faultFields }),
  z.strictObject({ at: render, kind: z.literal('accept_then_garbage'), ...faultFields }),
  z.strictObject({
    ...{ at: render, kind: z.literal('accept_then_http'), status: z.number().int().min(200).max(599) },
    ...faultFields,
  }),
  // This one render behaves otherwise: the same settings as the behaviour's.
  z.strictObject({ at: render, kind: z.literal('behave'), behaviour: behaviourPatch, ...faultFields }),

  ...plainFaults(status),
  /** Answers a status word of its own, such as `building`. */
  z.strictObject({ at: status, kind: z.literal('word'), word: z.string(), ...faultFields }),
  ...plainFaults(z.literal('projects')),
  ...plainFaults(z.literal('credits')),
]);
export type RevidFault = z.output<typeof revidFaultSchema>;
export type RevidFaultInput = z.input<typeof revidFaultSchema>;
