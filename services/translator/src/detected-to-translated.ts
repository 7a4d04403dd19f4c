/** Step `translate`: a job whose photo shows a pet gets its text in the target language. */
import { type Broker, createEvent, eventsOfRun, failJob, isKind, type Stage } from '@pet-roast/shared';
import { type Translator, translateText } from './translate.ts';

export function detectedToTranslated(deps: { readonly broker: Broker; readonly translator: Translator }): Stage {
  return {
    step: 'translate',
    async handle(event, context) {
      if (!isKind(event, 'detected')) return undefined;
      const job = eventsOfRun(await deps.broker.readJob(event.job_id, ['translated', 'outcome']), event.run);
      if (job === undefined || job.length > 0) return undefined;
      const { text, source_language, target_language } = (await deps.broker.readReceived(event.job_id)).data;
      const request = { text, source: source_language, target: target_language };
      const translation = await translateText(request, deps.translator, context.signal);
      await deps.broker.decide(createEvent('translated', event.job_id, translation, { run: event.run }));
      return undefined;
    },
    fail: failJob(deps.broker, 'translate'),
  };
}
