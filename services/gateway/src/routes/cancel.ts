/** `POST /api/jobs/{id}/cancel`: 202 when the job was not over yet, 409 when it was. Decided with everything else on `outcome`. */
import { type Broker, createEvent, HttpError, type HttpServer, isKind, rejectionOf } from '@pet-roast/shared';
import { checkOwner } from '../callers.ts';
import { checkedJobId } from './video-status.ts';

export function cancel(app: HttpServer, deps: { readonly broker: Broker }): void {
  app.post<{ Params: { id: string } }>('/api/jobs/:id/cancel', async (request, reply) => {
    const jobId = checkedJobId(request.params.id);
    const [received] = await deps.broker.readJob(jobId, ['received']);
    if (!isKind(received, 'received')) throw new HttpError('job_not_found');
    checkOwner([received], request.caller);
    if (await rejectionOf(deps.broker, jobId, received.run)) throw new HttpError('job_already_over');
    const event = createEvent('cancelled', jobId, { notify: true }, { run: received.run });
    const { event: outcome } = await deps.broker.decide(event);
    // A repeat of the same cancel finds its own event.
    if (!isKind(outcome, 'cancelled')) throw new HttpError('job_already_over');
    return reply.code(202).send({ job_id: jobId, status: 'cancelled', stage: 'cancelled' });
  });
}
