/** Step `submit`: a translated job is submitted to the vendor, at most once (`submit-render.ts`). */
import { failJob, isKind, type Stage } from '@pet-roast/shared';
import { type SubmitDeps, submitRender } from './submit-render.ts';

export function translatedToRendering(deps: SubmitDeps): Stage {
  return {
    step: 'submit',
    async handle(event, context) {
      if (isKind(event, 'translated')) await submitRender(event, 'submit', context.log, deps);
      return undefined;
    },
    fail: failJob(deps.broker, 'submit'),
  };
}
