/** `/admin/*`, for operators: the dead letters and their replay. A bearer token of its own; none set, none accepted. */
import { type Broker, HttpError, type HttpServer, hasBearer, type StoredLetter } from '@pet-roast/shared';
import { z } from 'zod';
import { replayLetter } from '../replay.ts';

export type AdminDeps = {
  readonly broker: Broker;
  readonly adminToken: string | undefined;
  readonly jobDeadlineMs: number;
};

const lettersMax = 500;
const scannedMax = 20_000;

const filterSchema = z.strictObject({
  step: z.string().max(50).optional().describe('Only letters of this step'),
  code: z.string().max(50).optional().describe('Only letters with this error code'),
  cause: z.string().max(50).optional().describe('Only letters with this cause'),
  job_id: z.string().max(64).optional().describe('Only letters of this job'),
});
type Filter = z.infer<typeof filterSchema>;

export const listSchema = filterSchema.extend({
  after: z.coerce.number().int().min(0).default(0).describe('Only letters with a larger id'),
  limit: z.coerce.number().int().min(1).max(lettersMax).default(100).describe('How many at most'),
});
export const replaySchema = z.strictObject({
  allow_second_payment: z.boolean().default(false).describe('Also where the vendor may have been paid already'),
});
export const replayManySchema = replaySchema.extend({
  filter: filterSchema.default({}).describe('Which; all where it is empty'),
  after: z.number().int().min(0).default(0).describe('Only letters with a larger id'),
  limit: z.number().int().min(1).max(lettersMax).default(100).describe('How many at most'),
});

export function admin(app: HttpServer, deps: AdminDeps): void {
  const options = (allowSecondPayment: boolean) => ({ allowSecondPayment, jobDeadlineMs: deps.jobDeadlineMs });

  app.register(async (scope) => {
    scope.addHook('onRequest', async (request) => {
      if (!hasBearer(request.headers.authorization, deps.adminToken)) throw new HttpError('unauthorized');
    });

    scope.get('/admin/dead-letters', async (request) => {
      const { after, limit, ...filter } = parse(listSchema, request.query);
      const { letters, next } = await find(deps.broker, filter, after, limit);
      return { letters: letters.map(shown), next };
    });

    scope.post<{ Params: { id: string } }>('/admin/dead-letters/:id/replay', async (request) => {
      const id = z.coerce.number().int().min(1).safeParse(request.params.id);
      if (!id.success) throw new HttpError('letter_not_found');
      const body = parse(replaySchema, request.body ?? {});
      return replayLetter(deps.broker, id.data, options(body.allow_second_payment));
    });

    scope.post('/admin/dead-letters/replay', async (request) => {
      // All of them are what `{}` asks for, and not what nothing does.
      const body = parse(replayManySchema, request.body);
      const { letters, next } = await find(deps.broker, body.filter, body.after, body.limit);
      const replayed: unknown[] = [];
      const refused: unknown[] = [];
      for (const { seq } of letters) {
        await replayLetter(deps.broker, seq, options(body.allow_second_payment)).then(
          (done) => replayed.push({ id: seq, ...done }),
          (error: unknown) => {
            if (!(error instanceof HttpError)) throw error;
            refused.push({ id: seq, error: error.code, message: error.message });
          },
        );
      }
      return { replayed, refused, next };
    });
  });
}

/** Letters, and the place after which more may lie. */
type Found = { readonly letters: readonly StoredLetter[]; readonly next: number | undefined };

/**
 * The letters that fit, from a place on. Looks at no more than `scannedMax` of them. Refused letters stay: without `next`
 * they would be all that is found, again and again.
 */
async function find(broker: Broker, filter: Filter, after: number, limit: number): Promise<Found> {
  const found: StoredLetter[] = [];
  let from = after;
  for (let scanned = 0; scanned < scannedMax && found.length < limit; ) {
    const page = await broker.listDead(from, lettersMax);
    if (page.length === 0) return { letters: found, next: undefined };
    found.push(...page.filter((letter) => fits(letter, filter)));
    from = page.at(-1)?.seq ?? from;
    scanned += page.length;
  }
  const letters = found.slice(0, limit);
  return { letters, next: letters.length === limit ? letters.at(-1)?.seq : from };
}

function fits(letter: StoredLetter, filter: Filter): boolean {
  return Object.entries(filter).every(([name, value]) => value === undefined || letter[name as keyof Filter] === value);
}

function shown({ seq, raw_base64: _raw, ...letter }: StoredLetter): Record<string, unknown> {
  return { id: seq, ...letter };
}

function parse<T>(schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const field = issue?.path.join('.') || (issue?.code === 'unrecognized_keys' ? issue.keys.join(', ') : 'body');
  throw new HttpError('invalid_field', { field, message: `${field}: ${issue?.message}` });
}
