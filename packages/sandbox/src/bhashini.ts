/**
 * Bhashini as its documentation and several independent clients describe it: one call for the pipeline's configuration,
 * one to the endpoint named there for the translation (bhashini.gitbook.io; error bodies from Dhruva-Platform).
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { addControls, createBehaviour, type Patch } from './controls.ts';
import { actOut, createFaultQueue, delayMsMax, faultFields, hang, plainFaults, requestText } from './faults.ts';
import { createApp, type ListenOptions, openServer, type SandboxServer } from './http-server.ts';
import { createRecordLog, type RecordLog } from './record-log.ts';
import { translate } from './translations.ts';

const configPath = '/ulca/apis/v0/model/getModelsPipeline';
const computePath = '/services/inference/pipeline';
const serviceId = 'ai4bharat/indictrans-v2-all-gpu--t4';
const inputsMax = 90;

/** ISO codes of the languages that it translates to and from English, with ULCA's script codes. */
const scripts: Readonly<Record<string, string>> = {
  ...{ as: 'Beng', bn: 'Beng', brx: 'Deva', doi: 'Deva', gom: 'Deva', gu: 'Gujr', hi: 'Deva', kn: 'Knda', ks: 'Aran' },
  ...{ mai: 'Deva', ml: 'Mlym', mni: 'Mtei', mr: 'Deva', ne: 'Deva', or: 'Orya', pa: 'Guru', sa: 'Deva', sat: 'Olck' },
  ...{ sd: 'Arab', ta: 'Taml', te: 'Telu', ur: 'Aran' },
};

const behaviourSchema = z.strictObject({ delayMs: z.number().min(0).max(delayMsMax).default(0) });

const faultSchema = z.union([
  ...plainFaults(z.literal('config')),
  /** The configuration comes without `pipelineInferenceAPIEndPoint`. */
  z.strictObject({ at: z.literal('config'), kind: z.literal('without_endpoint'), ...faultFields }),
  ...plainFaults(z.literal('compute').default('compute')),
  /** 200 with `pipelineResponse: []`, as for an invalid chain of tasks. */
  z.strictObject({ at: z.literal('compute').default('compute'), kind: z.literal('empty_response'), ...faultFields }),
]);

const configBodySchema = z.object({
  pipelineTasks: z.array(z.object({ taskType: z.string(), config: z.object({ language: languagePair() }).optional() })),
  pipelineRequestConfig: z.object({ pipelineId: z.string() }),
});
const computeBodySchema = z.object({
  pipelineTasks: z
    .array(z.object({ taskType: z.string(), config: z.object({ language: languagePair(), serviceId: z.string() }) }))
    .min(1),
  inputData: z.object({ input: z.array(z.object({ source: z.string() })).max(inputsMax) }),
});

export type BhashiniBehaviour = z.output<typeof behaviourSchema>;
export type BhashiniFault = z.input<typeof faultSchema>;
export type BhashiniCall = {
  readonly at: 'config' | 'compute';
  readonly receivedAt: string;
  readonly body: unknown;
  /** Whether its keys were right. */
  readonly authorized: boolean;
};

export type BhashiniOptions = ListenOptions & {
  readonly userId?: string;
  readonly apiKey?: string;
  readonly pipelineId?: string;
  readonly behaviour?: Patch<BhashiniBehaviour>;
};

export type Bhashini = SandboxServer & {
  readonly configUrl: string;
  readonly userId: string;
  readonly apiKey: string;
  readonly pipelineId: string;
  readonly calls: RecordLog<BhashiniCall>;
  setBehaviour(patch: Patch<BhashiniBehaviour>): void;
  pushFaults(...faults: readonly BhashiniFault[]): void;
  clearFaults(): void;
  /** Makes the inference key that configurations have handed out so far invalid (401 at compute). */
  rotateInferenceKey(): void;
};

/** Starts the fake on 127.0.0.1 (any free port unless told). */
export async function startBhashini(options: BhashiniOptions = {}): Promise<Bhashini> {
  const userId = options.userId ?? 'sandbox-user';
  const apiKey = options.apiKey ?? 'sandbox-ulca-key';
  const pipelineId = options.pipelineId ?? '64392f96daac500b55c543cd';
  const behaviour = createBehaviour<BhashiniBehaviour>(behaviourSchema, options.behaviour);
  const faults = createFaultQueue<z.output<typeof faultSchema>, BhashiniFault>(faultSchema);
  const calls = createRecordLog<BhashiniCall>('call to Bhashini');
  let keyNumber = 1;
  const rotateInferenceKey = (): void => {
    keyNumber += 1;
  };
  const inferenceKey = (): string => `sandbox-inference-key-${keyNumber}`;

  const app = createApp();
  app.post(configPath, async (request, reply) => {
    const authorized = request.headers['userid'] === userId && request.headers['ulcaapikey'] === apiKey;
    calls.add(call('config', request, authorized));
    const fault = faults.take('config', requestText(request));
    if (fault?.kind !== 'without_endpoint' && (await actOut(fault, request, reply, errorBody))) return reply;
    if (await hang(request, reply, behaviour.current().delayMs)) return reply;
    if (!authorized) return refuse(reply, 401);
    const body = configBodySchema.safeParse(request.body);
    if (!body.success) return refuse(reply, 422);
    if (body.data.pipelineRequestConfig.pipelineId !== pipelineId) return refuse(reply, 404);
    const endpoint = {
      callbackUrl: `${server.url}${computePath}`,
      inferenceApiKey: { name: 'Authorization', value: inferenceKey() },
      isMultilingualEnabled: true,
      isSyncApi: true,
    };
    return {
      languages: languageList(),
      pipelineResponseConfig: body.data.pipelineTasks.filter(isTranslation).map((task) => ({
        taskType: 'translation',
        config: pairs(task.config?.language).map(modelFor),
      })),
      ...(fault === undefined ? { pipelineInferenceAPIEndPoint: endpoint } : {}),
    };
  });
  app.post(computePath, async (request, reply) => {
    const authorized = request.headers.authorization === inferenceKey();
    calls.add(call('compute', request, authorized));
    const fault = faults.take('compute', requestText(request));
    if (fault?.kind === 'empty_response') return { pipelineResponse: [] };
    if (await actOut(fault, request, reply, errorBody)) return reply;
    if (await hang(request, reply, behaviour.current().delayMs)) return reply;
    if (!authorized) return refuse(reply, 401);
    const body = computeBodySchema.safeParse(request.body);
    if (!body.success) return refuse(reply, 422);
    const [task] = body.data.pipelineTasks;
    if (task === undefined || body.data.pipelineTasks.length > 1 || !isTranslation(task))
      return { pipelineResponse: [] };
    const { sourceLanguage, targetLanguage } = task.config.language;
    if (task.config.serviceId !== serviceId || pairs(task.config.language).length === 0) return refuse(reply, 500);
    const output = body.data.inputData.input.map(({ source }) => ({
      source: source.replaceAll(/\s*\n\s*/gu, ' ').trim(),
      target: translate(source, sourceLanguage, targetLanguage),
    }));
    return { pipelineResponse: [{ taskType: 'translation', config: null, output, audio: null }] };
  });
  addControls(app, {
    behaviour,
    faults: { ...faults, push: (...given) => faults.push(...(given as BhashiniFault[])) },
    records: { calls: calls.all },
    actions: { 'rotate-inference-key': rotateInferenceKey },
  });

  const server = await openServer(app, options);
  return {
    ...server,
    configUrl: `${server.url}${configPath}`,
    ...{ userId, apiKey, pipelineId, calls, rotateInferenceKey },
    setBehaviour: behaviour.set,
    pushFaults: faults.push,
    clearFaults: faults.clear,
  };
}

function languagePair() {
  return z.object({ sourceLanguage: z.string(), targetLanguage: z.string() });
}

type Pair = z.infer<ReturnType<typeof languagePair>>;

function pairs(wanted: Pair | undefined): readonly Pair[] {
  const all = Object.keys(scripts).flatMap((code) => [pair(code, 'en'), pair('en', code)]);
  if (wanted === undefined) return all;
  return all.filter((it) => it.sourceLanguage === wanted.sourceLanguage && it.targetLanguage === wanted.targetLanguage);
}

function modelFor({ sourceLanguage, targetLanguage }: Pair) {
  const language = {
    ...{ sourceLanguage, sourceScriptCode: scripts[sourceLanguage] ?? 'Latn' },
    ...{ targetLanguage, targetScriptCode: scripts[targetLanguage] ?? 'Latn' },
  };
  return { serviceId, modelId: '641d1d7892a6a31751ff1f49', language, domain: ['general'] };
}

function languageList() {
  const indic = Object.keys(scripts);
  return [
    ...indic.map((code) => ({ sourceLanguage: code, targetLanguageList: ['en'] })),
    { sourceLanguage: 'en', targetLanguageList: indic },
  ];
}

function pair(sourceLanguage: string, targetLanguage: string): Pair {
  return { sourceLanguage, targetLanguage };
}

function isTranslation(task: { readonly taskType: string }): boolean {
  return task.taskType === 'translation';
}

function refuse(reply: FastifyReply, status: number): FastifyReply {
  return reply.code(status).send(errorBody(status));
}

function errorBody(status: number): unknown {
  if (status === 401) return { detail: { message: 'Not authenticated' } };
  if (status === 404) return { message: 'No pipeline has this id' };
  if (status === 422) return { detail: [{ loc: ['body'], msg: 'field required', type: 'value_error.missing' }] };
  return { detail: { kind: 'DHRUVA-101', message: 'Request failed. Please try again.' } };
}

function call(at: BhashiniCall['at'], request: FastifyRequest, authorized: boolean): BhashiniCall {
  return { at, receivedAt: new Date().toISOString(), body: request.body, authorized };
}
