/** `DELETE /api/jobs/{id}`: 204 when nothing is held of the job any more, also when that was so before; 409 while it is not over. */
import type { HttpServer } from '@pet-roast/shared';
import { type EraseDeps, eraseJob } from '../erase.ts';
import { checkedJobId } from './video-status.ts';

export function erase(app: HttpServer, deps: EraseDeps): void {
  app.delete<{ Params: { id: string } }>('/api/jobs/:id', async (request, reply) => {
    await eraseJob(checkedJobId(request.params.id), request.caller, deps);
    return reply.code(204).send();
  });
}
