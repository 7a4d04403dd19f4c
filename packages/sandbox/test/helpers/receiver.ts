/** Takes callbacks, as the bridge would. */
import { createApp, openServer, type SandboxServer } from '../../src/http-server.ts';
import { createRecordLog, type RecordLog } from '../../src/record-log.ts';

export type Received = { readonly url: string; readonly body: unknown; readonly atMs: number };
export type Receiver = SandboxServer & { readonly received: RecordLog<Received> };

export async function startReceiver(): Promise<Receiver> {
  const received = createRecordLog<Received>('callback');
  const app = createApp();
  app.post('/*', async (request) => {
    received.add({ url: request.url, body: request.body, atMs: performance.now() });
    return { ok: true };
  });
  return { ...(await openServer(app)), received };
}
