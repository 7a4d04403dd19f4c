/** A self-hosted IndicTrans2 server: `POST /translate`, as the system that this one replaces talks to it. */
import { z } from 'zod';
import { addControls, createBehaviour, type Patch } from './controls.ts';
import { actOut, createFaultQueue, delayMsMax, hang, plainFaults, requestText } from './faults.ts';
import { createApp, type ListenOptions, openServer, type SandboxServer } from './http-server.ts';
import { createRecordLog, type RecordLog } from './record-log.ts';
import { translate } from './translations.ts';

/** The real server has no detection: `auto` is Hindi, always. */
const autoLanguage = 'hi';
const languages = ['hi', 'bn', 'gu', 'mr', 'kn', 'te', 'ml', 'ta', 'pa', 'or', 'as', 'ur', 'en'] as const;

const behaviourSchema = z.strictObject({
  delayMs: z.number().min(0).max(delayMsMax).default(0),
  /** While the model loads every request is answered with 503. */
  loading: z.boolean().default(false),
});
const faultSchema = z.union([...plainFaults(z.literal('translate').default('translate'))]);
const bodySchema = z.object({
  input: z.string().min(1),
  source_language: z.enum(['auto', ...languages]).default('auto'),
  target_language: z.enum(languages).default('en'),
});

export type IndictransBehaviour = z.output<typeof behaviourSchema>;
export type IndictransFault = z.input<typeof faultSchema>;
export type IndictransCall = { readonly receivedAt: string; readonly body: unknown; readonly authorized: boolean };

export type IndictransOptions = ListenOptions & {
  /** A Bearer token that callers must send; none is asked for where it is absent. */
  readonly apiKey?: string;
  readonly behaviour?: Patch<IndictransBehaviour>;
};

export type Indictrans = SandboxServer & {
  readonly calls: RecordLog<IndictransCall>;
  setBehaviour(patch: Patch<IndictransBehaviour>): void;
  pushFaults(...faults: readonly IndictransFault[]): void;
  clearFaults(): void;
};

/** Starts the fake on 127.0.0.1 (any free port unless told). */
export async function startIndictrans(options: IndictransOptions = {}): Promise<Indictrans> {
  const behaviour = createBehaviour<IndictransBehaviour>(behaviourSchema, options.behaviour);
  const faults = createFaultQueue<z.output<typeof faultSchema>, IndictransFault>(faultSchema);
  const calls = createRecordLog<IndictransCall>('call to IndicTrans2');

  const app = createApp();
  app.post('/translate', async (request, reply) => {
    const authorized = options.apiKey === undefined || request.headers.authorization === `Bearer ${options.apiKey}`;
    calls.add({ receivedAt: new Date().toISOString(), body: request.body, authorized });
    const fault = faults.take('translate', requestText(request));
    if (await actOut(fault, request, reply, errorBody)) return reply;
    const { delayMs, loading } = behaviour.current();
    if (await hang(request, reply, delayMs)) return reply;
    if (!authorized) return reply.code(401).send(errorBody(401));
    if (loading) return reply.code(503).send(errorBody(503));
    const body = bodySchema.safeParse(request.body);
    if (!body.success) return reply.code(422).send(errorBody(422));
    const { input, source_language, target_language } = body.data;
    const source = source_language === 'auto' ? autoLanguage : source_language;
    return { output: translate(input, source, target_language), source_language: source, target_language };
  });
  app.get('/health', async () => ({ status: behaviour.current().loading ? 'loading' : 'ok' }));
  addControls(app, {
    behaviour,
    faults: { ...faults, push: (...given) => faults.push(...(given as IndictransFault[])) },
    records: { calls: calls.all },
  });

  const server = await openServer(app, options);
  return {
    ...server,
    calls,
    setBehaviour: behaviour.set,
    pushFaults: faults.push,
    clearFaults: faults.clear,
  };
}

function errorBody(status: number): unknown {
  if (status === 401) return { detail: 'Not authenticated' };
  if (status === 503) return { detail: 'Model not loaded' };
  if (status === 422) return { detail: [{ loc: ['body'], msg: 'Unsupported language code', type: 'value_error' }] };
  return { detail: 'Translation failed' };
}
